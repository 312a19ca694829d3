"""Summaries of scores: added to with every commit, read for charts."""

from __future__ import annotations

import math

from sqlalchemy import Connection, func, select

from monitor.records.score_summaries import Rollup
from monitor.store import schema
from monitor.store.conflicts import insert_into


def write(connection: Connection, rollup: Rollup | None) -> None:
    """Add to the stored summaries."""
    if rollup is None or not len(rollup):
        return
    insert, kept = insert_into(connection, schema.rollups), schema.rollups.c
    new = insert.excluded
    larger = func.max if connection.dialect.name == "sqlite" else func.greatest
    added = {name: kept[name] + new[name] for name in ("windows", "judged", "anomalies", "ratio_sum")}
    # MAX of SQLite is NULL where one side is
    added["ratio_max"] = func.coalesce(larger(kept.ratio_max, new.ratio_max), kept.ratio_max, new.ratio_max)
    columns = (getattr(rollup, name).tolist() for name in Rollup.__slots__)
    rows = [
        dict(zip(schema.rollups.c.keys(), (*row[:-1], None if math.isnan(row[-1]) else row[-1]), strict=True))
        for row in zip(*columns, strict=True)
    ]
    connection.execute(insert.on_conflict_do_update(index_elements=["stream_id", "start_ns"], set_=added), rows)


def read(connection: Connection, run: str, family: str, stream: str, start: int, end: int) -> Rollup:
    """Those of a stream that begin in [start, end), by time."""
    import numpy as np

    t = schema.streams.c
    query = (
        select(*schema.rollups.c)
        .join(schema.streams, t.id == schema.rollups.c.stream_id)
        .where(t.run == run, t.family == family, t.name == stream)
        .where(schema.rollups.c.start_ns >= start, schema.rollups.c.start_ns < end)
        .order_by(schema.rollups.c.start_ns)
    )
    columns = list(zip(*connection.execute(query), strict=True)) or [()] * len(Rollup.__slots__)
    whole, ratios = columns[:5], columns[5:]
    stream_id, starts, windows, judged, anomalies = (np.array(column, np.int64) for column in whole)
    ratio_sum, ratio_max = (np.array(column, np.float64) for column in ratios)  # None becomes NaN
    return Rollup(stream_id, starts, windows, judged, anomalies, ratio_sum, ratio_max)
