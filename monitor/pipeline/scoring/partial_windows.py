"""Windows that lack channels: the missing ones are masked, and the score is that of the channels that are there.

A detector scores whole windows only, so every cell of a channel that has a NaN in the window is filled: first with the
neutral value, the stream's own median, or a level and slope near it; then with what makes the score smallest along a
few lines: slow waves of the channel, and what each of the channels that are there does; then with what the detector
rebuilds. That is what it would believe of the missing channel, given the others: one that always follows another one
is not taken to have stopped, which would be a fault by itself. To the square of what is left comes the share of the
missing channels in a usual score, as if they were normal. So the score of a normal window is as high as ever, a fault
in a channel that is there adds what it always adds, and the limit stays what it is. A window without any channel has no
score.

Only windows that the detector has no score for are looked at, so complete windows cost nothing.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np

from monitor.ports.scorer import Scorer
from monitor.records.batches import Bool, Float32, Float64, Int64

MOST_LINES = 8  # of one missing channel; each costs three more scorings of the window
STARTS = (-1.5, 0.0, 1.5)  # usual spreads
ENOUGH = 1.3  # times the usual score: a smaller one needs no other start
WAVES = 5  # the first of a cosine transform: what a channel does slowly
PASSES = 2  # along all lines
MOST_REBUILDS = 8  # of a window by a detector that reconstructs
FURTHEST = 4.0  # usual spreads of a channel in one step, or so many times what another channel does
LONGEST = 1e30  # of a move: a few of them change no number at the end of float32


class Units(NamedTuple):
    """Windows (m, length, channels) as the detector sees them, NaN = missing.

    `neutral` and `spread` (m, channels) are the median and the usual spread of each channel in the same unit, `usual`
    (m,) the usual score of the stream; 0 where it is not known. The last `given` channels are conditions, which count
    as none: they are always there.
    """

    windows: Float32
    neutral: Float32
    spread: Float32
    usual: Float32
    given: int = 0

    def take(self, rows: Int64) -> Units:
        """Those at `rows`."""
        return Units(self.windows[rows], self.neutral[rows], self.spread[rows], self.usual[rows], self.given)


class Masked(NamedTuple):
    """Windows (m, length, channels) as they were filled, their scores (m,), and which channels (m, channels) lack."""

    windows: Float32
    score: Float32
    lacks: Bool


def score(scorer: Scorer, units: Units) -> Float32:
    """Scores (m,) of windows; NaN only where no channel is complete."""
    found = scorer.score(units.windows)
    lacking = np.flatnonzero(np.isnan(found))
    if len(lacking):
        found = found.copy()
        found[lacking] = mask(scorer, units.take(lacking)).score
    return found


def mask(scorer: Scorer, units: Units) -> Masked:
    """Fill what these windows lack, and score them."""
    lacks = np.asarray(np.isnan(units.windows).any(axis=1))
    filled = np.where(lacks[:, None], units.neutral[:, None], units.windows)
    result = np.full(len(filled), np.nan, np.float32)
    judged = lacks.shape[1] - units.given
    for pattern in np.unique(lacks, axis=0):
        if not pattern[:judged].all():
            rows = np.flatnonzero((lacks == pattern).all(axis=1))
            some = units.take(rows)
            filled[rows], best = _fitted(scorer, some, filled[rows], np.flatnonzero(pattern))
            there = np.count_nonzero(~pattern[:judged]) / judged
            normal = np.sqrt(best**2 + (1 - there) * some.usual.astype(np.float64) ** 2)
            result[rows] = np.where(some.usual > 0, normal, best / np.sqrt(there))
    return Masked(filled, result, lacks)


def _fitted(scorer: Scorer, units: Units, windows: Float32, lacking: Int64) -> tuple[Float32, Float64]:
    """The windows with their `lacking` channels moved to the smallest score, and that score.

    From the best of many starts; where that ends far above the usual score, from each level on its own.
    """
    windows, best = _descended(scorer, units, windows, lacking)
    for level in STARTS:
        rows = np.flatnonzero((best > ENOUGH * units.usual) & (units.usual > 0))
        if not len(rows):
            break
        some = units.take(rows)
        moved = windows[rows]
        moved[:, :, lacking] = (some.neutral + np.float32(level) * some.spread)[:, None, lacking]
        found, score = _descended(scorer, some, moved, lacking, grid=False)
        better = score < best[rows]
        windows[rows[better]], best[rows[better]] = found[better], score[better]
    return windows, best


def _descended(
    scorer: Scorer, units: Units, windows: Float32, lacking: Int64, *, grid: bool = True
) -> tuple[Float32, Float64]:
    """From where the `lacking` channels are, or the best of a `grid` of starts, to the next smallest score."""
    best = scorer.score(windows).astype(np.float64)
    present = np.setdiff1d(np.arange(windows.shape[2]), lacking)[: MOST_LINES - 1]
    moves = (windows[:, :, present] - units.neutral[:, None, present]) / units.spread[:, None, present]
    lines = _lines(moves.astype(np.float64))
    for channel in lacking.tolist() if grid else ():
        slow = [_of(channel, line, windows, units.spread) for line in lines[:3]]
        windows, best = _begun(scorer, windows, slow, best)
    for along in lines * PASSES:
        for channel in lacking.tolist():
            windows, best = _least(scorer, windows, _of(channel, along, windows, units.spread), best)
    return _rebuilt(scorer, windows, lacking, best)


def _of(channel: int, along: Float64, windows: Float32, spread: Float32) -> Float32:
    """A move of one channel, in usual spreads of it (m, length), as one of the windows."""
    line = np.zeros_like(windows)
    line[:, :, channel] = np.clip(along * spread[:, channel, None], -LONGEST, LONGEST)
    return line


def _begun(scorer: Scorer, windows: Float32, lines: list[Float32], best: Float64) -> tuple[Float32, Float64]:
    """The windows moved by one of `STARTS` along each of these lines, to the smallest score: far from other minima."""
    begun = windows
    for steps in product(STARTS, repeat=len(lines)):
        moved = np.asarray(windows + sum(step * line for step, line in zip(steps, lines, strict=True)), np.float32)
        found = scorer.score(moved).astype(np.float64)
        better = found < best
        begun, best = np.where(better[:, None, None], moved, begun), np.where(better, found, best)
    return begun, best


def _rebuilt(scorer: Scorer, windows: Float32, lacking: Int64, best: Float64) -> tuple[Float32, Float64]:
    """The same with what the detector rebuilds in the `lacking` channels, as long as that makes scores smaller."""
    rows = np.arange(len(windows))
    windows, best = windows.copy(), best.copy()
    for _ in range(MOST_REBUILDS):
        rebuilt = scorer.reconstruct(windows[rows]) if len(rows) else None
        if rebuilt is None:
            break
        moved = windows[rows]
        moved[:, :, lacking] = rebuilt[:, :, lacking]
        found = scorer.score(moved).astype(np.float64)
        better = found < best[rows]
        rows = rows[better]
        windows[rows], best[rows] = moved[better], found[better]
    return windows, best


def _lines(moves: Float64) -> list[Float64]:
    """The level, then what each channel of `moves` (m, length, channels) does beside all lines before it, (m, length).

    They are at right angles, so that what one of them has settled the next one leaves alone.
    """
    turn = np.pi * (np.arange(moves.shape[1]) + 0.5) / moves.shape[1]
    lines = [np.broadcast_to(np.cos(order * turn), moves.shape[:2]) for order in range(min(WAVES, moves.shape[1]))]
    for channel in range(moves.shape[2]):
        line = np.ascontiguousarray(moves[:, :, channel])
        with np.errstate(over="ignore", invalid="ignore"):
            for known in lines:
                size = np.maximum((known * known).sum(axis=1), 1e-12)
                line = line - ((line * known).sum(axis=1) / size)[:, None] * known
        lines.append(np.nan_to_num(line, posinf=0, neginf=0))
    return lines


def _least(scorer: Scorer, windows: Float32, line: Float32, best: Float64) -> tuple[Float32, Float64]:
    """Each window moved along its line to the smallest score: that of the parabola through three squared scores."""
    below, above = (scorer.score(moved).astype(np.float64) for moved in (windows - line, windows + line))
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        bend = below**2 - 2 * best**2 + above**2
        step = np.clip((below**2 - above**2) / (2 * bend), -FURTHEST, FURTHEST)
    step = np.where(np.isfinite(step) & (bend > 0), step, 0).astype(np.float32)
    moved = np.asarray(windows + step[:, None, None] * line, np.float32)
    found = scorer.score(moved).astype(np.float64)
    better = found < best
    return np.where(better[:, None, None], moved, windows), np.where(better, found, best)
