"""What the dispatchers of a channel share: its rate, since when it fails, and whose turn its heartbeat is."""

from __future__ import annotations

import json
from typing import Any, Final

from sqlalchemy import Connection, func, select

from monitor.ports.channel_states import Allowance, Beat
from monitor.records.scalars import LIVE
from monitor.records.workers import DEAD_AFTER
from monitor.store import schema, workers
from monitor.store.conflicts import insert_into
from monitor.store.engine import Database

MINUTE: Final = 60 * 10**9


def allowed(sent: list[int], now: int, per_minute: int, tries: int) -> tuple[Allowance, list[int]]:
    """What `ChannelStates.spend` returns, and the tries of the last minute with those that are counted now."""
    recent = [at for at in sent if abs(now - at) < MINUTE]  # clocks of machines differ a little
    free = max(0, per_minute - len(recent))
    next_at = now if free else recent[-per_minute] + MINUTE
    return Allowance(free, next_at), recent + [now] * min(tries, free)


def next_beat(last: int | None, now: int, period: int) -> int | None:
    """When the heartbeat that is due counts as sent; None where none is due. Late ones do not move the later ones."""
    if last is None or now - last >= 2 * period:
        return now
    return last + period if now - last >= period else None


class SqlChannelStates:
    """`ChannelStates` of a `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def spend(self, channel: str, now: int, per_minute: int, tries: int) -> Allowance:
        """Count tries as far as the rate allows; see `ChannelStates`."""
        with self._database.writing() as connection:
            row = _locked(connection, channel)
            found, sent = allowed(json.loads(row.sent), now, per_minute, tries)
            _save(connection, channel, sent=json.dumps(sent))
        return found

    def failing(self, channel: str, now: int) -> int:
        """Since when the channel fails; see `ChannelStates`."""
        with self._database.writing() as connection:
            row = _locked(connection, channel)
            since: int = now if row.failing_since is None else row.failing_since
            _save(connection, channel, failing_since=since)
        return since

    def answered(self, channel: str) -> None:
        """The channel does not fail; see `ChannelStates`."""
        with self._database.writing() as connection:
            _save(connection, channel, failing_since=None)

    def beat(self, channel: str, period: int, commit_age: int) -> Beat | None:
        """Take the heartbeat that is due; see `ChannelStates`."""
        c, w = schema.channel_states.c, schema.workers.c
        last = select(c.beat_at).where(c.channel == channel)
        with self._database.reading() as connection:  # most looks find nothing: they need no write lock
            now = workers.clock(connection)
            newest = connection.execute(select(func.max(w.committed)).where(w.run == LIVE)).scalar()
            if newest is None or now - newest > commit_age:
                return None
            if next_beat(connection.execute(last).scalar(), now, period) is None:
                return None
            living = select(func.count()).where(w.run == LIVE, w.ended.is_(None), w.beat > now - DEAD_AFTER)
            count = connection.execute(living).scalar_one()
        with self._database.writing() as connection:
            at = next_beat(_locked(connection, channel).beat_at, now, period)
            if at is None:
                return None
            _save(connection, channel, beat_at=at)
        return Beat(now, count, newest)


def _locked(connection: Connection, channel: str) -> Any:
    """The row of a channel, which is made where there is none, and which nothing else changes meanwhile."""
    table = schema.channel_states
    connection.execute(insert_into(connection, table).values(channel=channel).on_conflict_do_nothing())
    return connection.execute(select(table).where(table.c.channel == channel).with_for_update()).one()


def _save(connection: Connection, channel: str, **values: Any) -> None:
    table = schema.channel_states
    connection.execute(table.update().where(table.c.channel == channel).values(**values))
