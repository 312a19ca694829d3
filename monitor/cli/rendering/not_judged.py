"""What a command says at its end about readings that were not judged, and about the streams themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from monitor.alerts.accepting import ANOMALY
from monitor.cli.rendering.output import echo
from monitor.errors import NotJudgedError
from monitor.records.alerts import Alert, AlertState
from monitor.records.counters import READINGS
from monitor.records.escapes import visible

FEW = 0.05  # share of the readings
UNSCORED, CHANGE = "unscored", "change"

if TYPE_CHECKING:
    from monitor.replay.not_judged import NotJudged


def health_causes(alerts: Sequence[Alert]) -> list[str]:
    """One line for each alert about a stream itself; anomalies and changes are not, though they may have a cause."""
    about = [alert for alert in alerts if alert.cause and alert.kind not in {ANOMALY, CHANGE}]
    return [visible(f"{alert.kind} of {alert.stream or 'all streams'}: {alert.cause}") for alert in about]


def end(not_judged: NotJudged, alerts: Sequence[Alert], *, quiet: bool) -> None:
    """Warn on standard error of what was not judged. Raises NotJudgedError where that is more than a few rows."""
    sentences = not_judged.sentences()
    causes = health_causes(alerts)
    if not_judged.too_many:
        raise NotJudgedError("\n".join(sentences + causes), sentences + causes)
    if not quiet:
        for sentence in sentences + causes:
            echo(f"warning: {sentence}", err=True)


def end_of_run(counts: Mapping[str, int], alerts: Sequence[Alert]) -> None:
    """As `end`, for a run whose streams have these counters. Raises NotJudgedError."""
    aside = {name: counts[name] for name in READINGS[1:] if counts.get(name)}
    read = sum(counts.get(name, 0) for name in READINGS)
    parts = ", ".join(f"{count:,} {name}" for name, count in aside.items())
    sentences = [f"of {read:,} readings these were set aside: {parts}"] if aside else []
    sentences += health_causes(alerts)
    blind = any(alert.kind == UNSCORED and alert.state is not AlertState.RESOLVED for alert in alerts)
    if blind or sum(aside.values()) > FEW * read:
        raise NotJudgedError("\n".join(sentences), sentences)
    for sentence in sentences:
        echo(f"warning: {sentence}", err=True)
