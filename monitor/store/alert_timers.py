"""Timers of alerts in SQL: which are due, and their changes merged into the locked rows."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, case, or_, select

from monitor.alerts.lifecycle import Merged, merge
from monitor.alerts.notifications import notifications_of
from monitor.alerts.timers import Clock
from monitor.alerts.withholding import Withholding
from monitor.ports.maintenance import ByEntered, nothing_muted
from monitor.ports.store import Announce
from monitor.records.alerts import AlertState
from monitor.records.scalars import LIVE, NEVER
from monitor.store import alert_rows, schema, withheld
from monitor.store.engine import Database
from monitor.store.maintenance import windows
from monitor.store.open import open_database

AHEAD = 15 * 60 * 10**9  # ns that the event time of a stream may be ahead of the wall clock for its timers to be seen
_AT_ONCE = 500


def open_alert_timers(url: str, announce: Announce, muting: ByEntered = nothing_muted) -> SqlAlertTimers:
    """Open the store at `url` for timers, with separate connections. Raises StoreError."""
    return SqlAlertTimers(open_database(url), announce, muting)


class SqlAlertTimers:
    """`AlertTimers` over a `Database`. `announce` gives the notifications of each change.

    `muting` says what maintenance withholds, with that which people have entered.
    """

    def __init__(self, database: Database, announce: Announce, muting: ByEntered = nothing_muted) -> None:
        self._database, self._announce, self._muting = database, announce, muting
        self._store = database.identity

    def elapse(self, now: int) -> int:
        """Carry out what is due; see `AlertTimers`."""
        due = _due(now).limit(_AT_ONCE)
        with self._database.reading() as connection:
            rows = connection.execute(due).all()
        return self._carry_out(rows, now) if rows else 0

    def close(self) -> None:
        """Give connections back."""
        self._database.close()

    def _carry_out(self, rows: Sequence[Row[tuple[UUID, int]]], now: int) -> int:
        """What is still due of these alerts when they are locked."""
        with self._database.writing() as connection:
            stored = alert_rows.locked(connection, [row.id for row in rows])
            known = alert_rows.recorded(connection, sorted(stored))
            merged = [
                merge(stored[row.id], recorded=known.get(row.id), clock=Clock(row.event, now))
                for row in rows
                if row.id in stored
            ]
            changed = [each for each in merged if each.alert != stored[each.alert.id]]
            holding = self._withhold(connection, changed)
            changes = alert_rows.written(connection, changed, released=holding.released)
            said, evidence = withheld.settle(connection, LIVE, holding, changes)
            alert_rows.notify(connection, notifications_of(said, self._announce, evidence, self._store), now)
        return len(changed)

    def _withhold(self, connection: Connection, changed: Sequence[Merged]) -> Withholding:
        """Mark what is in maintenance, as commits do."""
        holding = Withholding.of(changed, self._muting(windows(connection)))
        held = withheld.kept(connection, [each.alert.id for each in changed])
        holding.apply(held, alert_rows.followed(connection, holding.alerts - held.keys()))
        return holding


def _due(now: int) -> Select[tuple[UUID, int]]:
    """Alerts that have a timer which is due, with the event time of their stream."""
    a, s = schema.alerts.c, schema.streams.c
    event = _event_time(now)
    shelf = and_(a.state == AlertState.SHELVED.value, a.due_at <= now)
    same = and_(s.run == a.run, s.family == a.family, s.name == a.stream)
    return (
        select(a.id, event.label("event"))
        .select_from(schema.alerts.outerjoin(schema.streams, same))
        .where(a.due_at.is_not(None), a.due_at <= now + AHEAD, a.run == LIVE, or_(a.due_at <= event, shelf))
        .order_by(a.due_at)
    )


def _event_time(now: int) -> ColumnElement[int]:
    """That of a stream at wall clock `now`; the wall clock where it has none: of an alert about a whole family."""
    s = schema.streams.c
    unknown = or_(s.last_time.is_(None), s.last_time <= NEVER, s.updated.is_(None))
    return case((unknown, now), (s.updated > now, s.last_time), else_=s.last_time + (now - s.updated))
