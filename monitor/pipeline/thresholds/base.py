"""What the pipeline asks of a threshold."""

from __future__ import annotations

from typing import ClassVar, Protocol, runtime_checkable

import numpy as np

from monitor.pipeline.state.columns import Columns
from monitor.pipeline.state.segments import segments
from monitor.records.batches import Float64, Int32, Int64

FLOOR = (
    0.05  # the standard deviation counts for at least this share of the mean: a constant score is no licence to alarm
)


class Threshold(Protocol):
    """Limits for all streams of a family; every array has one entry per stream or window given.

    Limits are in the unit of the score. A window is judged first, by the limit of its bucket, and learned from after.
    The kinds of `bootstrap.THRESHOLDS` are made by their class method `of`, which takes the configuration's rule.
    """

    columns: Columns
    EARLIER: ClassVar[tuple[np.dtype[np.void], ...]]  # layouts of saved states that lack columns

    def buckets(self, stream: Int32, end: Int64) -> Int64:
        """Bucket of each window, by its end time (ns) or its number; non-decreasing within a stream."""
        ...

    def limits(self, stream: Int32, bucket: Int64) -> Float64:
        """Limit of each (unique) stream as it enters or stays in `bucket`; NaN while too little is known."""
        ...

    def learn(self, stream: Int32, score: Float64) -> None:
        """Learn from normal windows, given in time order, all in the bucket their stream is in."""
        ...

    def seed(self, stream: Int32, mean: Float64, std: Float64, count: Int64, least: Float64) -> None:
        """Reset to the mean and standard deviation of `count` training scores; no limit falls below `least`."""
        ...


@runtime_checkable
class Revisable(Protocol):
    """A threshold that can take back what it has learned lately."""

    def drop_newest(self, stream: Int32) -> None:
        """Forget what these streams have taught since they entered their bucket: an alert of theirs opens.

        The windows before it hold the fault in part, and were not judged anomalous yet.
        """
        ...


class Bucketed:
    """What limits have in common that are constant within a bucket of event time, or of so many windows.

    `width` is that of a bucket, ns, or windows where `by_time` is false. Columns: limit, bucket, windows, and those of
    the subclass, which says what happens as streams enter another bucket.
    """

    columns: Columns

    def __init__(self, width: int, *, by_time: bool) -> None:
        self._width, self._by_time = max(1, width), by_time

    def buckets(self, stream: Int32, end: Int64) -> Int64:
        """By end time, or by counting windows; these must come sorted by stream."""
        if self._by_time:
            return np.asarray(end // self._width)
        _, first, size = np.unique(stream, return_index=True, return_counts=True)
        number = self.columns["windows"][stream] + np.arange(len(stream)) - np.repeat(first, size)
        self.columns["windows"][stream[first]] += size
        return np.asarray(number // self._width)

    def limits(self, stream: Int32, bucket: Int64) -> Float64:
        """Close the buckets left behind and return the limit."""
        entering = bucket > self.columns["bucket"][stream]
        if entering.any():
            self._enter(stream[entering], bucket[entering])
        return np.asarray(self.columns["limit"][stream])

    def _enter(self, stream: Int32, bucket: Int64) -> None:
        """These (unique) streams enter these buckets: set their limits."""
        raise NotImplementedError


def rounds(stream: Int32, bucket: Int64) -> list[Int64]:
    """Row numbers grouped so that each group has one bucket per stream, in time order. Sorted by stream."""
    if len(stream) == 0:
        return []
    first, size = segments(stream)
    step = np.zeros(len(stream), np.int64)
    step[1:] = bucket[1:] != bucket[:-1]
    step[first] = 0
    passed = np.cumsum(step)
    round_ = passed - np.repeat(passed[first], size)
    if not round_.any():
        return [np.arange(len(stream))]
    return [np.flatnonzero(round_ == r) for r in range(int(round_.max()) + 1)]
