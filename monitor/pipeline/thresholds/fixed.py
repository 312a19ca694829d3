"""One limit for every stream, for recipes whose scores are on one scale already.

>>> threshold = FixedThreshold(4.0)
>>> threshold.limits(np.array([0, 7], np.int32), bucket=np.zeros(2, np.int64)).tolist()
[4.0, 4.0]
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from monitor.pipeline.state.columns import Columns
from monitor.records.batches import Float64, Int32, Int64


class FixedThreshold:
    """The same limit for every stream, at every time."""

    EARLIER: ClassVar[tuple[np.dtype[np.void], ...]] = ()

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self.columns = Columns({})

    def buckets(self, stream: Int32, end: Int64) -> Int64:
        """One bucket holds everything."""
        return np.zeros(len(stream), np.int64)

    def limits(self, stream: Int32, bucket: Int64) -> Float64:
        """The limit."""
        return np.full(len(stream), self._limit)

    def learn(self, stream: Int32, score: Float64) -> None:
        """No-op: the scale of the score adapts, not the limit."""

    def seed(self, stream: Int32, mean: Float64, std: Float64, count: Int64, least: Float64) -> None:
        """No-op, for the same reason."""
