"""Readings on the grid, sorted by stream, and where each stream's segment of a column begins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor.records.batches import Bool, Float32, Float64, Int32, Int64

_PIECE = 64  # rows of a stream that are added up at once


@dataclass(frozen=True, slots=True)
class Gridded:
    """Readings in slot order, stream by stream: `slot` (n,), `values` (n, width); `restart` marks a new beginning."""

    stream: Int32
    slot: Int64
    values: Float32
    imputed: Bool
    restart: Bool

    def __len__(self) -> int:
        """Slots in the batch."""
        return len(self.stream)

    def take(self, rows: Bool) -> Gridded:
        """Those of a mask."""
        return Gridded(self.stream[rows], self.slot[rows], self.values[rows], self.imputed[rows], self.restart[rows])


def in_turn(one: Gridded, other: Gridded) -> Gridded:
    """Both, stream by stream: in each, the slots of `one` come before those of the other."""
    if not len(one):
        return other
    names = ("stream", "slot", "values", "imputed", "restart")
    columns = [np.concatenate([getattr(part, name) for part in (one, other)]) for name in names]
    order = np.argsort(columns[0], kind="stable")
    return Gridded(*(column[order] for column in columns))


def segment_starts(stream: Int32 | Int64) -> Int64:
    """Index of the first row of each stream in a column sorted by stream."""
    if len(stream) == 0:
        return np.zeros(0, np.int64)
    return np.flatnonzero(np.concatenate([[True], stream[1:] != stream[:-1]]))


def segments(stream: Int32) -> tuple[Int64, Int64]:
    """First row and number of rows of each stream in a column sorted by stream."""
    starts = segment_starts(stream)
    return starts, np.diff(np.append(starts, len(stream)))


def streaks(stream: Int32, carry: Int32, flags: Bool) -> tuple[Int32, Int32]:
    """How many rows in a row each flag (n, k) has been set, up to each row of its stream; sorted by stream.

    `carry` (streams, k) is that before the stream's first row. Returns the counts (n, k), and those after its last.
    """
    first, size = segments(stream)
    row = np.arange(len(stream))[:, None]
    start = np.repeat(first, size)[:, None]
    broken = np.maximum.accumulate(np.where(flags, -1, row), axis=0)  # the newest row without it, maybe of another
    count = np.where(broken >= start, row - broken, row - start + 1 + np.repeat(carry, size, axis=0))
    return count.astype(np.int32), count[first + size - 1].astype(np.int32)


def running(stream: Int32, carry: Float64, values: Float64) -> tuple[Float64, Float64]:
    """Sum of each stream's values before each row, (n,), and of all, (k,), begun at `carry` (k,); sorted by stream.

    Added strictly one after the other, so that any cut of the input gives the same bits.
    """
    first, size = segments(stream)
    before, total = np.empty(len(stream)), carry.astype(np.float64)
    for begin in range(0, int(size.max(initial=0)), _PIECE):  # of streams with many rows, piece by piece
        longer = np.flatnonzero(size > begin)
        place = np.arange(_PIECE)
        row = first[longer, None] + begin + place
        there = place < (size[longer, None] - begin)
        table = np.zeros((len(longer), _PIECE + 1))
        table[:, 0] = total[longer]
        table[:, 1:][there] = values[row[there]]
        np.add.accumulate(table, axis=1, out=table)
        before[row[there]] = table[:, :-1][there]
        total[longer] = table[:, -1]
    return before, total
