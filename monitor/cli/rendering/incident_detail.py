"""One incident on a terminal of any width, and as JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rich.panel import Panel
from rich.text import Text

from monitor.cli.rendering import incidents
from monitor.cli.rendering.alert_json import alert_json, delivery_json
from monitor.cli.rendering.alert_list import EVERY, life_of
from monitor.cli.rendering.alert_table import SHOWN, FittedTable, short_id
from monitor.cli.rendering.delivery_text import outcome
from monitor.cli.rendering.moments import Moments
from monitor.records.alerts import Alert
from monitor.records.escapes import visible
from monitor.records.times import iso

if TYPE_CHECKING:
    from monitor.store.incident_queries import IncidentDetail


def parts(detail: IncidentDetail, moments: Moments) -> Iterator[Any]:
    """What to print, one after the other."""
    facts = "\n".join(map(visible, _facts(detail, moments)))
    title = str(detail.incident.id)
    yield Panel(Text(facts, overflow="fold"), title=title, title_align="left", expand=False)
    yield _members(detail, moments)
    yield _timeline(detail, moments)
    if detail.deliveries:
        yield _messages(detail, moments)


def _facts(detail: IncidentDetail, moments: Moments) -> Iterator[str]:
    of = detail.incident
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in detail.kinds.items())
    yield f"{of.group}, run {of.run}"
    yield f"{of.severity}, {incidents.life_of(of, moments)}"
    yield f"{len(detail.alerts):,} alerts, {of.open:,} open, {of.acknowledged:,} acknowledged: {kinds}"
    yield f"opened {moments.aged(of.opened_at)}, newest {moments.aged(of.newest_at)}, all in {moments.label}"
    if of.due_at is not None:
        yield f"the next message is due {moments.ago(of.due_at)}"


def _members(detail: IncidentDetail, moments: Moments) -> FittedTable:
    shown = detail.alerts[:SHOWN]
    columns = {
        "id": [short_id(alert) for alert in shown],
        "opened": [moments.text(alert.opened_at) for alert in shown],
        "family": [alert.family for alert in shown],
        "stream": [alert.stream or EVERY for alert in shown],
        "kind": [" ".join(filter(None, (alert.kind, alert.channel))) for alert in shown],
        "severity": [alert.severity.value for alert in shown],
        "peak": [_ratio(alert) for alert in shown],
        "state": [life_of(alert, moments) for alert in shown],
    }
    more = len(detail.alerts) - len(shown)
    caption = f"and {more:,} more" if more else None
    return FittedTable(columns, ("family", "peak"), title="Alerts: the first, then the worst", caption=caption)


def _timeline(detail: IncidentDetail, moments: Moments) -> FittedTable:
    columns = {
        f"at ({moments.label})": [moments.text(change.at) for change, _ in detail.changes],
        "stream": [alert.stream or EVERY for _, alert in detail.changes],
        "kind": [alert.kind for _, alert in detail.changes],
        "change": [change.cause.value for change, _ in detail.changes],
        "severity": [change.severity.value for change, _ in detail.changes],
        "who": [change.actor for change, _ in detail.changes],
        "note": [change.note for change, _ in detail.changes],
    }
    if not any(columns["note"]):
        del columns["note"]
    caption = f"and {detail.more:,} before" if detail.more else None
    return FittedTable(columns, ("severity",), title="What happened", caption=caption, folded=("stream", "note", "who"))


def _messages(detail: IncidentDetail, moments: Moments) -> FittedTable:
    columns = {
        "channel": [row.channel for row in detail.deliveries],
        "attempts": [str(row.attempts) for row in detail.deliveries],
        "outcome": [outcome(row, moments.aged) for row in detail.deliveries],
    }
    return FittedTable(columns, ("attempts",), title="Notifications", folded=("outcome", "channel"))


def _ratio(alert: Alert) -> str:
    return f"{alert.peak_ratio:.2f}" if math.isfinite(alert.peak_ratio) else ""


def as_json(detail: IncidentDetail) -> dict[str, Any]:
    """An incident with its alerts, the first and the worst on top, the newest changes, and its notifications."""
    return {
        **incidents.as_json(detail.incident),
        "kinds": detail.kinds,
        "members": [alert_json(alert) for alert in detail.alerts],
        "timeline": [
            {
                "at": iso(change.at), "alert": str(alert.id), "stream": alert.stream, "kind": alert.kind,
                "cause": change.cause, "state": change.state, "severity": change.severity, "actor": change.actor,
                "note": change.note,
            }
            for change, alert in detail.changes
        ],
        "earlier_changes": detail.more,
        "deliveries": [delivery_json(row) for row in detail.deliveries],
    }  # fmt: skip
