"""The dispatcher's side: notifications that are due, taken under a lease, and the record of every attempt."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import ColumnElement, Connection, Select, func, select
from sqlalchemy.sql.expression import FromClause

from monitor.ports.notifier import Backlog
from monitor.records.alerts import Delivery
from monitor.store import schema
from monitor.store.engine import Database
from monitor.store.open import open_database
from monitor.store.text import storable

LEASE = 60 * 10**9  # ns


def open_outbox(url: str, *, lease: int = LEASE) -> SqlOutbox:
    """Open the outbox of the store at `url`, with separate connections. Raises StoreError."""
    return SqlOutbox(open_database(url), lease)


class SqlOutbox:
    """The outbox of a `Database`. Any thread may use it, and several dispatchers may share one database.

    A row that `due` returns is leased for `lease` nanoseconds: no other dispatcher gets it. When a dispatcher dies, its
    rows are due again after that, so a receiver may see one twice, with the same id.
    """

    def __init__(self, database: Database, lease: int = LEASE) -> None:
        self._database = database
        self._lease = lease

    def due(self, now: int, limit: int, skip: Collection[str] = ()) -> list[Delivery]:
        """What to send now, oldest first; see `Outbox`."""
        query = _due(now, limit, skip)
        with self._database.reading() as connection:  # most polls find nothing: they need no write lock
            if connection.execute(query.limit(1)).first() is None:
                return []
        with self._database.writing() as connection:
            rows = connection.execute(query.with_for_update(skip_locked=True)).all()
            o = schema.outbox.c
            taken = schema.outbox.update().where(o.id.in_([row.id for row in rows]))
            connection.execute(taken.values(next_at=now + self._lease))
        return [
            Delivery(
                id=row.id, message=row.message or row.transition, transition=row.transition, alert=row.alert,
                channel=row.channel, payload=row.payload, attempts=row.attempts,
            )
            for row in rows
        ]  # fmt: skip

    def delivered(self, delivery: Delivery, at: int) -> None:
        """The receiver accepted it; see `Outbox`."""
        with self._database.writing() as connection:
            _record(connection, delivery, at, None)
            o = schema.outbox.c
            done = schema.outbox.update().where(o.id == delivery.id, o.delivered_at.is_(None))
            connection.execute(done.values(delivered_at=at, gave_up_at=None))

    def failed(self, delivery: Delivery, at: int, error: str, retry_at: int | None) -> None:
        """Record the attempt; try again at `retry_at`, or never when it is None; see `Outbox`."""
        with self._database.writing() as connection:
            _record(connection, delivery, at, storable(error))
            waiting = schema.outbox.update().where(schema.outbox.c.id == delivery.id, _pending(schema.outbox))
            later = {"gave_up_at": at} if retry_at is None else {"next_at": retry_at}
            connection.execute(waiting.values(**later))

    def backlog(self) -> Backlog:
        """What waits and what was given up; see `Outbox`."""
        with self._database.reading() as connection:
            return backlog(connection)

    def close(self) -> None:
        """Give connections back."""
        self._database.close()


def backlog(connection: Connection) -> Backlog:
    """What waits and what was given up; see `Outbox`."""
    o, t = schema.outbox.c, schema.attempts.c
    waiting = select(func.count(), func.min(o.created), func.min(o.next_at)).where(_pending(schema.outbox))
    count, oldest, next_at = connection.execute(waiting).one()
    given_up = connection.execute(select(func.count()).where(o.gave_up_at.is_not(None))).scalar_one()
    failed = select(t.error).join(schema.outbox, o.id == t.outbox).where(_pending(schema.outbox), t.error.is_not(None))
    error = connection.execute(failed.order_by(t.id.desc()).limit(1)).scalar() if count else None
    return Backlog(count, oldest, next_at, given_up, error or "")


def _pending(outbox: FromClause) -> ColumnElement[bool]:
    return outbox.c.delivered_at.is_(None) & outbox.c.gave_up_at.is_(None)


def _due(now: int, limit: int, skip: Collection[str]) -> Select[tuple[object, ...]]:
    """The head of each alert's queue on each channel, where its time has come."""
    outbox, older = schema.outbox, schema.outbox.alias("older")
    same = (older.c.alert == outbox.c.alert) & (older.c.channel == outbox.c.channel)
    before = select(older.c.id).where(same, _pending(older), older.c.id < outbox.c.id).exists()
    return (
        select(outbox)
        .where(_pending(outbox), outbox.c.next_at <= now, outbox.c.channel.notin_(list(skip)), ~before)
        .order_by(outbox.c.id)
        .limit(limit)
    )


def _record(connection: Connection, delivery: Delivery, at: int, error: str | None) -> None:
    o = schema.outbox.c
    connection.execute(schema.attempts.insert().values(outbox=delivery.id, at=at, error=error))
    counted = schema.outbox.update().where(o.id == delivery.id)
    connection.execute(counted.values(attempts=o.attempts + 1))
