"""An alert in words: one sentence as an operator would say it, and what explains its score.

`_short` bounds the names in it, so that a message stays below its size whatever streams are called.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from monitor.alerts.accepting import ANOMALY
from monitor.notify.causes import Cause, compared, number
from monitor.records.alerts import Alert, AlertState, CommandKind, FactKind, Transition

_NAME, _CAUSE = 60, 160  # characters
_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def summary(alert: Alert, transition: Transition, found: Sequence[Cause]) -> str:
    """What the change means, in one sentence without a full stop."""
    of = f"{_short(alert.stream)} ({_short(alert.family)})" if alert.stream else f"family {_short(alert.family)}"
    where = f"{of}, {_short(alert.channel)}" if alert.channel else of
    return f"{where}: {_said(alert, transition, found)}"


def contributions(found: Sequence[Cause]) -> list[str]:
    """Each cell in words, the one with the largest share first."""
    return [f"{_cell(cause)}, {cause.share:.0%} of the score" for cause in found]


def _said(alert: Alert, transition: Transition, found: Sequence[Cause]) -> str:
    ratio = f"score {number(transition.ratio)} times its limit"
    kind = "anomaly" if alert.kind == ANOMALY else _short(alert.kind)
    if alert.state is AlertState.RESOLVED:
        lasted = _span((alert.resolved_at or transition.at) - alert.started_at)
        peak = f", score at most {number(alert.peak_ratio)} times its limit" if alert.kind == ANOMALY else ""
        return f"{kind} over after {lasted}{peak}"
    match transition.cause:
        case CommandKind.ACKNOWLEDGE:
            return f"{kind} acknowledged by {_short(transition.actor)}"
        case CommandKind():
            return f"{kind} {alert.state}: {transition.cause} by {_short(transition.actor)}"
        case FactKind.OPENED:
            begin = alert.severity.value
        case _:
            begin = f"now {alert.severity}, since {_span(transition.at - alert.opened_at)}"
    if alert.kind != ANOMALY:
        return f"{begin}, {_short(alert.cause, _CAUSE) or kind}"
    return ", ".join([begin, *map(_cell, found[:1]), ratio])


def _cell(cause: Cause) -> str:
    at = datetime.fromtimestamp(cause.time // 10**9, UTC).strftime("%H:%M:%S UTC")
    return f"{_short(cause.channel)} {number(cause.value)} at {at}{compared(cause)}"


def _span(time: int) -> str:
    """A duration in ns, with its two largest units."""
    seconds, parts = max(0, time // 10**9), []
    for name, size in _UNITS:
        if count := seconds // size:
            parts.append(f"{count} {name}")
        seconds %= size
    return " ".join(parts[:2]) or "0 s"


def _short(text: str, most: int = _NAME) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
