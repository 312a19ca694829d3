"""Heartbeats that come early, whatever their shape.

An interval is expected to be the median of the last `MEMORY` means of two neighbouring ones: a premature beat and the
pause after it are together as long as two others, so that even a heart with an ectopic beat after each normal one has
its usual rhythm there. How early a beat came, as a share of the interval that was expected, becomes surprise: 0 in
time, 2 after four fifths of it, 3.5 after half of it.

In noise more is asked of a beat, as noise is taken for one at any time.

* One that is not judged may be none, and the interval goes on over it, unless a beat was due when it came: then it was
  that beat, however noisy. The next one is early from there, if it does not come as soon as noise does.
* In loud noise, what comes sooner than `SOON` of the expected interval comes sooner than the heart does: no beat.
* Where the interval before a beat and the one after it are together one expected interval, noise was taken for a beat
  between two in time. In loud noise that is so unless the complexes before and after it are unlike (see `neighbours`),
  where the gaps between beats are not quiet only if they are much alike.

Such a beat is no surprise, and the interval goes on from the beat before. Two early intervals that are together one
expected one hold a beat that was none, or that was put in between, and the beat after it is in time: it counts as early
by `AFTER` only. Not where the complexes around the first one are unlike: then it is the second of a pair.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from monitor.pipeline.scoring.companions.usual_noise import LOUD
from monitor.pipeline.state.columns import Columns
from monitor.records.batches import Bool, Float32, Float64, Int32, Int64
from monitor.records.compiled import compiled, part

MEMORY, FEWEST = 8, 3  # intervals
USUAL, MOST = 0.1, 0.6  # shares of the interval by which a beat is a little and at most early
EARLY, TOGETHER = 0.15, 0.1  # shares: an early interval, and how near two are to one
AFTER = 0.3
WITHIN = 0.15  # share of one expected interval by which the two around noise may differ from it
UNLIKE, ALIKE = 0.9, 0.95  # correlations of the complexes around a beat
QUIET = 0.03  # share of noise (see `windowing/beats/quality`): half of what a model learns from
SOON = 0.4  # share of the expected interval


class Intervals(NamedTuple):
    """Before and after beats (m,), s, sorted by stream and time; NaN = not known.

    `noise` is about them, times the usual level, and `share` of a beat's height; too much for those that are `lost`:
    they are not judged. `alike` is the correlation of the complexes before and after a beat.
    """

    stream: Int32
    before: Float64
    after: Float64
    noise: Float64
    share: Float64
    alike: Float64
    lost: Bool


class Rhythm:
    """The last intervals between the beats of every stream."""

    def __init__(self) -> None:
        self._columns = Columns(
            {
                "usual": (np.float32, (MEMORY,), 0.0),  # means of two intervals, s
                "count": (np.int64, (), 0),
                # the last interval, s; negative: of a beat whose neighbours are unlike
                "before": (np.float32, (), np.nan),
                # s from the last beat to what may be none; negative: to one that was due
                "passed": (np.float32, (), 0.0),
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
        of = beats.stream[row]
        known = min(past.seen[of], MEMORY)
        expected = float(np.median(past.usual[of, :known])) if known >= FEWEST else math.nan
        now, last = _interval(past, of, beats.before[row], expected)
        pair = last < 0
        past.before[of], past.passed[of], last = last, 0.0, abs(last)
        if beats.lost[row] and not np.isnan(now):
            past.passed[of] = -now if now >= (1 - EARLY) * _due(last, expected) else now
            continue
        ended, past.before[of] = past.before[of], -now if beats.alike[row] < UNLIKE else now
        if np.isnan(now):
            continue
        if known >= FEWEST and not np.isnan(last):
            early = min(max(1 - now / expected, 0.0), MOST)
            if early > EARLY and _none(beats, row, now, expected):
                surprise[row], past.before[of], past.passed[of] = 0.0, ended, now
                continue
            if not pair and 1 - last / expected > EARLY and abs((last + now) / expected - 1) <= TOGETHER:
                early *= AFTER
            surprise[row] = 2 * math.log2(1 + early / USUAL / 2)
        if not np.isnan(last):
            past.usual[of, past.seen[of] % MEMORY] = (last + now) / 2
            past.seen[of] += 1


@part
def _interval(past: _Past, of: int, before: float, expected: float) -> tuple[float, float]:
    """The interval before a beat and the one before that: over one that was passed, or from it where it was due."""
    passed = np.float64(past.passed[of])
    if passed < 0 and not before < SOON * expected:
        return before, -passed
    return before + abs(passed), np.float64(past.before[of])


@part
def _due(last: float, expected: float) -> float:
    """The interval after which a beat is due: after an early one, a pause that makes up for it; NaN = not known."""
    return expected if np.isnan(last) else max(expected, 2 * expected - last)


@part
def _none(beats: Intervals, row: int, now: float, expected: float) -> bool:
    """Whether an early beat after this interval is noise that was taken for one."""
    loud, alike = beats.noise[row] > LOUD, beats.alike[row]
    if loud and now < SOON * expected:
        return True
    together = abs((now + beats.after[row]) / expected - 1) <= WITHIN
    return together and ((loud and not alike < UNLIKE) or (beats.share[row] > QUIET and alike >= ALIKE))
