"""The distribution of a stream's normal scores as a histogram: what limits by quantiles are computed from.

The bins are 1/16 of an octave wide (4.4 %) and reach from 1/8 to 32 times the median of the training scores; what lies
outside counts in the first or last one. A history of 24 buckets is kept by forgetting 1/24 of all counts whenever a
bucket with normal scores closes: neither silence nor a long fault uses it up, and a stream keeps 128 counts however
many scores it has. It begins with a log-normal distribution of the training scores' mean and standard deviation, as the
scores of clean windows are near that, which weighs as much as they did, 1000 at most.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from monitor.config.families import Threshold as Rule
from monitor.pipeline.state.columns import Columns
from monitor.pipeline.thresholds.base import FLOOR, Bucketed
from monitor.records.batches import NEVER, Float64, Int32, Int64

BUCKETS = 24
KEPT = np.float32(1 - 1 / BUCKETS)
FEWEST, SEED_MOST = 30, 1000
EDGES = 2.0 ** (np.arange(-48, 81) / 16)  # of the bins, in medians of the training scores
CENTRES = np.sqrt(EDGES[1:] * EDGES[:-1])
BINS = len(CENTRES)
TINY = float(np.finfo(np.float32).tiny)


class HistogramThreshold(Bucketed):
    """`history` is a time in ns, or a number of windows where `by_time` is false. Subclasses say the limit."""

    EARLIER: ClassVar[tuple[np.dtype[np.void], ...]] = ()

    def __init__(self, history: int, *, by_time: bool = True) -> None:
        super().__init__(history // BUCKETS, by_time=by_time)
        self.columns = Columns(
            {
                "limit": (np.float64, (), np.nan),
                "bucket": (np.int64, (), NEVER),  # the one the stream is in
                "windows": (np.int64, (), 0),
                "learned": (np.int64, (), 0),  # in the open bucket
                "median": (np.float64, (), 0.0),  # of the training scores; 0 = not seeded
                "least": (np.float32, (), 0.0),
                "counts": (np.float32, (BINS,), 0.0),
            }
        )

    def learn(self, stream: Int32, score: Float64) -> None:
        """Count the scores."""
        columns = self.columns
        known = columns["median"][stream] > 0
        stream, score = stream[known], score[known]
        place = np.searchsorted(EDGES, score / columns["median"][stream], side="right") - 1
        np.add.at(columns["counts"], (stream, np.clip(place, 0, BINS - 1)), np.float32(1))
        np.add.at(columns["learned"], stream, 1)

    def seed(self, stream: Int32, mean: Float64, std: Float64, count: Int64, least: Float64) -> None:
        """Forget the history and begin from the training scores."""
        from scipy.special import ndtr

        columns = self.columns
        windows = columns["windows"][stream]
        columns.clear(stream)
        columns["windows"][stream] = windows
        mean = np.maximum(mean, TINY)
        spread = np.sqrt(np.log1p(np.maximum(std / mean, FLOOR) ** 2))  # of the logarithms
        columns["median"][stream] = mean * np.exp(-(spread**2) / 2)
        below = ndtr(np.log(EDGES)[1:-1] / spread[:, None])
        share = np.diff(below, prepend=0, append=1)
        columns["counts"][stream] = np.clip(count, FEWEST, SEED_MOST)[:, None] * share
        columns["least"][stream] = least

    def _enter(self, stream: Int32, bucket: Int64) -> None:
        """Open a new bucket, unless the open one is still empty, and set the limit for it."""
        columns = self.columns
        columns["bucket"][stream] = bucket
        closed = stream[columns["learned"][stream] > 0]
        columns["counts"][closed] *= KEPT
        columns["learned"][closed] = 0
        seeded = stream[columns["median"][stream] > 0]
        median, counts = columns["median"][seeded], columns["counts"][seeded].astype(np.float64)
        limit = median * self._limit(counts, columns["limit"][seeded] / median)
        columns["limit"][seeded] = np.maximum(limit, columns["least"][seeded])

    def _limit(self, counts: Float64, last: Float64) -> Float64:
        """Limits (n,) of streams with these counts (n, BINS), in medians of their training scores.

        `last` (n,) are those in force so far, NaN at first.
        """
        raise NotImplementedError


def span(rule: Rule) -> tuple[int, bool]:
    """The history of the configuration, ns or windows, and whether it is a time."""
    time, count = rule.history.time, rule.history.count
    return (count or 0, False) if time is None else (time, True)


def quantile(counts: Float64, share: float | Float64) -> Float64:
    """The score (n,) below which this share, () or (n,), of the counts (n, BINS) lies, in medians of the training."""
    below = np.cumsum(counts, axis=1)
    wanted = share * below[:, -1]
    place = np.minimum((below < wanted[:, None]).sum(axis=1), BINS - 1)
    row = np.arange(len(counts))
    inside = np.maximum(counts[row, place], TINY)
    part = np.clip((wanted - below[row, place]) / inside + 1, 0, 1)
    return np.asarray(EDGES[place] * (EDGES[1] / EDGES[0]) ** part)
