"""Readings kept to train on: how a block is a row.

The times of a block on a grid are kept as the first one and the step: 16 bytes, however long the block is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sqlalchemy import Connection

from monitor.ports.store import HistoryBlock
from monitor.records.batches import Int64
from monitor.store.sqlite_rows import insert_many, inserts

HISTORY = ("stream_id", "first_ns", "width", "times", "readings")
_SQLITE = inserts("history", HISTORY)
_POSTGRES = (
    f"INSERT INTO history ({', '.join(HISTORY)})"  # noqa: S608 (our names)
    " SELECT * FROM unnest(%b::bigint[], %b::bigint[], %b::integer[], %b::bytea[], %b::bytea[])"
)
_EVEN = 16  # bytes of a first time and a step


def insert(connection: Connection, blocks: Sequence[HistoryBlock]) -> None:
    """Add blocks, each of at least one reading: through the driver, as SQLAlchemy would handle each row in Python."""
    if not blocks:
        return
    if connection.dialect.name == "sqlite":
        insert_many(connection, _SQLITE, stored(blocks))
    else:
        connection.exec_driver_sql(_POSTGRES, tuple(stored(blocks)))


def stored(blocks: Sequence[HistoryBlock]) -> list[list[Any]]:
    """The column of each of `HISTORY`; at least one block, each of at least one reading."""
    first, times = _times([block.time for block in blocks])
    width = [block.values.shape[1] for block in blocks]
    readings = [block.values.astype("<f4", copy=False).tobytes() for block in blocks]
    return [[block.id for block in blocks], first, width, times, readings]


def block_of(row: Any) -> HistoryBlock:
    """The block of a row."""
    values = np.frombuffer(row.readings, "<f4").astype(np.float32).reshape(-1, row.width)
    time = np.frombuffer(row.times, "<i8").astype(np.int64)
    if len(values) > 2 and len(row.times) == _EVEN:
        time = time[0] + time[1] * np.arange(len(values))
    return HistoryBlock(row.stream_id, time, values)


def _times(blocks: Sequence[Int64]) -> tuple[list[int], list[bytes]]:
    """The first time of each block, and its times as they are stored; all blocks are looked at as one array."""
    time, size = np.concatenate(blocks), np.array(list(map(len, blocks)))
    first = np.cumsum(size) - size
    step = np.append(np.diff(time), 0)  # the last one of each block leads into the next
    changes = step != np.repeat(step[first], size)
    changes[first + size - 1] = False
    even = (size > 2) & ~np.logical_or.reduceat(changes, first)
    pairs = np.stack([time[first], step[first]], axis=1).astype("<i8").view(f"V{_EVEN}")[:, 0].tolist()
    times = [
        pair if on_grid else block.astype("<i8").tobytes()
        for pair, block, on_grid in zip(pairs, blocks, even.tolist(), strict=True)
    ]
    return time[first].tolist(), times
