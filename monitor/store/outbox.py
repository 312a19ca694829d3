"""The dispatcher's side: notifications that are due, taken under a lease, and the record of every try.

The rows of an alert on a channel form a queue, and only its oldest pending row, the head, is sent. Rows are found by
the time at which they are due, in an index of the pending ones; a row that turns out to stand behind a head is put off
until the head is due, and becomes due at once when the head has left. So the cost of a claim depends on what it takes,
not on how much waits or was delivered, nor on the statistics of the database.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Connection, bindparam, func, select, text
from sqlalchemy.sql.expression import FromClause

from monitor.ports.notifier import Backlog, Outcome, Queue
from monitor.records.alerts import Delivery
from monitor.store import schema
from monitor.store.engine import Database
from monitor.store.open import open_database
from monitor.store.text import storable

_SEEN = 100  # rows looked at in a pass, at least
_PASSES = 10  # in each, what stands behind a head is put off, so that the next one sees further
AT: BindParameter[int] = bindparam("time")
NEWEST = 200  # attempts among which the newest failure of what waits is looked for


def open_outbox(url: str) -> SqlOutbox:
    """Open the outbox of the store at `url`, with separate connections. Raises StoreError."""
    return SqlOutbox(open_database(url))


class SqlOutbox:
    """The outbox of a `Database`. Any thread may use it, and several dispatchers may share one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, channel: str, now: int, limit: int, lease: int) -> list[Delivery]:
        """Take what is due; see `Outbox`."""
        o = schema.outbox.c
        due = select(schema.outbox).where(_pending(schema.outbox), o.channel == channel, o.next_at <= now)
        due = due.order_by(o.next_at, o.id).limit(max(limit, _SEEN))
        with self._database.reading() as connection:  # most polls find nothing: they need no write lock
            _by_index(connection)
            if connection.execute(due.limit(1)).first() is None:
                return []
        for _ in range(_PASSES):
            with self._database.writing() as connection:
                _by_index(connection)
                rows = connection.execute(due.with_for_update(skip_locked=True)).all()
                first = _heads(connection, channel, {row.alert for row in rows})
                heads = [row for row in rows if first[row.alert][0] == row.id][:limit]
                until = dict.fromkeys((row.alert for row in heads), now + lease)
                behind = [row for row in rows if first[row.alert][0] != row.id]
                _put_off(connection, [(row.id, until.get(row.alert, first[row.alert][1])) for row in heads + behind])
            if heads or not rows:
                break
        return [
            Delivery(
                id=row.id, message=row.message or row.transition, transition=row.transition, alert=row.alert,
                channel=row.channel, payload=row.payload, attempts=row.attempts,
            )
            for row in heads
        ]  # fmt: skip

    def record(self, outcomes: Sequence[Outcome]) -> None:
        """Keep what came of tries; see `Outbox`."""
        with self._database.writing() as connection:
            _by_index(connection)
            if tries := [_attempt(each) for each in outcomes]:
                connection.execute(schema.attempts.insert(), tries)
            accepted = [each for each in outcomes if each.error is None]
            again = [each for each in outcomes if each.error is not None and each.retry_at is not None]
            never = [each for each in outcomes if each.error is not None and each.retry_at is None]
            _tried(connection, [(each, each.at) for each in accepted], delivered_at=AT, gave_up_at=None)
            _tried(connection, [(each, each.retry_at or 0) for each in again], next_at=AT)
            _tried(connection, [(each, each.at) for each in never], gave_up_at=AT)
            _due_at_once(connection, [each.delivery for each in (*accepted, *never)])

    def release(self, deliveries: Sequence[Delivery]) -> None:
        """Make rows due again; see `Outbox`."""
        with self._database.writing() as connection:
            _put_off(connection, [(each.id, 0) for each in deliveries])

    def wake(self, channel: str, after: int) -> None:
        """Make due what waits for long; see `Outbox`."""
        o = schema.outbox.c
        with self._database.writing() as connection:
            _by_index(connection)
            late = schema.outbox.update().where(_pending(schema.outbox), o.channel == channel, o.next_at > after)
            connection.execute(late.values(next_at=0))

    def expire(self, before: int, now: int, reason: str, limit: int) -> Mapping[str, int]:
        """Give up what is too old; see `Outbox`."""
        o = schema.outbox.c
        old = select(o.id, o.alert, o.channel).where(_pending(schema.outbox), o.created < before)
        old = old.order_by(o.created).limit(limit)
        with self._database.reading() as connection:
            _by_index(connection)
            if connection.execute(old.limit(1)).first() is None:
                return {}
        with self._database.writing() as connection:
            _by_index(connection)
            rows = connection.execute(old.with_for_update(skip_locked=True)).all()
            if rows:
                tries = [{"outbox": row.id, "at": now, "error": reason} for row in rows]
                connection.execute(schema.attempts.insert(), tries)
                given_up = schema.outbox.update().where(o.id == bindparam("of")).values(gave_up_at=now)
                connection.execute(given_up, [{"of": row.id} for row in rows])
                _due_at_once(connection, rows)
        return Counter(row.channel for row in rows)

    def backlog(self) -> Backlog:
        """What waits and what was given up; see `Outbox`."""
        with self._database.reading() as connection:
            return backlog(connection)

    def close(self) -> None:
        """Give connections back."""
        self._database.close()


