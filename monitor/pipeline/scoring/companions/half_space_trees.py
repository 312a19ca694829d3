"""How few of a stream's last readings were where this one is: half-space trees (Tan, Ting, Liu, IJCAI 2011).

A point is the newest `LAGS` readings of all channels, in standard deviations from their mean. Each tree halves the
space again and again, and each node counts how many of `WINDOW` points came by. A point is scored by the counts of the
last full window, a node at depth d by 2^d times its count, down to one that fewer than a tenth of the window has
reached; the counts of the present window take their place when it is full.

The algorithm of River's `anomaly.HalfSpaceTrees`, which scores 1 - m, where m is the share of the highest mass; the
score here is -log(m), which has the same order. A reading that is missing goes where more points of the present window
are, as there. Departures: points are scaled by `moments` instead of by hand, and the trees have `HEIGHT` levels, so
that a stream's state is small: 2.5 kB, and 24 bytes for each channel. For several channels whose values belong together
and for values between two usual ones; it forgets within two windows, and is late for shapes.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.pipeline.scoring.companions.half_spaces import HEIGHT, NODES, TREES, Forest, forest
from monitor.pipeline.scoring.companions.moments import Moments, deviation, learn, moment_columns
from monitor.pipeline.state.columns import Columns
from monitor.records.batches import Bool, Float32, Float64, Int32, Windows
from monitor.records.compiled import compiled, inlined

LAGS = 3
WINDOW = 250
FEW = 0.1 * WINDOW  # points: below a node that fewer have reached, nothing is known
HIGHEST = TREES * WINDOW * float(NODES)

Counts = NDArray[np.uint8]


class _Masses(NamedTuple):
    """Points that came by each node of every stream, (streams, TREES, NODES): in the last window, and in this one.

    `filled` (streams,) is how many points this window has; `full` (streams,): there was a last one.
    """

    last: Counts
    present: Counts
    filled: Counts
    full: Bool


class HalfSpaceTrees:
    """Masses of every stream."""

    def __init__(self, length: int, channels: int) -> None:
        self._lags = min(LAGS, length)
        self._forest = forest(self._lags * channels)
        self._columns = Columns(
            {
                "last": (np.uint8, (TREES, NODES), 0),
                "present": (np.uint8, (TREES, NODES), 0),
                "filled": (np.uint8, (), 0),
                "full": (np.bool_, (), False),
                **moment_columns(channels),
            }
        )
        self.dtype = self._columns.dtype
        self.dump, self.load = self._columns.dump, self._columns.load
        self.clear, self.grow = self._columns.clear, self._columns.grow

    def score(self, windows: Windows) -> Float32:
        """See `Companion`."""
        score = np.full(len(windows), np.nan, np.float32)
        newest = np.ascontiguousarray(windows.values[:, : -self._lags - 1 : -1])  # (m, lags, channels), newest first
        masses = _Masses(*(self._columns[name] for name in _Masses._fields))
        _follow((windows.stream, newest), self._forest, masses, Moments.of(self._columns), score)
        return score


@compiled
def _scale(known: Moments, of: int, readings: Float32, point: Float64) -> None:
    """Put readings (lags, channels) in deviations into `point`; NaN where one is missing."""
    lags, channels = readings.shape
    for channel in range(channels):
        usual = deviation(known, of, channel, 0)
        for lag in range(lags):
            value = np.float64(readings[lag, channel])
            away = (value - known.mean[of, channel]) / usual
            point[lag * channels + channel] = away if np.isfinite(value) else np.nan


@inlined
def _below(trees: Forest, present: Counts, tree: int, node: int, point: Float64) -> int:
    """The node to which the point goes on."""
    value, left = point[trees.feature[tree, node]], 2 * node + 1
    if np.isnan(value):
        return left + (1 if present[tree, left] < present[tree, left + 1] else 0)
    return left + (0 if value < trees.threshold[tree, node] else 1)


@compiled
def _mass(trees: Forest, last: Counts, present: Counts, point: Float64) -> float:
    """Mass of a point by the last window: the sum of count x 2^depth over the nodes that it comes by."""
    total = 0.0
    for tree in range(TREES):
        node, weight = 0, 1.0
        for depth in range(HEIGHT + 1):
            total += last[tree, node] * weight
            if depth == HEIGHT or last[tree, node] < FEW:
                break
            node = _below(trees, present, tree, node, point)
            weight *= 2
    return total


@compiled
def _count(trees: Forest, present: Counts, point: Float64) -> None:
    """Count a point in all nodes that it comes by."""
    for tree in range(TREES):
        node = 0
        for _ in range(HEIGHT):
            present[tree, node] += 1
            node = _below(trees, present, tree, node, point)
        present[tree, node] += 1


@compiled
def _follow(seen: tuple[Int32, Float32], trees: Forest, masses: _Masses, known: Moments, score: Float32) -> None:
    """Score each point by the last window of its stream, and count it in the present one."""
    stream, readings = seen
    rows, lags, channels = readings.shape
    point = np.empty(lags * channels)
    for row in range(rows):
        of = stream[row]
        last, present = masses.last[of], masses.present[of]
        if not np.isfinite(readings[row, 0]).any():
            continue
        if masses.full[of]:
            _scale(known, of, readings[row], point)
            score[row] = math.log(HIGHEST / _mass(trees, last, present, point))
        for channel in range(channels):
            value = np.float64(readings[row, 0, channel])
            if np.isfinite(value):
                learn(known, of, channel, value)
        _scale(known, of, readings[row], point)
        _count(trees, present, point)
        masses.filled[of] += 1
        if masses.filled[of] == WINDOW:
            last[:], present[:] = present, 0
            masses.filled[of], masses.full[of] = 0, True
