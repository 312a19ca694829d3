"""The dispatcher's side: notifications that are due, taken under a lease, and the record of every try.

The rows of an alert on a channel form a queue, and only its oldest pending row, the head, is sent. Rows are found by
the time at which they are due, in an index of the pending ones; a row that turns out to stand behind a head is put off
until the head is due, and becomes due at once when the head has left. So the cost of a claim depends on what it takes,
not on how much waits or was delivered, nor on the statistics of the database.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import BindParameter, Connection, bindparam, func, or_, select

from monitor.ports.notifier import Backlog, Outcome, Queue, Render
from monitor.records.alerts import Delivery
from monitor.store import digests, fallbacks, schema
from monitor.store.channel_states import SqlChannelStates
from monitor.store.engine import Database
from monitor.store.open import open_database
from monitor.store.outbox_queues import by_index, delivery, due, due_at_once, heads, pending, put_off, unended
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
        self.channels = SqlChannelStates(database)

    def claim(self, channel: str, now: int, limit: int, lease: int, *, urgent: bool = False) -> list[Delivery]:
        """Take what is due; see `Outbox`."""
        waiting = due(channel, now, urgent=urgent).limit(max(limit, _SEEN))
        with self._database.reading() as connection:  # most polls find nothing: they need no write lock
            by_index(connection)
            if connection.execute(waiting.limit(1)).first() is None:
                return []
        for _ in range(_PASSES):
            with self._database.writing() as connection:
                by_index(connection)
                rows = connection.execute(waiting.with_for_update(skip_locked=True)).all()
                first = heads(connection, channel, {row.alert for row in rows})
                taken = [row for row in rows if first[row.alert][0] == row.id][:limit]
                until = dict.fromkeys((row.alert for row in taken), now + lease)
                behind = [row for row in rows if first[row.alert][0] != row.id]
                put_off(connection, [(row.id, until.get(row.alert, first[row.alert][1])) for row in taken + behind])
            if taken or not rows:
                break
        return list(map(delivery, taken))

    def record(self, outcomes: Sequence[Outcome]) -> None:
        """Keep what came of tries; see `Outbox`."""
        with self._database.writing() as connection:
            by_index(connection)
            if tries := [_attempt(each) for each in outcomes]:
                connection.execute(schema.attempts.insert(), tries)
            accepted = [each for each in outcomes if each.error is None]
            again = [each for each in outcomes if each.error is not None and each.retry_at is not None]
            never = [each for each in outcomes if each.error is not None and each.retry_at is None]
            _tried(connection, [(each, each.at) for each in accepted], delivered_at=AT, gave_up_at=None)
            _tried(connection, [(each, each.retry_at or 0) for each in again], next_at=AT)
            _tried(connection, [(each, each.at) for each in never], gave_up_at=AT)
            due_at_once(connection, [each.delivery for each in (*accepted, *never)])
            for ended, what in ((accepted, "delivered_at"), (never, "gave_up_at")):
                joined = [each for each in ended if digests.is_digest(each.delivery)]
                if joined:
                    values = {"gave_up_at": None, what: joined[-1].at}
                    digests.end(connection, [each.delivery.id for each in joined], **values)
            for each in never:
                if each.fallback is not None:
                    fallbacks.divert(connection, [each.delivery.id], each.fallback, each.at)
            for to in {each.fallback for each in accepted if each.fallback is not None}:
                some = [each for each in accepted if each.fallback == to]
                fallbacks.follow(connection, [each.delivery.id for each in some], to, some[-1].at)

    def release(self, deliveries: Sequence[Delivery]) -> None:
        """Make rows due again; see `Outbox`."""
        with self._database.writing() as connection:
            put_off(connection, [(each.id, 0) for each in deliveries])

    def wake(self, channel: str, after: int) -> None:
        """Make due what waits for long; see `Outbox`."""
        o = schema.outbox.c
        with self._database.writing() as connection:
            by_index(connection)
            late = schema.outbox.update().where(pending(schema.outbox), o.channel == channel, o.next_at > after)
            connection.execute(late.where(o.digest.is_(None)).values(next_at=0))

    def join(self, channel: str, now: int, before: int, render: Render, *, urgent: bool = False) -> int:
        """Make one digest of what is due; see `Outbox`."""
        with self._database.writing() as connection:
            by_index(connection)
            return digests.join(connection, channel, now, before, render, urgent=urgent)

    def divert(self, channel: str, to: str, now: int) -> int:
        """Copy what waits to another channel; see `Outbox`."""
        count = 0
        while True:
            with self._database.writing() as connection:
                by_index(connection)
                some = fallbacks.divert_waiting(connection, channel, to, now)
            count += some
            if some < fallbacks.MOST:
                return count

    def redrive(self, since: int, now: int, channel: str | None = None, alert: UUID | None = None) -> Mapping[str, int]:
        """Make due again what was given up; see `Outbox`."""
        o = schema.outbox.c
        dead = select(o.id, o.channel).where(o.gave_up_at >= since, o.delivered_at.is_(None), o.digest.is_(None))
        if channel is not None:
            dead = dead.where(o.channel == channel)
        if alert is not None:
            joined = select(o.digest).where(o.alert == alert, o.digest.is_not(None)).scalar_subquery()
            dead = dead.where(or_(o.alert == alert, o.id.in_(joined)))
        counts: Counter[str] = Counter()
        with self._database.writing() as connection:
            rows = connection.execute(dead.with_for_update()).all()
            again = schema.outbox.update().where(o.id == bindparam("of"))
            again = again.values(gave_up_at=None, next_at=0, attempts=0, redriven=now)
            if rows:
                connection.execute(again, [{"of": row.id} for row in rows])
                digests.reopen(connection, [row.id for row in rows])
            counts.update(row.channel for row in rows)
        return counts

    def expire(
        self, before: int, now: int, reason: str, limit: int, stand_ins: Mapping[str, str] | None = None
    ) -> Mapping[str, int]:
        """Give up what is too old; see `Outbox`."""
        o = schema.outbox.c
        old = select(o.id, o.alert, o.channel).where(pending(schema.outbox), o.created < before, o.digest.is_(None))
        old = old.where(or_(o.redriven.is_(None), o.redriven < before)).order_by(o.created).limit(limit)
        with self._database.reading() as connection:
            by_index(connection)
            if connection.execute(old.limit(1)).first() is None:
                return {}
        with self._database.writing() as connection:
            by_index(connection)
            rows = connection.execute(old.with_for_update(skip_locked=True)).all()
            if rows:
                tries = [{"outbox": row.id, "at": now, "error": reason} for row in rows]
                connection.execute(schema.attempts.insert(), tries)
                given_up = schema.outbox.update().where(o.id == bindparam("of")).values(gave_up_at=now)
                connection.execute(given_up, [{"of": row.id} for row in rows])
                due_at_once(connection, rows)
                digests.end(connection, [row.id for row in rows], gave_up_at=now)
                for channel, to in (stand_ins or {}).items():
                    fallbacks.divert(connection, [row.id for row in rows if row.channel == channel], to, now)
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
    by_index(connection)
    o, t = schema.outbox.c, schema.attempts.c
    tried = func.count().filter(o.attempts > 0)
    waiting = select(o.channel, func.count(), func.min(o.created), func.min(o.next_at), tried)
    waiting = waiting.where(pending(schema.outbox), o.digest.is_(None)).group_by(o.channel)
    queues = {channel: Queue(*rest) for channel, *rest in connection.execute(waiting)}
    given_up = select(o.channel, func.count()).where(o.gave_up_at.is_not(None), o.digest.is_(None)).group_by(o.channel)
    dead = {row[0]: row[1] for row in connection.execute(given_up)}
    newest = select(t.id, t.outbox, t.error).order_by(t.id.desc()).limit(NEWEST).subquery()
    failed = select(newest.c.error).join(schema.outbox, o.id == newest.c.outbox)
    failed = failed.where(pending(schema.outbox), newest.c.error.is_not(None)).order_by(newest.c.id.desc()).limit(1)
    error = connection.execute(failed).scalar() if queues else None
    return Backlog(queues, dead, error or "")


def _attempt(of: Outcome) -> dict[str, Any]:
    return {"outbox": of.delivery.id, "at": of.at, "error": None if of.error is None else storable(of.error)}


def _tried(connection: Connection, tries: Sequence[tuple[Outcome, int]], **values: Any) -> None:
    """Count a try of each row, and set `values`, of which `AT` is the time beside the outcome.

    A row that was given up meanwhile, as it is old, and is delivered after all, is delivered.
    """
    if tries:
        o = schema.outbox.c
        which = (o.id == bindparam("of")) & (o.delivered_at.is_(None) if "delivered_at" in values else unended())
        update = schema.outbox.update().where(which).values(attempts=o.attempts + 1, **values)
        connection.execute(update, [{"of": each.delivery.id, "time": at} for each, at in tries])