def backlog(connection: Connection) -> Backlog:
    """What waits and what was given up; see `Outbox`."""
    _by_index(connection)
    o, t = schema.outbox.c, schema.attempts.c
    waiting = select(o.channel, func.count(), func.min(o.created), func.min(o.next_at)).where(_pending(schema.outbox))
    queues = {channel: Queue(*rest) for channel, *rest in connection.execute(waiting.group_by(o.channel))}
    given_up = connection.execute(select(func.count()).where(o.gave_up_at.is_not(None))).scalar_one()
    newest = select(t.id, t.outbox, t.error).order_by(t.id.desc()).limit(NEWEST).subquery()
    failed = select(newest.c.error).join(schema.outbox, o.id == newest.c.outbox)
    failed = failed.where(_pending(schema.outbox), newest.c.error.is_not(None)).order_by(newest.c.id.desc()).limit(1)
    error = connection.execute(failed).scalar() if queues else None
    return Backlog(queues, given_up, error or "")


def _pending(outbox: FromClause) -> ColumnElement[bool]:
    return outbox.c.delivered_at.is_(None) & outbox.c.gave_up_at.is_(None)


def _by_index(connection: Connection) -> None:
    """For this transaction: whatever the statistics say, PostgreSQL reads the outbox in the order of an index."""
    if connection.dialect.name == "postgresql":
        for way in ("seqscan", "bitmapscan", "sort"):
            connection.execute(text(f"SET LOCAL enable_{way} = off"))


def _heads(connection: Connection, channel: str, alerts: set[Any]) -> dict[Any, tuple[int, int]]:
    """The oldest pending row of each of these alerts on a channel: its id, and when it is due."""
    o = schema.outbox.c
    found: dict[Any, tuple[int, int]] = {}
    query = select(o.alert, o.id, o.next_at).where(_pending(schema.outbox), o.channel == channel, o.alert.in_(alerts))
    for alert, id_, next_at in connection.execute(query.order_by(o.alert, o.channel, o.id)):
        found.setdefault(alert, (id_, next_at))
    return found


def _put_off(connection: Connection, rows: Sequence[tuple[int, int]]) -> None:
    """Make these rows, by id, due at a time."""
    if rows:
        waiting = schema.outbox.update().where(schema.outbox.c.id == bindparam("of"), _pending(schema.outbox))
        connection.execute(waiting.values(next_at=bindparam("at")), [{"of": id_, "at": at} for id_, at in rows])


def _due_at_once(connection: Connection, gone: Iterable[Any]) -> None:
    """The heads of these queues, by alert and channel, have left: what stands behind them need not wait any longer."""
    alerts: defaultdict[str, set[Any]] = defaultdict(set)
    for each in gone:
        alerts[each.channel].add(each.alert)
    o = schema.outbox.c
    for channel, some in sorted(alerts.items()):
        behind = (o.channel == channel) & o.alert.in_(some)  # those due already too: a claim may be putting them off
        connection.execute(schema.outbox.update().where(behind, _pending(schema.outbox)).values(next_at=0))


def _attempt(of: Outcome) -> dict[str, Any]:
    return {"outbox": of.delivery.id, "at": of.at, "error": None if of.error is None else storable(of.error)}


def _tried(connection: Connection, tries: Sequence[tuple[Outcome, int]], **values: Any) -> None:
    """Count a try of each row, and set `values`, of which `AT` is the time beside the outcome.

    A row that was given up meanwhile, as it is old, and is delivered after all, is delivered.
    """
    if tries:
        o = schema.outbox.c
        which = (o.id == bindparam("of")) & (
            o.delivered_at.is_(None) if "delivered_at" in values else _pending(schema.outbox)
        )
        update = schema.outbox.update().where(which).values(attempts=o.attempts + 1, **values)
        connection.execute(update, [{"of": each.delivery.id, "time": at} for each, at in tries])
