"""A reading that stands apart: far from the five before it, out of the band, and far beyond what is usual.

The distance is that from the median of the readings before, so that one spike does not hide the next, or from the band
in which the channel lies, where that is nearer: a machine that is switched on is far from the five readings before, but
not where it has never been. An edge of the band follows a reading beyond it by one root mean square of the distances
at most, but at once where the channel has been at rest, and comes back by `RELEASE` of that with each other reading. It
does not follow the first reading beyond it, which may be a spike: many of them would lift the band to where they are.

Its ratio is 1 at `FAR` times what 98 % of all distances of the past keep, or `FARTHER` times their root mean square,
whichever is more. The quantile is followed by steps of its logarithm (Robbins and Monro 1951,
doi:10.1214/aoms/1177729586): spikes rarer than 2 % of the readings do not widen it, however large. Where most readings
are equal it says nothing, and the root mean square, which spikes do widen, decides. Among the first distances, one that
is absurd beside what the ten readings before it do counts as no more than that: garbage at the beginning would hide all
later spikes.

The largest ratio over the channels counts.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from monitor.pipeline.state.columns import Columns, layout
from monitor.records.batches import Float32, Float64, Int32, Windows
from monitor.records.compiled import compiled, part

BEFORE, LEAST = 5, 3  # readings; fewer than so many known ones have no median here
FEWEST = 150  # distances of a channel before another one has a ratio
KEPT = 0.98
FAR, FARTHER = 4.0, 6.0
FIRST_STEP, LAST_STEP, SETTLING = 0.5, 0.05, 5.0  # of the logarithm: SETTLING / n between the other two
WIDE = 3.0  # usual distances from the lowest to the highest of ten readings of noise
ABSURD = 100.0  # usual distances: what lies further out widens nothing by more than that
RELEASE = 0.005  # so 99.5 % of steady noise is within the band, and a level is known for some hundred readings
TINY, FLOOR = 1e-6, 1e-4  # as in the other companions


class _Past(NamedTuple):
    """Of every channel of every stream: (streams, channels)."""

    kept: Float64  # logarithm of the quantile
    squares: Float64
    number: Float64
    highest: Float64  # of the band
    lowest: Float64


class Isolated:
    """What is known of the distances of every channel of every stream."""

    def __init__(self, channels: int) -> None:
        zero, unknown = ((np.float64, (channels,), fill) for fill in (0.0, np.nan))
        since_1 = {"kept": zero, "squares": zero, "number": zero}
        self._columns = Columns({**since_1, "highest": unknown, "lowest": unknown})
        self.earlier = layout(since_1)
        self.dtype = self._columns.dtype
        self.dump, self.load = self._columns.dump, self._columns.load
        self.clear, self.grow = self._columns.clear, self._columns.grow

    def score(self, windows: Windows) -> Float32:
        """See `Companion`; a ratio."""
        ratio = np.full(len(windows), np.nan, np.float32)
        past = _Past(*(self._columns[name] for name in _Past._fields))
        _follow(windows.stream, windows.values, past, np.empty(BEFORE), ratio)
        return ratio


@part
def _before(values: Float32, row: int, channel: int, known: Float64) -> tuple[float, float]:
    """Median and range of the readings before the newest one of a window; `known` is room to sort them in."""
    length, count = values.shape[1], 0
    for place in range(max(length - 1 - BEFORE, 0), length - 1):
        value = values[row, place, channel]
        if math.isfinite(value):
            at = count
            while at > 0 and known[at - 1] > value:
                known[at] = known[at - 1]
                at -= 1
            known[at] = value
            count += 1
    if count < min(LEAST, length - 1) or count == 0:
        return np.nan, np.nan
    return (known[(count - 1) // 2] + known[count // 2]) / 2, known[count - 1] - known[0]


@part
def _learn(past: _Past, of: int, channel: int, away: float, usual: float) -> None:
    """Take in a distance; `usual` is their root mean square, at first a guess, infinite for none."""
    number = past.number[of, channel]
    learned = min(away, ABSURD * usual)
    past.squares[of, channel] += learned * learned
    past.number[of, channel] = number + 1
    if number == 0:
        past.kept[of, channel] = math.log(max(learned, TINY))
        return
    step = min(max(SETTLING / number, LAST_STEP), FIRST_STEP)
    beyond = 1.0 if away > math.exp(past.kept[of, channel]) else 0.0
    past.kept[of, channel] = max(past.kept[of, channel] + step * (beyond - (1 - KEPT)), math.log(TINY))


@part
def _outside(past: _Past, of: int, channel: int, value: float, before: float) -> float:
    """How far a reading is from the band, which then follows it; infinite where there is none yet.

    `before` is the reading before it, NaN for none.
    """
    high, low = past.highest[of, channel], past.lowest[of, channel]
    if math.isnan(high):
        past.highest[of, channel] = past.lowest[of, channel] = value
        return np.inf
    number = past.number[of, channel]
    usual = math.sqrt(past.squares[of, channel] / max(number, 1.0))
    rested = number >= FEWEST and usual <= max(FLOOR * max(abs(high), abs(low)), TINY)
    most = np.inf if rested else usual
    if value <= high:
        past.highest[of, channel] = max(value, high - RELEASE * usual)
    elif rested or before > high:
        past.highest[of, channel] = min(value, high + most)
    if value >= low:
        past.lowest[of, channel] = min(value, low + RELEASE * usual)
    elif rested or before < low:
        past.lowest[of, channel] = max(value, low - most)
    return float(max(value - high, low - value, 0.0))


@compiled
def _follow(stream: Int32, values: Float32, past: _Past, known: Float64, ratio: Float32) -> None:
    """Judge the newest reading of each window by those before it, and learn from it."""
    windows, length, channels = values.shape
    for row in range(windows):
        of, most = stream[row], np.nan
        for channel in range(channels):
            value = np.float64(values[row, length - 1, channel])
            middle, apart = _before(values, row, channel, known)
            if not math.isfinite(value) or math.isnan(middle):
                continue
            away, usual = abs(value - middle), apart / WIDE if apart > 0 else np.inf
            before = np.float64(values[row, length - 2, channel]) if length > 1 else np.nan
            outside = _outside(past, of, channel, value, before)
            if past.number[of, channel] >= FEWEST:
                usual = math.sqrt(past.squares[of, channel] / past.number[of, channel])
                usual = max(usual, FLOOR * abs(middle), TINY)
                beyond = min(away, outside) / max(FAR * math.exp(past.kept[of, channel]), FARTHER * usual)
                if not most >= beyond:
                    most = beyond
            _learn(past, of, channel, away, usual)
        ratio[row] = most
