"""The lives of a run's alerts as SQL has them, and what a commit of a replay repeats of those of the live run."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from itertools import groupby
from uuid import UUID

from sqlalchemy import Connection, select

from monitor.alerts import recorded_lives
from monitor.alerts.lifecycle import Answered, Merged, Terms
from monitor.alerts.recorded_lives import ids
from monitor.alerts.repeating import Step
from monitor.ports.store import Commit
from monitor.records.recorded_lives import RecordedLife
from monitor.store import alert_commands, alert_rows, schema, suppressions


def lives(connection: Connection, run: str, family: str) -> list[RecordedLife]:
    """Alerts of a family with their transitions, in order of their opening."""
    a, t, c = schema.alerts.c, schema.transitions.c, schema.commands.c
    ours = (a.run == run, a.family == family)
    alerts = {row.id: alert_rows.alert(row) for row in connection.execute(select(schema.alerts).where(*ours))}
    changes = select(schema.transitions).join(schema.alerts, a.id == t.alert).where(*ours).order_by(t.alert, t.number)
    given = select(schema.commands).join(schema.alerts, a.id == c.alert).where(*ours, c.refused.is_(None))
    commands = {row.id: alert_commands.command(row) for row in connection.execute(given)}
    transitions = map(alert_rows.transition, connection.execute(changes))
    found = [
        RecordedLife(alerts[id_], [(change, commands.get(change.id)) for change in some])
        for id_, some in groupby(transitions, lambda change: change.alert)
    ]
    return sorted(found, key=lambda life: life.alert.opened_at)


def steps(connection: Connection, commit: Commit) -> dict[UUID, list[Step]]:
    """What the commit of a replay repeats, by alert; where there are commands among it, these are locked."""
    if commit.recorded is None:
        return {}
    due = recorded_lives.due(commit.facts, commit.recorded, commit.rules)
    if any(ids(id_, some) for id_, some in due.items()):
        alert_commands.queue(connection)
    return due


def terms(connection: Connection, commit: Commit, stored: Container[UUID]) -> dict[UUID, Terms]:
    """What holds for the alerts of a commit that are not stored yet."""
    if commit.recorded is None:
        return suppressions.terms(connection, commit, stored)
    first = {fact.alert: fact for fact in reversed(commit.facts) if fact.alert not in stored}
    return {id_: recorded_lives.terms(fact, commit.recorded, commit.rules) for id_, fact in first.items()}


def note_refused(connection: Connection, due: dict[UUID, list[Step]], known: alert_rows.Recorded) -> None:
    """Add commands that were refused in the replay before to what is `known` of its alerts: they have no transition."""
    wanted = sorted({id_ for alert, some in due.items() for id_ in ids(alert, some)})
    c = schema.commands.c
    for some in alert_rows.pieces(wanted):
        refused = select(c.alert, c.id).where(c.id.in_(some), c.refused.is_not(None))
        for row in connection.execute(refused):
            known.setdefault(row.alert, {})[row.id] = -1


def keep(connection: Connection, merged: Iterable[Merged]) -> None:
    """Rows of the commands that were repeated, carried out or refused."""
    answered: Sequence[Answered] = [each for one in merged for each in one.commands]
    alert_commands.keep(connection, answered)


def announced_before(connection: Connection, alerts: Iterable[UUID]) -> set[UUID]:
    """Those alerts of a replay with a change that a live run would have announced."""
    t = schema.transitions.c
    found: set[UUID] = set()
    for some in alert_rows.pieces(sorted(alerts)):
        query = select(t.alert).where(t.alert.in_(some), t.withheld.is_(None)).distinct()
        found.update(connection.execute(query).scalars())
    return found
