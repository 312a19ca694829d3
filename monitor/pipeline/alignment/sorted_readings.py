"""Readings of a batch as the aligner works on them, and those that it set aside."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from monitor.records.batches import Bool, Float32, Int32, Int64


class Sorted(NamedTuple):
    """Readings by stream, in order of arrival or of slot."""

    stream: Int32
    slot: Int64
    values: Float32

    def take(self, rows: Bool | Int64) -> Sorted:
        """Those at `rows` (indices or mask)."""
        return Sorted(self.stream[rows], self.slot[rows], self.values[rows])

    def and_then(self, other: Sorted) -> Sorted:
        """Both, stream by stream."""
        if not len(self.stream):
            return other
        stream, slot = np.concatenate([self.stream, other.stream]), np.concatenate([self.slot, other.slot])
        both = Sorted(stream, slot, np.concatenate([self.values, other.values]))
        return both.take(np.argsort(stream, kind="stable"))


NOTHING = Sorted(np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros((0, 0), np.float32))


class Aside(NamedTuple):
    """Readings that were counted and not put on the grid, (n,) each.

    `clock` is a slot that their stream's clock had reached, and not passed by more than `lateness`, when they came;
    `away` is how far, in ns, they were behind that clock, or ahead of it or of their records: 0 for duplicates.
    """

    stream: Int32
    clock: Int64
    away: Int64


class Missing(NamedTuple):
    """Released slots that lack values: stream and slot (n,), and which values (n, width)."""

    stream: Int32
    slot: Int64
    cells: Bool

    def and_then(self, other: Missing) -> Missing:
        """Both."""
        stream, slot = np.concatenate([self.stream, other.stream]), np.concatenate([self.slot, other.slot])
        return Missing(stream, slot, np.concatenate([self.cells, other.cells]))
