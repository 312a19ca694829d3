"""Rows of alerts: read under a lock, merged with facts or commands, and written with their transitions and outbox rows.

A commit with facts takes at most two queries and four inserts, however many facts it has.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select

from monitor.alerts.lifecycle import Merged, merge_facts
from monitor.alerts.notifications import announced
from monitor.ports.store import Announce, Commit
from monitor.records.alerts import Alert, AlertState, CommandKind, Evidence, FactKind, Severity, Transition
from monitor.store import evidence_facts, schema
from monitor.store.conflicts import insert_into
from monitor.store.text import storable

_IDS_AT_ONCE = 5_000  # parameters of a query: SQLite takes 32,766, PostgreSQL 65,535
_MUTABLE = (
    "state", "severity", "last_at", "resolved_at", "peak_ratio", "peak_at", "windows", "cause",
    "acknowledged_at", "acknowledged_by", "note",
)  # fmt: skip

Row = dict[str, Any]
Recorded = dict[UUID, dict[UUID, int]]  # numbers of transitions by their ids, by alert


def write_facts(connection: Connection, commit: Commit, now: int) -> None:
    """Merge the commit's facts with the stored rows, inside its transaction."""
    if not commit.facts:
        return
    stored = locked(connection, dict.fromkeys(fact.alert for fact in commit.facts))
    news = dict.fromkeys(fact.alert for fact in commit.facts if fact.kind is not FactKind.CONTINUED)
    merged = merge_facts(commit.facts, stored, recorded(connection, [id_ for id_ in news if id_ in stored]))
    changed = [each for each in merged if each.changes or each.alert != stored.get(each.alert.id)]
    write(connection, changed, commit.announce, now, commit.evidence)


def locked(connection: Connection, alerts: Iterable[UUID]) -> dict[UUID, Alert]:
    """Rows of these alerts that nothing else changes before the end of the transaction, in an order that all share."""
    found = {}
    for some in _pieces(sorted(alerts)):
        query = select(schema.alerts).where(schema.alerts.c.id.in_(some)).order_by(schema.alerts.c.id)
        found.update({row.id: alert(row) for row in connection.execute(query.with_for_update())})
    return found


def recorded(connection: Connection, alerts: Sequence[UUID]) -> Recorded:
    """Transitions of alerts that are locked: a second query, which sees what was committed while it waited."""
    t = schema.transitions.c
    found: Recorded = {}
    for some in _pieces(alerts):
        for row in connection.execute(select(t.alert, t.id, t.number).where(t.alert.in_(some))):
            found.setdefault(row.alert, {})[row.id] = row.number
    return found


def write(
    connection: Connection, merged: Sequence[Merged], announce: Announce, now: int, evidence: Sequence[Evidence] = ()
) -> None:
    """Write merged rows of locked alerts, their new transitions, and notifications rendered from the merged rows."""
    if not merged:
        return
    statement = insert_into(connection, schema.alerts)
    newest = {name: statement.excluded[name] for name in _MUTABLE}
    upsert = statement.on_conflict_do_update(index_elements=["id"], set_=newest)
    connection.execute(upsert, [_alert_row(each.alert) for each in merged])
    changes = sorted((change for each in merged for change in each.changes), key=lambda change: change[0].at)
    if changes:
        connection.execute(schema.transitions.insert(), [_transition_row(transition) for transition, _ in changes])
    if evidence:
        new = insert_into(connection, schema.evidence).on_conflict_do_nothing()
        connection.execute(new, [_evidence_row(item) for item in evidence])
    if notifications := list(announced(changes, announce, evidence)):
        connection.execute(schema.outbox.insert(), [_outbox_row(*each, now) for each in notifications])


def alert(row: Any) -> Alert:
    """A row of `alerts`."""
    return Alert(
        id=row.id, run=row.run, family=row.family, stream=row.stream, kind=row.kind,
        state=AlertState(row.state), severity=Severity(row.severity), opened_at=row.opened_at,
        started_at=row.started_at, last_at=row.last_at, resolved_at=row.resolved_at,
        peak_ratio=_float(row.peak_ratio), peak_at=row.peak_at, windows=row.windows, cause=row.cause,
        acknowledged_at=row.acknowledged_at, acknowledged_by=row.acknowledged_by or "", note=row.note or "",
    )  # fmt: skip


def transition(row: Any) -> Transition:
    """A row of `transitions`."""
    cause = FactKind(row.cause) if row.cause in set(FactKind) else CommandKind(row.cause)
    return Transition(
        id=row.id, alert=row.alert, number=row.number, cause=cause, at=row.at, state=AlertState(row.state),
        severity=Severity(row.severity), ratio=_float(row.ratio), actor=row.actor, note=row.note,
    )  # fmt: skip


def _pieces(ids: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    for i in range(0, len(ids), _IDS_AT_ONCE):
        yield ids[i : i + _IDS_AT_ONCE]


def _alert_row(of: Alert) -> Row:
    return {
        "id": of.id, "run": of.run, "family": of.family, "stream": of.stream, "kind": of.kind,
        "state": of.state.value, "severity": of.severity.value, "opened_at": of.opened_at,
        "started_at": of.started_at, "last_at": of.last_at, "resolved_at": of.resolved_at,
        "peak_ratio": _number(of.peak_ratio), "peak_at": of.peak_at, "windows": of.windows,
        "cause": storable(of.cause),
        "acknowledged_at": of.acknowledged_at, "acknowledged_by": of.acknowledged_by or None, "note": of.note or None,
    }  # fmt: skip


def _transition_row(of: Transition) -> Row:
    return {
        "id": of.id, "alert": of.alert, "number": of.number, "cause": of.cause.value, "at": of.at,
        "state": of.state.value, "severity": of.severity.value, "ratio": _number(of.ratio),
        "actor": of.actor, "note": of.note,
    }  # fmt: skip


def _evidence_row(of: Evidence) -> Row:
    expected = of.reconstruction
    return {
        "alert": of.alert, "start_ns": of.start, "end_ns": of.end,
        "length": len(of.values), "channels": json.dumps(of.channels),
        "readings": of.values.astype("<f4").tobytes(),
        "reconstruction": None if expected is None else expected.astype("<f4").tobytes(),
        "contribution": of.contribution.astype("<f4").tobytes(),
        "facts": evidence_facts.to_text(of),
    }  # fmt: skip


def _outbox_row(of: Transition, channel: str, payload: str, now: int) -> Row:
    """Due at once: `next_at` 0 does not depend on two machines' clocks being equal."""
    return {
        "transition": of.id, "alert": of.alert, "channel": channel, "payload": payload,
        "created": now, "next_at": 0, "attempts": 0,
    }  # fmt: skip


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _float(value: float | None) -> float:
    return math.nan if value is None else value
