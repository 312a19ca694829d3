"""Rows of incidents: read under a lock, brought up to date with the alerts that change, written in their transaction.

A transaction in which alerts open or change takes at most two queries, two inserts and, on PostgreSQL, a lock of its
groups: two workers whose first alerts open at the same moment make one incident. All transactions lock in one order,
so that no two wait for each other: alerts by id, then groups by name, then incidents by id, each kind at once.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, or_, select, text

from monitor.alerts.incidents import LONGEST, Grouped, is_new, regroup, without
from monitor.alerts.lifecycle import Merged
from monitor.errors import SettingsError
from monitor.records.alerts import Alert, AlertState, Severity
from monitor.records.incidents import BY_FAMILY, Grouping, Incident, IncidentState, Member, Said
from monitor.store import schema
from monitor.store.conflicts import insert_into
from monitor.store.text import storable

_IDS_AT_ONCE = 5_000  # parameters of a query: SQLite takes 32,766, PostgreSQL 65,535
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 22))")
_UNDELIVERED = (
    "a message about incident {0}, to which its alerts belong, is not delivered yet; forget it when that is done: "
    "`watchkeeper incidents show {0}`"
)
_FIXED = {"id", "run", "group_name"}

Row = dict[str, Any]


def grouped(connection: Connection, merged: Sequence[Merged], rule: Grouping, others: Collection[UUID] = ()) -> Grouped:
    """The incidents of alerts that are about to be written, up to date; their rows are locked until the end.

    Marks the changes of members that are announced by their incident as withheld. The incidents of `others`, stored
    alerts, are locked with them.
    """
    changed = [each for each in merged if each.changes]
    known = Grouped()
    if changed or others:
        keys = _members(connection, sorted({*(each.alert.id for each in changed if not is_new(each)), *others}), known)
        new = [each.alert for each in changed if is_new(each)]
        keys |= {(alert.run, rule.group(alert.family, alert.stream)) for alert in new}
        _lock(connection, keys)
        _incidents(connection, keys, new, known)
        regroup(changed, known, rule, time.time_ns())
    return known


def lock(connection: Connection, alerts: Collection[UUID]) -> None:
    """Lock the incidents of alerts of which several are about to change one after the other; they are locked."""
    grouped(connection, (), BY_FAMILY, alerts)


def write(connection: Connection, known: Grouped) -> None:
    """Write what changed; the alerts are written."""
    if known.changed:
        statement = insert_into(connection, schema.incidents)
        names = [column.name for column in schema.incidents.columns if column.name not in _FIXED]
        newest = {name: statement.excluded[name] for name in names}
        rows = [row(known.incidents[id_]) for id_ in sorted(known.changed)]
        connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=newest), rows)
    if known.joined:
        connection.execute(schema.incident_members.insert(), [each._asdict() for each in known.joined])


def forget(connection: Connection, alerts: Collection[UUID]) -> None:
    """Take resolved alerts that are about to be deleted out of their incidents; one without alerts is deleted.

    Raises SettingsError where a message about an incident is not delivered yet that goes with one of these alerts.
    """
    known = grouped(connection, (), BY_FAMILY, alerts)
    gone = Counter(known.members[alert].incident for alert in alerts if alert in known.members)
    left = {id_: without(known.incidents[id_], count) for id_, count in gone.items()}
    _refuse_undelivered(connection, known, left)
    for some in _pieces([id_ for id_, each in left.items() if not each.members]):
        connection.execute(schema.incidents.delete().where(schema.incidents.c.id.in_(some)))
    known.incidents |= left
    known.changed |= {id_ for id_, each in left.items() if each.members}
    write(connection, known)


def _refuse_undelivered(connection: Connection, known: Grouped, left: Mapping[UUID, Incident]) -> None:
    """Raise where a receiver would not learn how an incident ends."""
    o, t = schema.outbox.c, schema.transitions.c
    for of in left.values():
        if not of.open and of.due_at is not None and of.said and of.said.state is not IncidentState.RESOLVED:
            raise SettingsError(_UNDELIVERED.format(of.id.hex[:8]))
    for some in _pieces(sorted(known.members)):
        waiting = select(o.alert).join(schema.transitions, t.id == o.transition)
        waiting = waiting.where(t.alert.in_(some), o.alert != t.alert, o.digest.is_(None))
        waiting = waiting.where(o.delivered_at.is_(None), o.gave_up_at.is_(None))
        if (found := connection.execute(waiting.limit(1)).scalar()) is not None:
            raise SettingsError(_UNDELIVERED.format(found.hex[:8]))


def incident(of: Any) -> Incident:
    """A row of `incidents`."""
    said = None
    if of.said_at is not None:
        said = Said(of.said_at, IncidentState(of.said_state), Severity(of.said_severity), of.said_members)
    return Incident(
        id=of.id, run=of.run, group=of.group_name, opened_at=of.opened_at, newest_at=of.newest_at,
        ended_at=of.ended_at, members=of.members, open=of.open, acknowledged=of.acknowledged,
        severity=Severity(of.severity), due_at=of.due_at, messages=of.messages, wait=of.wait, said=said,
    )  # fmt: skip


def row(of: Incident) -> Row:
    """An incident as a row of `incidents`."""
    at, state, severity, members = of.said or (None, None, None, None)
    return {
        "id": of.id, "run": of.run, "group_name": storable(of.group), "opened_at": of.opened_at,
        "newest_at": of.newest_at, "ended_at": of.ended_at, "members": of.members, "open": of.open,
        "acknowledged": of.acknowledged, "severity": of.severity.value, "due_at": of.due_at, "messages": of.messages,
        "wait": of.wait, "said_at": at, "said_members": members,
        "said_state": state and state.value, "said_severity": severity and severity.value,
    }  # fmt: skip


def _members(connection: Connection, alerts: Sequence[UUID], known: Grouped) -> set[tuple[str, str]]:
    """Note the places of stored alerts and their states; returns run and group of their incidents."""
    m, i, a = schema.incident_members.c, schema.incidents.c, schema.alerts.c
    query = select(m.alert, m.incident, m.grouped, a.state, i.run, i.group_name)
    query = query.join_from(schema.incident_members, schema.incidents, m.incident == i.id)
    query = query.join(schema.alerts, a.id == m.alert)
    keys = set()
    for some in _pieces(alerts):
        for found in connection.execute(query.where(m.alert.in_(some))):
            known.members[found.alert] = Member(found.alert, found.incident, found.grouped)
            known.before[found.alert] = AlertState(found.state)
            keys.add((found.run, found.group_name))
    return keys


def _lock(connection: Connection, keys: set[tuple[str, str]]) -> None:
    """One transaction at a time for each run and group, in an order that all share. SQLite has one writer anyway."""
    if keys and connection.dialect.name == "postgresql":
        connection.execute(_LOCK, [{"key": "\x1f".join(key)} for key in sorted(keys)])


def _incidents(connection: Connection, keys: set[tuple[str, str]], new: Sequence[Alert], known: Grouped) -> None:
    """Note the incidents of known members, and those that new alerts could join."""
    i = schema.incidents.c
    ids = sorted({member.incident for member in known.members.values()})
    wanted: list[ColumnElement[bool]] = [i.id.in_(some) for some in _pieces(ids)]
    if new:
        first, last = (edge(alert.opened_at for alert in new) for edge in (min, max))
        near = i.opened_at.between(first - LONGEST, last + LONGEST)
        ours = i.run.in_({run for run, _ in keys}) & i.group_name.in_({group for _, group in keys})
        wanted[-1:] = [or_(*wanted[-1:], near & ours)]
    for some_of_them in wanted:  # in the order of ids, but for those of a commit, which are few
        query = select(schema.incidents).where(some_of_them).order_by(i.id).with_for_update()
        known.incidents.update((found.id, incident(found)) for found in connection.execute(query))


def _pieces(ids: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    for start in range(0, len(ids), _IDS_AT_ONCE):
        yield ids[start : start + _IDS_AT_ONCE]
