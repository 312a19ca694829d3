"""One alert on a terminal of any width: its facts, the evidence, its life, and what became of its notifications."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rich.panel import Panel
from rich.text import Text

from monitor.alerts.accepting import accepting
from monitor.cli.rendering.alert_list import EVERY, life_of
from monitor.cli.rendering.alert_table import FittedTable
from monitor.cli.rendering.delivery_text import outcome
from monitor.cli.rendering.evidence import EvidenceView
from monitor.cli.rendering.moments import Moments
from monitor.records.alerts import Alert, AlertState, Transition
from monitor.records.escapes import visible

if TYPE_CHECKING:
    from uuid import UUID

    from monitor.store.queries import AlertDetail


def alert_detail(detail: AlertDetail, moments: Moments) -> Iterator[Any]:
    """What to print, one after the other."""
    alert = detail.alert
    facts = "\n".join(map(visible, _facts(alert, moments)))
    yield Panel(Text(facts, overflow="fold"), title=str(alert.id), title_align="left", expand=False)
    if detail.evidence is not None:
        yield EvidenceView(detail.evidence, moments)
    yield _life(detail, moments)
    if detail.deliveries:
        yield _deliveries(detail, moments)


def _facts(alert: Alert, moments: Moments) -> Iterator[str]:
    channel = alert.channel
    about = f"{alert.kind} of {alert.family} / {alert.stream or EVERY}" + (f", channel {channel}" if channel else "")
    yield f"{about}, run {alert.run}"
    if alert.cause:
        yield alert.cause
    if how := accepting(alert):
        yield f"if this is the new normal: {how}"
    yield f"{alert.severity}, {life_of(alert, moments)}"
    yield f"peak {alert.peak_ratio:.2f} x the limit at {moments.aged(alert.peak_at)}"
    yield f"began {moments.text(alert.started_at)}, opened {moments.aged(alert.opened_at)}"
    end = "" if alert.resolved_at is None else f", resolved {moments.aged(alert.resolved_at)}"
    yield f"last {moments.aged(alert.last_at)}{end}, all in {moments.label}"
    if alert.acknowledged_at is not None:
        by = alert.acknowledged_by or "a person, with SQL"
        yield f"acknowledged by {by} at {moments.aged(alert.acknowledged_at)}"
    elif alert.resolved_at is not None:
        yield "never acknowledged"
    if alert.shelved_until is not None and alert.state is not AlertState.RESOLVED:
        yield f"shelved by {alert.shelved_by or 'a person, with SQL'} until {moments.aged(alert.shelved_until)}"
    if alert.verdict is not None:
        yield f"verdict: {alert.verdict}"
    if alert.windows:
        yield f"{alert.windows:,} {'anomalous windows' if alert.kind == 'anomaly' else 'bad readings'}"


def _life(detail: AlertDetail, moments: Moments) -> FittedTable:
    columns: dict[str, list[str]] = {
        f"at ({moments.label})": [moments.text(change.at) for change in detail.transitions],
        "change": [change.cause.value for change in detail.transitions],
        "severity": [change.severity.value for change in detail.transitions],
        "ratio": [f"{change.ratio:.2f}" if math.isfinite(change.ratio) else "" for change in detail.transitions],
        "who": [change.actor for change in detail.transitions],
        f"acted ({moments.label})": [
            "" if change.acted_at is None else moments.text(change.acted_at) for change in detail.transitions
        ],
        "note": [change.note for change in detail.transitions],
        "not sent": [_not_sent(change, detail) for change in detail.transitions],
    }
    always = ("at", "change", "severity", "ratio", "who")
    shown = {name: cells for name, cells in columns.items() if name.split(" ")[0] in always or any(cells)}
    return FittedTable(shown, ("ratio", "severity"), title="Life", folded=("note", "not sent", "who"))


def _not_sent(change: Transition, detail: AlertDetail) -> str:
    """Why no notification was made, or which channels' filters kept it back."""
    names = detail.filtered.get(change.id, ())
    return change.withheld or "; ".join(f"not sent to {name}: filter" for name in names)


def _deliveries(detail: AlertDetail, moments: Moments) -> FittedTable:
    numbers: dict[UUID | None, str] = {change.id: change.cause.value for change in detail.transitions}
    columns = {
        "channel": [row.channel for row in detail.deliveries],
        "change": [numbers[row.transition] for row in detail.deliveries],
        "attempts": [str(row.attempts) for row in detail.deliveries],
        "outcome": [outcome(row, moments.aged) for row in detail.deliveries],
    }
    return FittedTable(columns, ("attempts",), title="Notifications", folded=("outcome", "channel"))
