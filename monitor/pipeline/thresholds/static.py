"""The classic limit: mean + n_std standard deviations of the training scores, for ever.

>>> stream = np.array([0], np.int32)
>>> threshold = StaticThreshold(n_std=3)
>>> threshold.columns.grow(1)
>>> threshold.limits(stream, bucket=np.array([0]))  # not known before training
array([nan])
>>> threshold.seed(stream, mean=np.array([1.0]), std=np.array([0.5]), count=np.array([200]), least=np.array([0.0]))
>>> threshold.limits(stream, bucket=np.array([0]))
array([2.5])
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from monitor.config.families import Threshold as Rule
from monitor.pipeline.state.columns import Columns
from monitor.pipeline.thresholds.base import FLOOR
from monitor.records.batches import Float64, Int32, Int64


class StaticThreshold:
    """Limit in the unit of the score; NaN until seeded."""

    EARLIER: ClassVar[tuple[np.dtype[np.void], ...]] = ()

    def __init__(self, n_std: float) -> None:
        self._n_std = n_std
        self.columns = Columns({"limit": (np.float64, (), np.nan)})

    @classmethod
    def of(cls, rule: Rule) -> StaticThreshold:
        """As the configuration says."""
        return cls(rule.n_std)

    def buckets(self, stream: Int32, end: Int64) -> Int64:
        """One bucket holds everything: the limit never changes."""
        return np.zeros(len(stream), np.int64)

    def limits(self, stream: Int32, bucket: Int64) -> Float64:
        """The limit of each stream."""
        return np.asarray(self.columns["limit"][stream])

    def learn(self, stream: Int32, score: Float64) -> None:
        """No-op: a static limit does not adapt."""

    def seed(self, stream: Int32, mean: Float64, std: Float64, count: Int64, least: Float64) -> None:
        """Fix the limit."""
        limit = mean + self._n_std * np.maximum(std, FLOOR * np.abs(mean))
        self.columns["limit"][stream] = np.maximum(limit, least)
