"""What became of the readings of a stream, counted by stretches of so many places.

A place is a slot of the grid; without a grid, the number of a reading in its stream, or a moment at the sampling rate.
Every reading counts where the stream's clock stood when it came, so that a stretch is complete once the clock has
passed it by as much as a reading may be late, and its counts are the same however the input was cut into batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from monitor.pipeline.state.codec import Codes
from monitor.pipeline.state.columns import Spec
from monitor.records.batches import NEVER, Bool, Float64, Int64
from monitor.records.counters import READINGS

ASIDE = READINGS[1:]  # readings that are not on the grid
COUNTS = ("judged", "slots", *ASIDE, "gaps", "poor")  # of each stretch; judged, poor: windows
SIZES = (*ASIDE, "gaps")  # in ns; late: how far behind at most, below 0; the others: at least
FAR = np.inf

# What is kept of each stream: its newest two stretches, and what its alert has counted of them.
NEWEST: dict[str, Spec] = {
    "placed": (np.int64, (), 0),  # readings so far, without a grid
    "newest": (np.int64, (), NEVER),  # slot on the grid
    "stretch": (np.int64, (), NEVER),  # number of the older of the two
    "counts": (np.int32, (2, len(COUNTS)), 0),
    "sizes": (np.float32, (2, len(SIZES)), FAR),
    "ahead": (np.int32, (), 0),  # readings from the future in a row
    "since": (np.int64, (), NEVER),  # number of the stretch in which the alert opened
    "newest_bad": (np.int64, (), NEVER),  # number of the newest stretch that it has counted, and readings of it
    "counted": (np.int32, (), 0),
}


class Stretches(NamedTuple):
    """Counts of stretches by stream and number: (n,), counts (n, 7), sizes (n, 4), missing values (n, channels)."""

    stream: Int64
    number: Int64
    counts: Int64
    sizes: Float64
    absent: Int64

    @classmethod
    def of(cls, stream: Codes, number: Int64, channels: int, **counts: Int64 | Bool) -> Stretches:
        """A table that counts these columns and nothing else."""
        n = len(stream)
        table = np.zeros((n, len(COUNTS)), np.int64)
        for name, column in counts.items():
            table[:, COUNTS.index(name)] = column
        sizes, absent = np.full((n, len(SIZES)), FAR), np.zeros((n, channels), np.int64)
        return cls(stream.astype(np.int64), number.astype(np.int64), table, sizes, absent)

    def take(self, rows: Int64) -> Stretches:
        """Those at `rows`."""
        return Stretches(
            self.stream[rows], self.number[rows], self.counts[rows], self.sizes[rows], self.absent[rows]
        )  # fmt: skip

    def column(self, name: str) -> Int64:
        """One of the counts."""
        return np.asarray(self.counts[:, COUNTS.index(name)])

    @property
    def readings(self) -> Int64:
        """All that were read."""
        return np.asarray(self.column("slots") + sum(self.column(name) for name in ASIDE))

    def unjudged(self, hop: int) -> Int64:
        """How many of them no window judged, where each judged window is about `hop` readings."""
        return np.asarray(self.readings - np.minimum(self.column("slots"), hop * self.column("judged")))


def added(tables: Sequence[Stretches]) -> Stretches:
    """All of them, sorted by stream and number, with one row for each stretch."""
    all_ = Stretches(*(np.concatenate(columns) for columns in zip(*tables, strict=True)))
    if not len(all_.stream):
        return all_
    all_ = all_.take(np.lexsort((all_.number, all_.stream)))
    begins = np.ones(len(all_.stream), bool)
    begins[1:] = (all_.stream[1:] != all_.stream[:-1]) | (all_.number[1:] != all_.number[:-1])
    first = np.flatnonzero(begins)
    return Stretches(
        all_.stream[first], all_.number[first], np.add.reduceat(all_.counts, first),
        np.minimum.reduceat(all_.sizes, first), np.add.reduceat(all_.absent, first),
    )  # fmt: skip
