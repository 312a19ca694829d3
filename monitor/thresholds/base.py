"""What the pipeline asks of a threshold."""

from __future__ import annotations

from typing import Protocol

from monitor.columns import Columns
from monitor.records import Float64, Int32, Int64

FLOOR = (
    0.05  # the standard deviation counts for at least this share of the mean: a constant score is no licence to alarm
)


class Threshold(Protocol):
    """Limits for all streams of a family; every array has one entry per stream or window given."""

    columns: Columns

    def buckets(self, stream: Int32, end: Int64) -> Int64:
        """Bucket of each window, by its end time (ns) or its number; non-decreasing within a stream."""
        ...

    def limits(self, stream: Int32, bucket: Int64) -> Float64:
        """Limit of each (unique) stream as it enters or stays in `bucket`; NaN while too little is known."""
        ...

    def learn(self, stream: Int32, score: Float64) -> None:
        """Learn from normal windows, given in time order, all in the bucket their stream is in."""
        ...

    def seed(self, stream: Int32, mean: Float64, std: Float64, count: Int64) -> None:
        """Begin anew from the mean and standard deviation of `count` training scores."""
        ...
