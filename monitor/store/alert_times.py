"""When the alerts of a run opened, ended and were acknowledged, as columns: what the figures of a period need."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import Connection, Row, case, func, literal, or_, select

from monitor.alerts.kpi import YET_TO_COME, Alerts, Period
from monitor.records.alerts import Severity
from monitor.records.scalars import NEVER
from monitor.store import schema
from monitor.store.engine import Database

_ROWS = 50_000  # in memory as Python objects at once


class Source(NamedTuple):
    """What alarms: a kind of alert about a stream, or one of its channels."""

    family: str
    stream: str
    kind: str
    channel: str


@dataclass(frozen=True, slots=True)
class AlertTimes:
    """The alerts of a period; `sources` has the name of each number in `alerts.source`."""

    alerts: Alerts
    sources: list[Source]


def known_times(database: Database, run: str) -> tuple[int, int] | None:
    """Event times of a run's first and newest alert; None without alerts."""
    a = schema.alerts.c
    one = select(a.opened_at).where(a.run == run).limit(1)
    edges = [one.order_by(order) for order in (a.opened_at, a.opened_at.desc())]
    with database.reading() as connection:
        first, last = (connection.execute(edge).scalar() for edge in edges)
    return None if first is None or last is None else (first, last)


def watched_since(database: Database, run: str) -> int | None:
    """Wall clock (ns) at which a run was first configured; None where that is not known."""
    c = schema.changes.c
    with database.reading() as connection:
        return connection.execute(select(func.min(c.at)).where(c.run == run)).scalar()


def recorded(database: Database, run: str) -> tuple[int, int] | None:
    """Event times of the first window that a run has judged and of its newest reading; None before these.

    One look into an index for each stream.
    """
    s, scores, rollups = schema.streams.c, schema.scores.c, schema.rollups.c
    window = select(func.min(scores.end_ns)).where(scores.stream_id == s.id).scalar_subquery()
    sums = select(func.min(rollups.start_ns)).where(rollups.stream_id == s.id).scalar_subquery()
    query = select(func.min(window), func.min(sums), func.max(s.last_time)).where(s.run == run, s.last_time > NEVER)
    with database.reading() as connection:
        *firsts, last = connection.execute(query).one()
    known = [int(at) for at in firsts if at is not None]
    return (min(known), int(last)) if known and last is not None else None


def read(database: Database, run: str, period: Period) -> AlertTimes:
    """The alerts of a run that opened in the period, or before it and were not resolved when it began."""
    columns: list[list[Any]] = []
    codes: dict[tuple[Any, ...], int] = {}
    with database.reading() as connection:
        for rows in _rows(connection, run, period):
            *times, families, streams, kinds, channels = zip(*rows, strict=True)
            of = [codes.setdefault(key, len(codes)) for key in zip(families, streams, kinds, channels, strict=True)]
            columns.append([np.array(column, np.int64) for column in (*times, of)])
    whole = [np.concatenate(parts) for parts in zip(*columns, strict=True)] or [np.empty(0, np.int64)] * 5
    return AlertTimes(Alerts(*whole), [Source(*key) for key in codes])


def _rows(connection: Connection, run: str, period: Period) -> Iterator[list[Row[Any]]]:
    a = schema.alerts.c
    severity = case({each.value: i for i, each in enumerate(Severity)}, value=a.severity, else_=literal(0))
    query = select(
        a.opened_at, func.coalesce(a.resolved_at, YET_TO_COME), func.coalesce(a.acknowledged_at, YET_TO_COME),
        severity, a.family, a.stream, a.kind, a.channel,
    )  # fmt: skip
    before = or_(a.opened_at >= period.start, a.resolved_at.is_(None), a.resolved_at > period.start)
    query = query.where(a.run == run, a.opened_at < period.end, before).order_by(a.opened_at)
    yield from map(list, connection.execute(query.execution_options(yield_per=_ROWS)).partitions())
