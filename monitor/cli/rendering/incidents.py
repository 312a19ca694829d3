"""Incidents as a table, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from monitor.cli.rendering.alert_table import FittedTable
from monitor.cli.rendering.moments import Moments
from monitor.records.incidents import Incident, IncidentState
from monitor.records.times import iso


def table(incidents: Sequence[Incident], moments: Moments) -> FittedTable:
    """A line for each."""
    columns = {
        "id": [each.id.hex[:8] for each in incidents],
        f"since ({moments.label})": [moments.text(each.opened_at) for each in incidents],
        "newest": [moments.ago(changed_at(each)) for each in incidents],
        "group": [each.group for each in incidents],
        "state": [life_of(each, moments) for each in incidents],
        "worst": [each.severity.value for each in incidents],
        "alerts": [f"{each.members:,}" for each in incidents],
        "open": [f"{each.open:,}" for each in incidents],
        "messages": [f"{each.messages:,}" for each in incidents],
    }
    return FittedTable(columns, ("messages", "newest"), folded=("group",))


def changed_at(incident: Incident) -> int:
    """Event time of the newest opening or end of one of its alerts."""
    return max(incident.newest_at, incident.ended_at or incident.newest_at)


def life_of(incident: Incident, moments: Moments) -> str:
    """Its state and since when."""
    if incident.resolved_at is not None:
        return f"resolved {moments.ago(incident.resolved_at)}"
    if incident.state is IncidentState.RESOLVED:  # its alerts were deleted
        return incident.state.value
    return f"{incident.state} for {moments.since(incident.opened_at)}"


def as_json(incident: Incident) -> dict[str, Any]:
    """Its fields; times in ISO-8601, UTC."""
    return {
        "id": str(incident.id), "run": incident.run, "group": incident.group, "state": incident.state,
        "severity": incident.severity, "opened_at": iso(incident.opened_at), "newest_at": iso(incident.newest_at),
        "resolved_at": None if incident.resolved_at is None else iso(incident.resolved_at),
        "alerts": incident.members, "open": incident.open, "acknowledged": incident.acknowledged,
        "messages": incident.messages, "due_at": None if incident.due_at is None else iso(incident.due_at),
    }  # fmt: skip
