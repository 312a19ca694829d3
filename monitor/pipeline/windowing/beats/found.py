"""Heartbeats that were found, as columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from monitor.records.batches import Bool, Float64, Int64


@dataclass(frozen=True, slots=True)
class Beats:
    """The beats of some windows, (m,), in seconds.

    `interval` is the time since the beat before, NaN at the beginning of a stream; `latency` the time from the R-peak
    to the sample with which it was found.
    """

    interval: Float64
    latency: Float64

    def take(self, rows: Int64) -> Beats:
        """The beats at `rows`."""
        return Beats(self.interval[rows], self.latency[rows])


class Found(NamedTuple):
    """Beats by row of the chunk and in order of time, (n,): row, then the fields of `Beat`."""

    row: Int64
    peak: Int64
    known: Int64
    interval: Float64
    rhythm: Float64
    size: Float64

    def take(self, rows: Bool | Int64) -> Found:
        """Those at `rows` (indices or mask)."""
        return Found(
            self.row[rows], self.peak[rows], self.known[rows], self.interval[rows], self.rhythm[rows], self.size[rows]
        )
