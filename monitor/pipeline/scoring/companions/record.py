"""A reading beyond everything that its channel has ever shown.

How far it lies beyond the highest (or lowest) reading of the past is measured in the distance from that to the mean of
the past, the largest over the channels, and compressed: the score is 0 up to a hundredth, 1.3 at a tenth, and 3, the
most, from 1.8 on. A record becomes the past at once, but no single one moves it by more than `MOST` ranges. Among few
readings each is a record now and then: there are none before the past has `FEWEST`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from monitor.pipeline.state.columns import Columns
from monitor.records.batches import Float32, Float64, Int32, Windows
from monitor.records.compiled import compiled, part

SLIGHTEST = 1e-2
SOON, FEWEST = 10, 300  # readings of a channel before one is bounded, and before another one can be a record
MOST = 10.0
FLOOR, TINY = 1e-4, 1e-6  # of the mean, and in all: the distance that counts even of a channel at rest


class _Past(NamedTuple):
    """Of every channel of every stream: (streams, channels)."""

    highest: Float32
    lowest: Float32
    total: Float64
    number: Float64


class Record:
    """Highest, lowest and mean reading of every channel of every stream."""

    def __init__(self, channels: int) -> None:
        self._columns = Columns(
            {
                "highest": (np.float32, (channels,), -np.inf),
                "lowest": (np.float32, (channels,), np.inf),
                "total": (np.float64, (channels,), 0.0),
                "number": (np.float64, (channels,), 0.0),
            }
        )
        self.dtype = self._columns.dtype
        self.dump, self.load = self._columns.dump, self._columns.load
        self.clear, self.grow = self._columns.clear, self._columns.grow

    def score(self, windows: Windows) -> Float32:
        """See `Companion`."""
        score = np.full(len(windows), np.nan, np.float32)
        past = _Past(*(self._columns[name] for name in _Past._fields))
        _follow(windows.stream, np.ascontiguousarray(windows.values[:, -1]), past, score)
        return score


@part
def _beyond(past: _Past, of: int, channel: int, value: float, least: float) -> float:
    """How far a reading lies beyond the highest or lowest one, in the distance from that to the mean; 0 = within."""
    mean = past.total[of, channel] / past.number[of, channel]
    high, low = past.highest[of, channel], past.lowest[of, channel]
    beyond = 0.0
    if value > high:
        beyond = (value - high) / max(high - mean, least)
    elif value < low:
        beyond = (low - value) / max(mean - low, least)
    return beyond


@compiled
def _follow(stream: Int32, values: Float32, past: _Past, score: Float32) -> None:
    """Score each newest reading by those before it, and take it in."""
    rows, channels = values.shape
    for row in range(rows):
        of, furthest = stream[row], np.nan
        for channel in range(channels):
            value = values[row, channel]
            if not math.isfinite(value):
                continue
            high, low, number = past.highest[of, channel], past.lowest[of, channel], past.number[of, channel]
            if number >= FEWEST or (number >= SOON and high > low):
                least = max(FLOOR * abs(past.total[of, channel] / number), TINY)
                beyond = _beyond(past, of, channel, value, least)
                if number >= FEWEST and not furthest >= beyond:
                    furthest = beyond
                room = MOST * max(high - low, least)
                value = min(max(value, low - room), high + room)
            past.highest[of, channel], past.lowest[of, channel] = max(high, value), min(low, value)
            past.total[of, channel] += value
            past.number[of, channel] = number + 1
        if furthest > 0:
            furthest = 2 * min(max(math.log10(furthest / SLIGHTEST) / 1.5, 0.0), 1.5)
        score[row] = furthest
