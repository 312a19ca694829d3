"""What is usual at this hour of the day, and how far each reading is from it.

The forecast for a reading is that of its hour (`day`), and the reading before where nothing is known near it. A bin
follows its readings at a rate of 1/n, of `SLOWEST` at least; a single one moves it by `CLIP` usual deviations at most.
A residual is measured in usual deviations: the root mean square of all residuals that the channel had before. The
largest over the channels counts. In the first day, in which the next hour is not known yet, a reading is measured in
how much the hours before differ, where that is more: what follows a night need not be like it.

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
from monitor.pipeline.state.columns import Columns, Spec
from monitor.records.batches import Float32, Float64, Int32, Int64, Windows
from monitor.records.compiled import compiled, inlined, part

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
    residuals: Float32  # (length * channels,), the newest ones


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
        count, length, channels = windows.values.shape
        flat = np.ascontiguousarray(windows.values).reshape(count, length * channels)
        found = Followed(
            np.empty_like(flat), np.full(count, np.nan, np.float32), np.zeros((count, channels), np.float64)
        )
        columns = {name: self._columns[name] for name in _Past._fields}
        columns["residuals"] = columns["residuals"].reshape(-1, length * channels)
        _follow((windows.stream, windows.end, flat), self._rate, _Past(**columns), found)
        return found._replace(residuals=found.residuals.reshape(windows.values.shape))

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


@inlined
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


@part
def _differ(past: _Past, of: int, channel: int) -> float:
    """How much the hours of the day differ: the standard deviation of what is known of them."""
    total, number, squares = 0.0, 0.0, 0.0
    for at in range(BINS):
        number += past.number[of, at, channel]
        total += past.number[of, at, channel] * np.float64(past.mean[of, at, channel])
    mean = total / max(number, 1.0)
    for at in range(BINS):
        apart = np.float64(past.mean[of, at, channel]) - mean
        squares += past.number[of, at, channel] * apart * apart
    return math.sqrt(squares / max(number, 1.0))


@inlined
def _residual(past: _Past, cell: _Cell, hour: float, known: tuple[float, float], value: float) -> tuple[float, float]:
    """Of one reading at that hour of the day, also in usual deviations; both NaN where nothing is known yet.

    `known` are the rate at which bins follow, and the root mean square of all residuals before.
    """
    of, _, channel = cell
    rate, spread = known
    expected = forecast(past.mean, past.number, of, hour, channel)
    if math.isnan(expected):
        expected = np.float64(past.newest[of, channel])
    residual = value - expected if not math.isnan(expected) else 0.0
    usual, away = np.inf, np.nan
    readings = past.readings[of, channel]
    if readings >= FEWEST or (readings >= SOON and spread > 0):
        usual = max(spread, FLOOR * abs(expected), TINY)
        if readings >= FEWEST:
            first_day = past.number[of, (int(hour) + 1) % BINS, channel] == 0
            differs = first_day and past.number[cell] < readings  # while one hour is known, there is no difference
            away = abs(residual) / (max(usual, _differ(past, of, channel)) if differs else usual)
    _learn(past, cell, rate, value, residual, usual)
    return residual, away


@inlined
def _move_on(kept: tuple[Float32, int], values: Float32, row: int, channels: int, residuals: Float32) -> None:
    """Write the residuals of a window but for its newest reading: those `kept` in a row, moved on by one reading."""
    before, at = kept
    step = np.uint64(channels)  # indices that cannot be negative are added up several at once
    for cell in range(np.uint64(values.shape[1] - channels)):
        residuals[row, cell] = before[at, cell + step]
    for cell in range(np.uint64(values.shape[1] - channels)):
        if math.isnan(values[row, cell]):  # what was held before a gap is not in the window
            residuals[row, cell] = np.nan


@compiled
def _follow(seen: tuple[Int32, Int64, Float32], rate: float, past: _Past, found: Followed) -> None:
    """Take in the newest reading of each window, and write its residuals and score.

    Windows and residuals are flat here, (m, length * channels): a row is that of the window before, moved on by one
    reading, and only the last one of each stream is kept.
    """
    stream, end, values = seen
    windows, cells = values.shape
    channels = past.newest.shape[1]
    for row in range(windows):
        of, hour, worst = stream[row], end[row] % DAY / BIN, np.nan
        if row > 0 and stream[row - 1] == of:
            _move_on((found.residuals, row - 1), values, row, channels, found.residuals)
        else:
            _move_on((past.residuals, of), values, row, channels, found.residuals)
        for channel in range(channels):
            usual = math.sqrt(past.squares[of, channel] / max(past.readings[of, channel], 1.0))
            residual, away = np.nan, np.nan
            value = np.float64(values[row, cells - channels + channel])  # differences may be beyond float32
            if math.isfinite(value):
                residual, away = _residual(past, (of, int(hour), channel), hour, (rate, usual), value)
            found.usual[row, channel] = usual
            found.residuals[row, cells - channels + channel] = residual
            if away >= 0 and not worst >= away:
                worst = away
        found.score[row] = worst
        if row + 1 == windows or stream[row + 1] != of:
            for cell in range(cells):  # a slice is slow to compile
                past.residuals[of, cell] = found.residuals[row, cell]
