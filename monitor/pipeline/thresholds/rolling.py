"""Rolling limit: mean + n_std standard deviations of the last `history` of normal scores.

The history is the last 24 buckets in which the stream had normal scores: neither silence nor a long fault uses it up.
Each bucket keeps count, sum and sum of squares around the seed's mean, added strictly one after the other, so that any
cut of the input gives the same bits; it leaves the history whole. Nothing is ever subtracted from a running sum, which
is how a spike that leaves the window ruins such formulas.

The training scores count until the history holds as many scores as they did, `FEWEST` at least and `SEED_MOST` at most.
With fewer than `FEWEST` scores there is no limit (NaN).

The limit is constant within a bucket, here of 100 windows; the scores learned in one count from the next one on:

>>> stream = np.array([0], np.int32)
>>> threshold = RollingThreshold(n_std=3, history=2400, by_time=False)
>>> threshold.columns.grow(1)
>>> threshold.seed(stream, mean=np.array([1.0]), std=np.array([0.5]), count=np.array([100]),
...     least=np.array([0.0]))
>>> threshold.limits(stream, bucket=np.array([0]))
array([2.5])
>>> threshold.learn(np.repeat(stream, 100), score=np.tile([1.0, 3.0], 50))
>>> threshold.limits(stream, bucket=np.array([0]))
array([2.5])
>>> threshold.limits(stream, bucket=np.array([1]))  # mean 2, standard deviation 1
array([5.])
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from monitor.config.families import Threshold as Rule
from monitor.pipeline.state.columns import Columns, Spec, layout
from monitor.pipeline.thresholds.base import FLOOR, Bucketed
from monitor.records.batches import NEVER, Float64, Int32, Int64

BUCKETS = 24
PLACES = BUCKETS + 1  # one more for the open bucket
FEWEST = 30
SEED_MOST = 1000


_HISTORY: dict[str, Spec] = {
    "limit": (np.float64, (), np.nan),
    "bucket": (np.int64, (), NEVER),  # the one the stream is in
    "place": (np.int32, (), 0),  # of the open bucket in the ring
    "windows": (np.int64, (), 0),
    "mean": (np.float64, (), 0.0),  # of the seed; reference of all sums
    "std": (np.float64, (), 0.0),
    "weight": (np.int32, (), 0),  # scores the seed stands for
    "count": (np.int32, (PLACES,), 0),
    "sum": (np.float64, (PLACES,), 0.0),
    "squares": (np.float64, (PLACES,), 0.0),
}
_SPEC: dict[str, Spec] = {**_HISTORY, "least": (np.float32, (), 0.0)}


class RollingThreshold(Bucketed):
    """`history` is a time in ns, or a number of windows where `by_time` is false."""

    EARLIER: ClassVar[tuple[np.dtype[np.void], ...]] = (layout(_HISTORY),)

    def __init__(self, n_std: float, history: int, *, by_time: bool = True) -> None:
        super().__init__(history // BUCKETS, by_time=by_time)
        self._n_std = n_std
        self.columns = Columns(_SPEC)

    @classmethod
    def of(cls, rule: Rule) -> RollingThreshold:
        """As the configuration says."""
        time, count = rule.history.time, rule.history.count
        return cls(rule.n_std, time if time is not None else count or 0, by_time=time is not None)

    def learn(self, stream: Int32, score: Float64) -> None:
        """Add scores to the open bucket of their stream, one after the other."""
        columns = self.columns
        place = columns["place"][stream]
        away = score - columns["mean"][stream]
        np.add.at(columns["count"], (stream, place), 1)
        np.add.at(columns["sum"], (stream, place), away)
        np.add.at(columns["squares"], (stream, place), away * away)

    def drop_newest(self, stream: Int32) -> None:
        """Empty the open bucket; see `Revisable`."""
        place = self.columns["place"][stream]
        for name in ("count", "sum", "squares"):
            self.columns[name][stream, place] = 0

    def seed(self, stream: Int32, mean: Float64, std: Float64, count: Int64, least: Float64) -> None:
        """Forget the history and begin from the training scores."""
        windows = self.columns["windows"][stream]
        self.columns.clear(stream)
        self.columns["windows"][stream] = windows
        self.columns["mean"][stream] = mean
        self.columns["std"][stream] = std
        self.columns["weight"][stream] = np.clip(count, FEWEST, SEED_MOST)
        self.columns["least"][stream] = least

    def _enter(self, stream: Int32, bucket: Int64) -> None:
        """Open a new bucket in place of the oldest, unless the open one is still empty, and set the limit for it."""
        columns = self.columns
        columns["bucket"][stream] = bucket
        closed = stream[columns["count"][stream, columns["place"][stream]] > 0]
        place = (columns["place"][closed] + 1) % PLACES
        columns["place"][closed] = place
        for name in ("count", "sum", "squares"):
            columns[name][closed, place] = 0
        columns["limit"][stream] = self._limit(stream)

    def _limit(self, stream: Int32) -> Float64:
        columns = self.columns
        count = columns["count"][stream].sum(axis=1)
        weight = np.maximum(columns["weight"][stream] - count, 0)
        total = count + weight
        known = np.maximum(total, 1)
        shift = columns["sum"][stream].sum(axis=1) / known
        squares = columns["squares"][stream].sum(axis=1) + weight * columns["std"][stream] ** 2
        std = np.sqrt(np.maximum(squares / known - shift**2, 0))
        mean = columns["mean"][stream] + shift
        limit = np.maximum(mean + self._n_std * np.maximum(std, FLOOR * np.abs(mean)), columns["least"][stream])
        return np.where(total >= FEWEST, limit, columns["limit"][stream])
