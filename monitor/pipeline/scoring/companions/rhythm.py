"""Heartbeats that come early, whatever their shape.

An interval is expected to be the median of the last `MEMORY` means of two neighbouring ones: a premature beat and the
pause after it are together as long as two others, so that even a heart with an ectopic beat after each normal one has
its usual rhythm there. How early a beat came, as a share of the interval that was expected, becomes surprise: 0 in
time, 2 after four fifths of it, 3.5 after half of it.

A beat that is too noisy to judge may be none: the interval goes on from the beat before, so that the next one counts as
early only if it is so even then. Two early intervals that are together one
expected one hold a beat that was none, and the beat after it is in time: it counts as early by `AFTER` only.

In noise more is asked of a beat. An ectopic one is followed by a pause, or by the next one as early; where the interval
before it and the one after it are together one expected interval, noise was taken for a beat between two that were in
time. It is no surprise then, and the interval goes on from the beat before.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from monitor.pipeline.scoring.compiled import compiled
from monitor.pipeline.state.columns import Columns
from monitor.records.batches import Bool, Float32, Float64, Int32, Int64

MEMORY, FEWEST = 8, 3  # intervals
USUAL, MOST = 0.1, 0.6  # shares of the interval by which a beat is a little and at most early
EARLY, TOGETHER = 0.15, 0.1  # shares: an early interval, and how near two are to one
AFTER = 0.3
WITHIN = 0.15  # share of one expected interval by which the two around noise may differ from it


class Intervals(NamedTuple):
    """Before and after beats (m,), s, sorted by stream and time; NaN = not known.

    `noisy`: noise is about them; `lost`: so much that they are not judged.
    """

    stream: Int32
    before: Float64
    after: Float64
    noisy: Bool
    lost: Bool


class Rhythm:
    """The last intervals between the beats of every stream."""

    def __init__(self) -> None:
        self._columns = Columns(
            {
                "usual": (np.float32, (MEMORY,), 0.0),  # means of two intervals, s
                "count": (np.int64, (), 0),
                "before": (np.float32, (), np.nan),  # the last interval, s
                "passed": (np.float32, (), 0.0),  # s from the last beat to what may be none
            }
        )
        self.dtype = self._columns.dtype
        self.dump, self.load = self._columns.dump, self._columns.load
        self.clear, self.grow = self._columns.clear, self._columns.grow

    def score(self, beats: Intervals) -> Float32:
        """Surprise (m,) of beats; NaN = not known.

        The interval before a beat is NaN at the beginning; the one after it counts where the beat is early.
        """
        surprise, column = np.full(len(beats.stream), np.nan, np.float32), self._columns
        past = _Past(column["usual"], column["count"], column["before"], column["passed"])
        _follow(beats, past, surprise)
        return surprise


class _Past(NamedTuple):
    usual: Float32
    seen: Int64
    before: Float32
    passed: Float32


@compiled
def _follow(beats: Intervals, past: _Past, surprise: Float32) -> None:
    """Judge each interval by those before it, and take it in."""
    for row in range(len(beats.stream)):
        of, now = beats.stream[row], beats.before[row] + past.passed[beats.stream[row]]
        last, past.passed[of] = past.before[of], 0.0
        if beats.lost[row] and not np.isnan(now):
            past.passed[of] = now
            continue
        past.before[of] = now
        if np.isnan(now):
            continue
        known = min(past.seen[of], MEMORY)
        if known >= FEWEST and not np.isnan(last):
            expected = np.median(past.usual[of, :known])
            early = min(max(1 - now / expected, 0.0), MOST)
            if beats.noisy[row] and early > EARLY and abs((now + beats.after[row]) / expected - 1) <= WITHIN:
                surprise[row], past.before[of], past.passed[of] = 0.0, last, now
                continue
            if 1 - last / expected > EARLY and abs((last + now) / expected - 1) <= TOGETHER:
                early *= AFTER
            surprise[row] = 2 * math.log2(1 + early / USUAL / 2)
        if not np.isnan(last):
            past.usual[of, past.seen[of] % MEMORY] = (last + now) / 2
            past.seen[of] += 1
