"""What is usual at this hour of the day, and how far each reading is from it.

The forecast for a reading is that of its hour (`day`), and the reading before where nothing is known near it. A bin
follows its readings at a rate of 1/n, of `SLOWEST` at least; a single one moves it by `CLIP` usual deviations at most.
A residual is measured in usual deviations: the root mean square of all residuals that the channel had before. The
largest over the channels counts.

Squares are not robust on purpose: a stream with many large residuals has earned a higher bar, and a scale that leaves
them out alarms for ever. Only what is absurd, beyond `ABSURD` usual deviations, counts as no more than that, from the
`SOON`th reading on: garbage at the beginning would be the scale for ever.

The residuals are also what a detector sees in the place of the readings: it need not learn the day.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.pipeline.scoring.companions.day import BIN, BINS, DAY, forecast, rate
from monitor.pipeline.scoring.compiled import compiled
from monitor.pipeline.state.columns import Columns, Spec
from monitor.records.batches import Float32, Float64, Int32, Int64, Windows

SLOWEST = 0.05  # rate for readings every five minutes
CLIP = 6.0
ABSURD = 100.0
SOON, FEWEST = 10, 150  # readings of a channel before absurd ones are known, and before its residuals have a scale
TINY = 1e-6
FLOOR = 1e-4  # share of a reading that is usual even of a channel at rest: its last digit is no anomaly


class _Past(NamedTuple):
    """What is known of every stream: (streams, ...)."""

    mean: Float32  # (BINS, channels)
    number: NDArray[np.uint32]  # (BINS, channels)
    newest: Float32  # (channels,)
    squares: Float64  # (channels,), sum of those of the residuals
    readings: Float64  # (channels,)
    residuals: Float32  # (length, channels), the newest ones


_Cell = tuple[int, int, int]  # stream, bin, channel


class Followed(NamedTuple):
    """Windows of residuals (m, length, channels), and how many usual deviations the newest ones are, (m,).

    `usual` (m, channels) is one usual deviation, in the unit of the readings, as it was before the window; 0 at first.
    """

    residuals: Float32
    score: Float32
    usual: Float64


class TimeOfDay:
    """State of every stream; windows are `length` consecutive readings, and each reading ends one.

    The readings are `interval` ns apart; 0 = at no fixed distance.
    """

    def __init__(self, length: int, channels: int, interval: int) -> None:
        self._rate = rate(SLOWEST, interval)
        spec: dict[str, Spec] = {
            "mean": (np.float32, (BINS, channels), 0.0),
            "number": (np.uint32, (BINS, channels), 0),
            "newest": (np.float32, (channels,), np.nan),
            "squares": (np.float64, (channels,), 0.0),
            "readings": (np.float64, (channels,), 0.0),
            "residuals": (np.float32, (length, channels), np.nan),
        }
        self._columns = Columns(spec)
        self.dtype = self._columns.dtype
        self.dump, self.load = self._columns.dump, self._columns.load
        self.clear, self.grow = self._columns.clear, self._columns.grow

    def follow(self, windows: Windows) -> Followed:
        """Take in windows, sorted by stream and time."""
        found = Followed(
            np.empty_like(windows.values),
            np.full(len(windows), np.nan, np.float32),
            np.zeros((len(windows), windows.values.shape[2])),
        )
        past = _Past(*(self._columns[name] for name in _Past._fields))
        _follow((windows.stream, windows.end, windows.values), self._rate, past, found)
        return found

    def accept(self, code: int, usual: Float32) -> None:
        """These are the means of the bins from now on, (24, channels); NaN = as it was."""
        mean = self._columns["mean"]
        mean[code] = np.where(np.isnan(usual), mean[code], usual)
        self._columns["residuals"][code] *= np.float32(0)  # those of the old level are no shape; unknown ones stay so


def residuals(time: Int64, values: Float32, interval: int) -> Float32:
    """Those of one stream's readings (n, channels), at times (n,) in ns, from its first one on; `interval` as above."""
    day = TimeOfDay(1, values.shape[1], interval)
    day.grow(1)
    none = np.zeros(len(time), np.int32)
    return day.follow(Windows(none, time, time, values[:, None], none.astype(np.float32))).residuals[:, 0]


@compiled
def _learn(past: _Past, cell: _Cell, rate: float, value: float, residual: float, usual: float) -> None:
    """Take in a reading of that stream, bin and channel."""
    of, at, channel = cell
    learned = min(max(residual, -ABSURD * usual), ABSURD * usual)
    past.squares[of, channel] += learned * learned
    past.readings[of, channel] += 1
    step = value - past.mean[of, at, channel]
    if past.number[of, at, channel] == 0:
        past.mean[of, at, channel], step = value - residual, residual
    past.number[of, at, channel] += 1
    rate = max(rate, 1.0 / past.number[of, at, channel])
    most = (CLIP if past.readings[of, channel] > FEWEST else ABSURD) * usual
    past.mean[of, at, channel] += rate * min(max(step, -most), most)
    past.newest[of, channel] = value


@compiled
def _residual(past: _Past, of: int, hour: float, channel: int, rate: float, value: float) -> tuple[float, float]:
    """Of one reading at that hour of the day, also in usual deviations; both NaN where nothing is known yet."""
    expected = forecast(past.mean[of], past.number[of], hour, channel)
    if np.isnan(expected):
        expected = past.newest[of, channel]
    residual = value - expected if not np.isnan(expected) else 0.0
    usual, away = np.inf, np.nan
    known = past.readings[of, channel]
    if known >= FEWEST or (known >= SOON and past.squares[of, channel] > 0):
        usual = math.sqrt(past.squares[of, channel] / known)
        usual = max(usual, FLOOR * abs(expected), TINY)
        away = abs(residual) / usual if known >= FEWEST else np.nan
    _learn(past, (of, int(hour), channel), rate, value, residual, usual)
    return residual, away


@compiled
def _follow(seen: tuple[Int32, Int64, Float32], rate: float, past: _Past, found: Followed) -> None:
    """Take in the newest reading of each window, and write its residuals and score."""
    stream, end, values = seen
    windows, length, channels = values.shape
    for row in range(windows):
        of, hour, worst = stream[row], end[row] % DAY / BIN, np.nan
        for channel in range(channels):
            found.usual[row, channel] = math.sqrt(past.squares[of, channel] / max(past.readings[of, channel], 1.0))
            residual, away = np.nan, np.nan
            value = np.float64(values[row, length - 1, channel])  # differences may be beyond float32
            if np.isfinite(value):
                residual, away = _residual(past, of, hour, channel, rate, value)
            for older in range(length - 1):
                past.residuals[of, older, channel] = past.residuals[of, older + 1, channel]
            past.residuals[of, length - 1, channel] = residual
            if away >= 0 and not worst >= away:
                worst = away
        found.score[row] = worst
        for place in range(length):
            for channel in range(channels):  # what was held before a gap is not in the window
                there = not np.isnan(values[row, place, channel])
                found.residuals[row, place, channel] = past.residuals[of, place, channel] if there else np.nan
