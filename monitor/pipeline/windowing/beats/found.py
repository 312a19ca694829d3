"""Heartbeats that were found, as columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from monitor.records.batches import Bool, Float64, Int64


@dataclass(frozen=True, slots=True)
class Beats:
    """The beats of some windows, (m,), in seconds.

    `interval` is the time since the beat before, NaN at the beginning of a stream; `next` the time to the beat
    after it, where the beat was early and the next one came within about one interval, else NaN; `latency` the time
    from the R-peak to the sample with which it was found. `noise` is the level of noise around it, in the unit of
    the signal, and `share` that as a share of a beat's height (see `quality`). `beside` is the spread of the signal
    beside the QRS complex, in the complex's band (see `prominence`), and `alike` how alike the complexes before and
    after an early beat are (see `neighbours`); NaN where there is nothing to compare.
    """

    interval: Float64
    next: Float64
    latency: Float64
    noise: Float64
    share: Float64
    beside: Float64
    alike: Float64

    @classmethod
    def none(cls) -> Beats:
        """No beat."""
        return cls(*np.zeros((len(cls.__slots__), 0)))

    def take(self, rows: Int64) -> Beats:
        """The beats at `rows`."""
        return Beats(*(getattr(self, name)[rows] for name in self.__slots__))

    @property
    def facts(self) -> dict[str, Float64]:
        """By name: RR interval (s), the next one of early ones, rate (beats a minute), detection latency (s), and the
        others as they are."""
        with np.errstate(divide="ignore"):
            rate = 60 / self.interval
        seconds = {"rr_s": self.interval, "next_rr_s": self.next, "latency_s": self.latency, "rate_bpm": rate}
        noise = {"noise": self.noise, "noise_share": self.share, "beside": self.beside}
        return {**seconds, **noise, "alike": self.alike}


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
