"""The late ledger: readings that came too late to be accepted, the newest of each run and family."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, select

from monitor.records.late import LATE_KEPT, LateBlock, LateReading
from monitor.store import schema


@dataclass(frozen=True, slots=True, kw_only=True)
class LateRecord(LateReading):
    """A row of the ledger; `recorded` is the wall clock of its commit, ns."""

    family: str
    recorded: int


@dataclass(frozen=True, slots=True)
class LateSummary:
    """Of one family: how many readings were late, and how many of them are still in the ledger."""

    family: str
    counted: int
    kept: int


def write(connection: Connection, run: str, blocks: Sequence[LateBlock], now: int) -> None:
    """Add late readings in order of arrival, and delete the oldest beyond the cap."""
    for family in dict.fromkeys(block.family for block in blocks):
        found = [reading for block in blocks if block.family == family for reading in block.rows()]
        rows = [_row(run, family, reading, now) for reading in found[-LATE_KEPT:]]
        connection.execute(schema.late_readings.insert(), rows)
        t = schema.late_readings.c
        ours = (t.run == run) & (t.family == family)
        newest = select(t.id).where(ours).order_by(t.id.desc()).offset(LATE_KEPT).limit(1).scalar_subquery()
        connection.execute(delete(schema.late_readings).where(ours, t.id <= newest))


def read(
    connection: Connection, run: str, family: str | None, stream: str | None, limit: int | None
) -> list[LateRecord]:
    """The newest arrivals first."""
    t = schema.late_readings.c
    query = select(schema.late_readings).where(t.run == run).order_by(t.id.desc()).limit(limit)
    for column, value in ((t.family, family), (t.stream, stream)):
        query = query if value is None else query.where(column == value)
    return [
        LateRecord(
            stream=row.stream, time=row.time, behind=row.behind, values=_values(row.reading), partition=row.partition,
            offset=row.offset, family=row.family, recorded=row.recorded,
        )
        for row in connection.execute(query)
    ]  # fmt: skip


def summarise(connection: Connection, run: str) -> list[LateSummary]:
    """Every family of a run that had late readings, by name."""
    s, t = schema.streams.c, schema.late_readings.c
    kept = select(func.count()).where(t.run == run, t.family == s.family).correlate(schema.streams).scalar_subquery()
    counted = func.sum(s.late)
    query = select(s.family, counted, kept).where(s.run == run).group_by(s.family).having(counted > 0)
    return [LateSummary(row[0], int(row[1]), row[2]) for row in connection.execute(query.order_by(s.family))]


def _row(run: str, family: str, reading: LateReading, now: int) -> dict[str, Any]:
    numbers = [None if math.isnan(value) else value for value in reading.values]
    return {
        "run": run, "family": family, "stream": reading.stream, "time": reading.time, "behind": reading.behind,
        "reading": json.dumps(numbers), "partition": reading.partition, "offset": reading.offset, "recorded": now,
    }  # fmt: skip


def _values(text: str) -> tuple[float, ...]:
    return tuple(math.nan if value is None else value for value in json.loads(text))
