"""Changes of alerts that maintenance withholds, as rows: merged with a commit's facts, and announced afterwards."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, delete, or_, select

from monitor.alerts.lifecycle import Merged
from monitor.alerts.notifications import notifications_of
from monitor.alerts.withholding import Change, Withheld, Withholding, still_muted, to_say
from monitor.ports.store import Announce, Commit
from monitor.records.alerts import Evidence, FactKind, Transition
from monitor.records.maintenance import Muting
from monitor.store import alert_rows, incident_rows, schema
from monitor.store.conflicts import insert_into
from monitor.store.evidence_facts import evidence as stored_evidence

AT_ONCE = 500  # alerts that are released in one transaction


def marked(
    connection: Connection, commit: Commit, changed: Sequence[Merged], stored: Collection[UUID]
) -> Withholding | None:
    """Mark what maintenance withholds of a commit's changes, before they are written; None where there is none."""
    looked_at = [each for each in changed if each.changes or commit.muting is not None]
    earlier = [each.alert.id for each in looked_at if each.alert.id in stored]
    if commit.muting is None and not (earlier and any_of(connection, commit.run)):
        return None
    before = kept(connection, earlier)
    withholding = Withholding.of(changed, commit.muting)
    asked = (withholding.alerts & set(stored)) - before.keys()
    withholding.apply(before, alert_rows.followed(connection, asked), commit.muting)
    commit.muted.update(muted.reason for muted in withholding.muted.values())
    return withholding


def settle(
    connection: Connection,
    run: str,
    withholding: Withholding,
    rows: Sequence[Change],
    evidence: Sequence[Evidence] = (),
) -> tuple[list[Change], list[Evidence]]:
    """After they were written: keep what is withheld; returns what is to be announced, and the evidence for it."""
    save(connection, run, withholding.kept)
    grouped = by_incident(connection, withholding.released)
    said, known = list(withholding.announcements(rows, grouped)), {each.alert for each in evidence}
    earlier = [change for change, _ in said if change.alert not in known] if len(said) > len(rows) else []
    return said, [*evidence, *evidence_of(connection, earlier)]


def any_of(connection: Connection, run: str) -> bool:
    """Whether something of a run is withheld."""
    w = schema.withheld.c
    return connection.execute(select(w.alert).where(w.run == run).limit(1)).first() is not None


def kept(connection: Connection, alerts: Sequence[UUID]) -> dict[UUID, Withheld]:
    """What is withheld of these alerts."""
    w, found = schema.withheld.c, dict[UUID, Withheld]()
    query = select(schema.transitions, w.until, w.reason, w.announced).join(
        schema.withheld, w.transition == schema.transitions.c.id
    )
    for some in alert_rows.pieces(alerts):
        for row in connection.execute(query.where(w.alert.in_(some))):
            change = alert_rows.transition(row)
            found[row.alert] = Withheld(row.alert, change, row.until, row.reason, bool(row.announced))
    return found


def save(connection: Connection, run: str, changes: Mapping[UUID, Withheld | None]) -> None:
    """Keep what is withheld now of these alerts, whose rows are written."""
    gone = [alert for alert, now in changes.items() if now is None]
    for some in alert_rows.pieces(gone):
        connection.execute(delete(schema.withheld).where(schema.withheld.c.alert.in_(some)))
    if rows := [_row(run, now) for now in changes.values() if now is not None]:
        statement = insert_into(connection, schema.withheld)
        newest = {name: statement.excluded[name] for name in ("transition", "until", "reason", "announced")}
        connection.execute(statement.on_conflict_do_update(index_elements=["alert"], set_=newest), rows)


def due(connection: Connection, run: str, now: int) -> list[UUID]:
    """Alerts that were withheld until then, the first `AT_ONCE` of them."""
    w = schema.withheld.c
    query = select(w.alert).where(w.run == run, w.until <= now).order_by(w.until).limit(AT_ONCE)
    return list(connection.execute(query).scalars())


def release(connection: Connection, run: str, now: int, muting: Muting, announce: tuple[Announce, UUID]) -> int:
    """Announce what is due and not muted any more; see `Maintenances`. `announce` comes with the store's identity."""
    alerts = alert_rows.locked(connection, due(connection, run, now))
    changes: dict[UUID, Withheld | None] = {}
    said: dict[UUID, Transition] = {}
    for id_, of in kept(connection, sorted(alerts)).items():
        again = still_muted(of, alerts[id_], muting, now)
        changes[id_] = again
        if again is None and (change := to_say(of, alerts[id_])) is not None:
            said[id_] = change
    incident_rows.lock(connection, said)
    grouped = by_incident(connection, said)
    rows = sorted(((change, alerts[id_]) for id_, change in said.items() if id_ not in grouped), key=_at)
    evidence = evidence_of(connection, [change for change, _ in rows])
    render, identity = announce
    alert_rows.notify(connection, notifications_of(rows, render, evidence, identity), time.time_ns())
    save(connection, run, changes)
    return len(said)


def by_incident(connection: Connection, alerts: Collection[UUID]) -> set[UUID]:
    """Those of these alerts that their incident announces; a message about it, which is locked, is due at once."""
    m, i = schema.incident_members.c, schema.incidents.c
    found: dict[UUID, UUID] = {}
    for some in alert_rows.pieces(sorted(alerts)):
        rows = connection.execute(select(m.alert, m.incident).where(m.alert.in_(some), m.grouped.is_(True)))
        found.update((row.alert, row.incident) for row in rows)
    now = time.time_ns()
    for some in alert_rows.pieces(sorted(set(found.values()))):
        waiting = schema.incidents.update().where(i.id.in_(some), or_(i.due_at.is_(None), i.due_at > now))
        connection.execute(waiting.values(due_at=now))
    return set(found)


def bring_forward(connection: Connection, until: int, of: ColumnElement[bool]) -> None:
    """Withhold those rows until then at most. Their alerts are locked first, as by whatever else writes them."""
    w = schema.withheld.c
    late = list(connection.execute(select(w.alert).where(of, w.until > until)).scalars())
    for some in alert_rows.pieces(sorted(alert_rows.locked(connection, late))):
        rows = schema.withheld.update().where(w.alert.in_(some), of, w.until > until)
        connection.execute(rows.values(until=until))


def evidence_of(connection: Connection, changes: Iterable[Transition]) -> list[Evidence]:
    """The stored evidence of the openings among these changes."""
    opened = [change.alert for change in changes if change.cause is FactKind.OPENED]
    e, found = schema.evidence.c, []
    for some in alert_rows.pieces(opened):
        found += [stored_evidence(row) for row in connection.execute(select(schema.evidence).where(e.alert.in_(some)))]
    return found


def _at(row: Change) -> int:
    return row[0].at


def _row(run: str, of: Withheld) -> dict[str, Any]:
    return {
        "alert": of.alert, "run": run, "transition": of.transition.id, "until": of.until, "reason": of.reason,
        "announced": int(of.announced),
    }  # fmt: skip
