"""How a score compares with those of the stream's last seven days: one range of the primary key of `scores` each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import Connection, bindparam, func, select

from monitor.ports.score_ranks import Scored
from monitor.store import schema
from monitor.store.engine import Database
from monitor.store.open import open_database
from monitor.store.outbox_queues import unended

HOUR: Final = 3600 * 10**9  # ns
WEEK: Final = 7 * 24 * HOUR
BEFORE: Final = 24 * HOUR  # in which a score says that the stream was scored when the seven days began
MOST: Final = 200_000  # scores read for one answer: a window each 3 s


def open_score_ranks(url: str) -> SqlScoreRanks:
    """Open the store at `url`, with separate connections. Raises StoreError."""
    return SqlScoreRanks(open_database(url))


class SqlScoreRanks:
    """`ScoreRanks` over a `Database`. Any thread may use it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def percentiles(self, asked: Sequence[Scored]) -> list[float | None]:
        """Of each, how many of 100 scores are lower; see `ScoreRanks`."""
        with self._database.reading() as connection:
            return [_percentile(connection, each) for each in asked]

    def reword(self, texts: Mapping[int, str]) -> None:
        """Keep other payloads; see `ScoreRanks`."""
        which = (schema.outbox.c.id == bindparam("of")) & unended() & (schema.outbox.c.attempts == 0)
        rows = [{"of": id_, "text": text} for id_, text in texts.items()]
        with self._database.writing() as connection:
            connection.execute(schema.outbox.update().where(which).values(payload=bindparam("text")), rows)

    def close(self) -> None:
        """Give connections back."""
        self._database.close()


def share(lower: int, count: int) -> float | None:
    """A percentile; None of no scores, and of more than are read."""
    return round(100 * lower / count, 2) if 0 < count <= MOST else None


def _percentile(connection: Connection, of: Scored) -> float | None:
    s, c, begin = schema.streams.c, schema.scores.c, of.at - WEEK
    known = select(s.id).where(s.run == of.run, s.family == of.family, s.name == of.stream)
    stream = connection.execute(known).scalar()
    if stream is None:
        return None
    first = select(c.end_ns).where(c.stream_id == stream, c.end_ns >= begin - BEFORE, c.end_ns <= begin + HOUR)
    if connection.execute(first.limit(1)).first() is None:
        return None
    window = select(c.score).where(c.stream_id == stream, c.end_ns >= begin, c.end_ns <= of.at)
    some = window.where(c.score.is_not(None)).limit(MOST + 1).subquery()
    lower = func.count().filter(some.c.score < of.score)
    found = connection.execute(select(func.count(), lower).select_from(some)).one()
    return share(found[1], found[0])
