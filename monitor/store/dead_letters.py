"""Dead letters as people look at them: how many of which kind, one with its bytes, and those to be sent again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select, tuple_

from monitor.records.dead_letters import DeadLetter
from monitor.records.scalars import LIVE
from monitor.store import schema
from monitor.store.engine import Database
from monitor.store.open import open_database

PAGE = 500  # rows with their bodies, 64 KiB each at most, in memory at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Which dead letters of a run; None = any."""

    run: str = LIVE
    topic: str | None = None
    stream: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadSummary:
    """Dead letters of one topic, stream ("" = not known) and reason; `retried` of them were sent again.

    `first` and `last` are the wall clock of their commits, ns. `example` is the sentence of one of the newest, which is
    the record at `partition` and `offset`.
    """

    topic: str
    stream: str
    reason: str
    count: int
    retried: int
    first: int
    last: int
    example: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadRecord(DeadLetter):
    """A row: `recorded` and `retried` are wall clock, ns."""

    recorded: int
    retried: int | None

    @property
    def cut(self) -> bool:
        """Not the whole body was kept."""
        return self.size > len(self.body or b"")


def open_dead_letters(url: str) -> DeadLetters:
    """Open the dead letters of the store at `url`. Raises StoreError."""
    return DeadLetters(open_database(url))


class DeadLetters:
    """The dead letters of a `Database`. Any thread may use it, beside any number of workers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def summaries(self, chosen: Chosen, limit: int | None = None) -> list[DeadSummary]:
        """How many there are of each topic, stream and reason; most first."""
        d = schema.dead_letters.c
        kind, count = (d.topic, d.stream, d.reason), func.count()
        columns = (count, func.count(d.retried), func.min(d.recorded), func.max(d.recorded))
        query = select(*kind, *columns).where(*_wanted(chosen)).group_by(*kind).order_by(count.desc(), *kind)
        with self._database.reading() as connection:
            rows = connection.execute(query.limit(limit)).all()
            return [_summary(connection, chosen.run, row) for row in rows]

    def find(self, run: str, topic: str, partition: int, offset: int) -> DeadRecord | None:
        """The dead letter of one record, or None where that is none."""
        d = schema.dead_letters.c
        query = select(schema.dead_letters).where(
            d.run == run, d.topic == topic, d.partition == partition, d.offset == offset
        )
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _record(row)

    def waiting(self, chosen: Chosen) -> Iterator[list[DeadRecord]]:
        """Those that were not sent again, in pages by topic, partition and offset; each page is one transaction.

        Those that are added meanwhile are left out: what is sent again may become one again.
        """
        d = schema.dead_letters.c
        ends = self._ends(chosen)
        place = (d.topic, d.partition, d.offset)
        query = select(schema.dead_letters).where(*_wanted(chosen), d.retried.is_(None)).order_by(*place).limit(PAGE)
        page = query
        while True:
            with self._database.reading() as connection:
                found = [_record(row) for row in connection.execute(page)]
            if not found:
                return
            if known := [each for each in found if each.offset <= ends.get((each.topic, each.partition), -1)]:
                yield known
            last = found[-1]
            page = query.where(tuple_(*place) > (last.topic, last.partition, last.offset))

    def _ends(self, chosen: Chosen) -> dict[tuple[str, int], int]:
        """The newest offset of each partition."""
        d = schema.dead_letters.c
        query = select(d.topic, d.partition, func.max(d.offset)).where(*_wanted(chosen)).group_by(d.topic, d.partition)
        with self._database.reading() as connection:
            return {(topic, partition): offset for topic, partition, offset in connection.execute(query)}

    def mark_retried(self, run: str, sent: Sequence[DeadRecord], at: int) -> None:
        """Note that these were sent again at `at`, wall clock in ns. Raises StoreError, and notes none then."""
        d = schema.dead_letters.c
        with self._database.writing() as connection:
            for letter in sent:
                of = (d.run == run, d.topic == letter.topic, d.partition == letter.partition)
                connection.execute(
                    schema.dead_letters.update().where(*of, d.offset == letter.offset).values(retried=at)
                )

    def families(self, run: str) -> dict[str, str]:
        """The family of each topic, as the newest settings of a run say."""
        c = schema.changes.c
        query = select(c.family, c.settings).where(c.run == run).order_by(c.number)
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        return {json.loads(settings)["topic"]: family for family, settings in rows}

    def close(self) -> None:
        """Give connections back."""
        self._database.close()


def _wanted(chosen: Chosen) -> list[ColumnElement[bool]]:
    d = schema.dead_letters.c
    given = ((d.topic, chosen.topic), (d.stream, chosen.stream), (d.reason, chosen.reason))
    return [d.run == chosen.run, *(column == value for column, value in given if value is not None)]


def _summary(connection: Connection, run: str, row: Any) -> DeadSummary:
    topic, stream, reason, count, retried, first, last = row
    d = schema.dead_letters.c
    kind = _wanted(Chosen(run=run, topic=topic, stream=stream, reason=reason))
    newest = select(d.error, d.partition, d.offset).where(*kind, d.recorded == last).limit(1)
    example, partition, offset = connection.execute(newest).one()
    return DeadSummary(
        topic=topic, stream=stream, reason=reason, count=count, retried=retried, first=first, last=last,
        example=example, partition=partition, offset=offset,
    )  # fmt: skip


def _record(row: Any) -> DeadRecord:
    return DeadRecord(
        topic=row.topic, partition=row.partition, offset=row.offset, reason=row.reason, error=row.error,
        stream=row.stream, time=row.time, key=row.key, body=row.body, size=row.size, recorded=row.recorded,
        retried=row.retried,
    )  # fmt: skip
