"""Heartbeats that come early, whatever their shape.

An interval is expected to be the median of the last `MEMORY` means of two neighbouring ones: a premature beat and the
pause after it are together as long as two others, so that even a heart with an ectopic beat after each normal one has
its usual rhythm there. How early a beat came, as a share of the interval that was expected, becomes surprise: 0 in
time, 2 after four fifths of it, 3.5 after half of it.

After a beat whose moment is not known nothing is said of the next one. Two early intervals that are together one
expected one hold a beat that was none, and the beat after it is in time: it counts as early by `AFTER` only.
"""

from __future__ import annotations

import math

import numpy as np

from monitor.pipeline.scoring.compiled import compiled
from monitor.pipeline.state.columns import Columns
from monitor.records.batches import Float32, Float64, Int32, Int64

MEMORY, FEWEST = 8, 3  # intervals
USUAL, MOST = 0.1, 0.6  # shares of the interval by which a beat is a little and at most early
EARLY, TOGETHER = 0.15, 0.1  # shares: an early interval, and how near two are to one
AFTER = 0.3


class Rhythm:
    """The last intervals between the beats of every stream."""

    def __init__(self) -> None:
        self._columns = Columns(
            {
                "usual": (np.float32, (MEMORY,), 0.0),  # means of two intervals, s
                "count": (np.int64, (), 0),
                "before": (np.float32, (), np.nan),  # the last interval, s
            }
        )
        self.dtype = self._columns.dtype
        self.dump, self.load = self._columns.dump, self._columns.load
        self.clear, self.grow = self._columns.clear, self._columns.grow

    def score(self, stream: Int32, interval: Float64) -> Float32:
        """Surprise (m,) of beats by the interval before each, s, sorted by stream and time; NaN = not known.

        The interval is NaN at the beginning, and of a beat in noise, which may be none.
        """
        surprise, column = np.full(len(stream), np.nan, np.float32), self._columns
        _follow(stream, interval, column["usual"], column["count"], column["before"], surprise)
        return surprise


@compiled
def _follow(stream: Int32, interval: Float64, usual: Float32, count: Int64, before: Float32, surprise: Float32) -> None:
    """Judge each interval by those before it, and take it in."""
    for row in range(len(stream)):
        of, now, last = stream[row], interval[row], before[stream[row]]
        before[of] = now
        if np.isnan(now):
            continue
        known = min(count[of], MEMORY)
        if known >= FEWEST and not np.isnan(last):
            expected = np.median(usual[of, :known])
            early = min(max(1 - now / expected, 0.0), MOST)
            if 1 - last / expected > EARLY and abs((last + now) / expected - 1) <= TOGETHER:
                early *= AFTER
            surprise[row] = 2 * math.log2(1 + early / USUAL / 2)
        if not np.isnan(last):
            usual[of, count[of] % MEMORY] = (last + now) / 2
            count[of] += 1
