"""What is usual for a stream by the hour of the day, learned only while it has no alert: has its level come back?

The score of some recipes falls while a fault goes on, as their companions learn all history: a step that is held
becomes the new normal for them within hours. So an alert of theirs that would resolve is held open as long as the
readings stay away from the level before it.

The forecast is that of the hour (`day`); a bin follows its readings at a rate of 1/n, of `SLOWEST` at least. A residual
is measured in the mean of all absolute residuals before it, and smoothed; a single one counts for at most `CLIP` in
what is learned. The channel that is farthest away counts.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from monitor.pipeline.scoring.companions.day import BIN, BINS, DAY, forecast, rate
from monitor.pipeline.state.columns import Columns
from monitor.records.batches import Float32, Float64, Int32, Int64, Windows
from monitor.records.compiled import compiled, inlined

SLOWEST = 0.02  # rate for readings every five minutes
CLIP = 6.0
SMOOTHING = 0.25  # weight of the newest residual: about eight of them count
FEWEST = 100  # readings of a channel before its level is known
FLOOR, TINY = 1e-4, 1e-6  # of the mean, and in all: the residual that is usual even of a channel at rest
FAR = 1e38  # where residuals end: sums of some of them are within float32
AWAY = 4.0  # usual residuals, smoothed: farther it is away
MOVED, MOVED_AT_ONCE = 3.0, 8.0  # usual residuals, smoothed, and of one reading: farther it has left where it was held

Count = NDArray[np.uint16]
State = tuple[Float32, Count, Float64, Float64, Float32]  # columns, in the order in which they are declared


class Levels:
    """State of every stream of a family; its readings are `interval` ns apart, 0 = at no fixed distance."""

    def __init__(self, channels: int, interval: int = 0) -> None:
        self._rate = rate(SLOWEST, interval)
        self.columns = Columns(
            {
                "mean": (np.float32, (BINS, channels), 0.0),
                "count": (np.uint16, (BINS, channels), 0),
                "residuals": (np.float64, (channels,), 0.0),  # sum of their sizes
                "learned": (np.float64, (channels,), 0.0),  # how many
                "away": (np.float32, (channels,), 0.0),  # residual, smoothed
                "held": (np.float32, (channels,), 0.0),  # the same when an alert was held
            }
        )

    def follow(self, windows: Windows, rows: Int64) -> None:
        """See `Level`."""
        self._run(windows, rows, learn=True, out=np.empty(len(rows), np.float32))

    def away(self, windows: Windows, row: int) -> float:
        """See `Level`: `AWAY` usual residuals are 1."""
        out = np.empty(1, np.float32)
        self._run(windows, np.array([row]), learn=False, out=out)
        return float(out[0]) / AWAY

    def learn(self, windows: Windows, row: int) -> None:
        """See `Level`."""
        self._run(windows, np.array([row]), learn=True, out=np.empty(0, np.float32))

    def accept(self, code: int) -> Float32:
        """See `Level`; the shape of the day stays."""
        column = self.columns
        column["mean"][code] += column["away"][code]
        column["away"][code] = 0
        return np.where(column["count"][code] > 0, column["mean"][code], np.float32(np.nan))

    def hold(self, code: int, time: int) -> tuple[int, float, float]:
        """See `Level`."""
        column = self.columns
        away = column["held"][code] = column["away"][code]
        channel = int(np.argmax(np.abs(away) * column["learned"][code] / np.maximum(column["residuals"][code], TINY)))
        usual = float(forecast(column["mean"], column["count"], code, time % DAY / BIN, channel))
        return channel, usual + float(away[channel]), usual

    def moved(self, windows: Windows, row: int) -> bool:
        """See `Level`."""
        code, column = int(windows.stream[row]), self.columns
        hour, mean, count = int(windows.end[row]) % DAY / BIN, column["mean"], column["count"]
        usual = np.array([forecast(mean, count, code, hour, channel) for channel in range(mean.shape[2])])
        spread = np.maximum(column["residuals"][code] / np.maximum(column["learned"][code], 1), TINY)
        smoothed, newest = column["away"][code], windows.values[row, -1] - usual
        far = [np.abs(now - column["held"][code]) / spread for now in (smoothed, newest)]
        return bool(((far[0] > MOVED) | (far[1] > MOVED_AT_ONCE)).any())

    def _run(self, windows: Windows, rows: Int64, *, learn: bool, out: Float32) -> None:
        column = self.columns
        state = (column["mean"], column["count"], column["residuals"], column["learned"], column["away"])
        _follow((windows.stream, windows.end, windows.values), rows, self._rate if learn else 0.0, state, out)


@inlined
def _learn(cell: tuple[int, int, int], rate: float, reading: tuple[float, float], state: State) -> None:
    """Take in a value, whose forecast was the second one, NaN = unknown."""
    (of, bin_, channel), (value, usual), (mean, count, residuals, learned, _) = cell, reading, state
    if not math.isnan(usual):
        residuals[of, channel] += abs(value - usual)
        learned[of, channel] += 1
    number = min(count[of, bin_, channel] + 1, 60000)
    count[of, bin_, channel] = number
    mean[of, bin_, channel] += max(1 / number, rate) * (value - mean[of, bin_, channel])


@compiled
def _follow(seen: tuple[Int32, Int64, Float32], rows: Int64, rate: float, state: State, out: Float32) -> None:
    """Where `out` has room, measure each window's newest reading into it; then learn from it, at a `rate` above 0."""
    (stream, end, values), (mean, count, residuals, learned, away) = seen, state
    for place, row in enumerate(rows):
        of, hour, farthest = stream[row], end[row] % DAY / BIN, 0.0
        for channel in range(values.shape[2]):
            value = values[row, values.shape[1] - 1, channel]
            if not math.isfinite(value):
                continue
            usual = forecast(mean, count, of, hour, channel)
            known = learned[of, channel] >= FEWEST and not math.isnan(usual)
            spread = residuals[of, channel] / max(learned[of, channel], 1.0)
            spread = max(spread, FLOOR * abs(usual), TINY) if known else np.inf
            if place < len(out) and not math.isnan(usual):
                moved = away[of, channel] + SMOOTHING * (np.float64(value) - usual - away[of, channel])
                away[of, channel] = min(max(moved, -FAR), FAR)
                farthest = max(farthest, abs(away[of, channel]) / spread)
            if rate > 0:
                if known:
                    value = min(max(value, usual - CLIP * spread), usual + CLIP * spread)
                _learn((of, int(hour), channel), rate, (value, usual), state)
        if place < len(out):
            out[place] = farthest
