"""Scores of different statistics as surprise: how unusual, on one scale, smoothed, and so that they can be added.

`Deviations` measures a score in standard deviations above the mean of all scores that the stream had before, however
large: a stream that often has large ones has earned a higher bar. What returns at the same hour of each day is measured
by the scores of that hour too, where that is less. `Surprise` takes the mean of the last few of them and
compresses it to 2 log2(1 + z / 2): 0 for 0, about 1 for a usual deviation, 5 for ten of them, and 2 more with each
doubling, so that no statistic alone outvotes all others.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.pipeline.scoring.companions.day import BIN, BINS, DAY
from monitor.pipeline.state.columns import Columns, Spec, layout
from monitor.records.batches import Float32, Float64, Int32, Int64
from monitor.records.compiled import compiled, part

FEWEST = 30  # scores of a stream before its next one has a scale
SETTLING, LASTING = (
    12.0,
    60000,
)  # scores: an hour with so many counts by half, and its newest one by this share at least
ABSURD = 100.0  # deviations: what lies further out is learned from as no more than that
MOST = 1e9  # deviations, and
MOST_SCORE = 1e30  # a score that count: no sum of them is infinite


class _Past(NamedTuple):
    """Of the scores of every stream: (streams,), and (streams, BINS) of those of an hour of the day."""

    number: Float64
    total: Float64
    squares: Float64
    hours: NDArray[np.uint16]  # scores of each hour, `LASTING` at most
    mean: Float32
    std: Float32


class Deviations:
    """Standard deviations of a score above the mean of all before it, 0 at least; NaN for the first `FEWEST`.

    Above the mean of its hour and in the deviation of that, where it is less.
    """

    def __init__(self) -> None:
        zero, hour = (np.float64, (), 0.0), (np.float32, (BINS,), 0.0)
        since_1 = {"count": zero, "total": zero, "squares": zero}
        hours: dict[str, Spec] = {"hours": (np.uint16, (BINS,), 0), "mean": hour, "std": hour}
        self.columns, self.earlier = Columns({**since_1, **hours}), layout(since_1)

    def seed(self, code: int, mean: float, std: float, count: int) -> None:
        """Begin with `count` scores of this mean and standard deviation."""
        self.columns.clear(np.array([code]))
        self.columns["count"][code] = count
        self.columns["total"][code] = count * mean
        self.columns["squares"][code] = count * (std * std + mean * mean)

    def apply(self, stream: Int32, end: Int64, score: Float32) -> Float32:
        """(m,), sorted by stream and time, `end` in ns: judged by the past, then learned from; NaN stays NaN."""
        out = np.full(len(score), np.nan, np.float32)
        past = _Past(*(self.columns[name] for name in ("count", *_Past._fields[1:])))
        _deviations(stream, end, score, past, out)
        return out


class Surprise:
    """Of the mean of a stream's last `count` deviations, fewer at first; NaN stays NaN and does not count."""

    def __init__(self, count: int) -> None:
        self.columns = Columns({"last": (np.float32, (count,), 0.0), "filled": (np.int64, (), 0)})

    def apply(self, stream: Int32, deviations: Float32) -> Float32:
        """(m,), sorted by stream and time."""
        out = np.full(len(deviations), np.nan, np.float32)
        _surprise(stream, deviations, self.columns["last"], self.columns["filled"], out)
        return out


@part
def _of_hour(past: _Past, of: int, hour: int, mean: float, std: float) -> tuple[float, float]:
    """Mean and standard deviation of the scores of an hour, with `SETTLING` like all others among them."""
    known = np.float64(past.hours[of, hour])
    share = known / (known + SETTLING)
    apart = np.float64(past.mean[of, hour]) - mean
    squares = (
        share * np.float64(past.std[of, hour]) ** 2 + (1 - share) * std * std + share * (1 - share) * apart * apart
    )
    return mean + share * apart, math.sqrt(squares)


@part
def _learn(past: _Past, of: int, hour: int, value: float) -> None:
    """Take in a score."""
    past.number[of] += 1
    past.total[of] += value
    past.squares[of] += value * value
    number = min(past.hours[of, hour] + 1, LASTING)
    step, before = value - np.float64(past.mean[of, hour]), np.float64(past.std[of, hour])
    past.hours[of, hour] = number
    past.mean[of, hour] += step / number
    past.std[of, hour] = math.sqrt((1 - 1 / number) * (before * before + step * step / number))


@compiled
def _deviations(stream: Int32, end: Int64, score: Float32, past: _Past, out: Float32) -> None:
    for row in range(len(stream)):
        of, hour, value = stream[row], end[row] % DAY // BIN, min(np.float64(score[row]), MOST_SCORE)
        if math.isnan(score[row]):
            continue
        if past.number[of] >= FEWEST:
            mean = past.total[of] / past.number[of]
            std = math.sqrt(max(past.squares[of] / past.number[of] - mean * mean, 0.0))
            if std > 0:
                usual, spread = _of_hour(past, of, hour, mean, std)
                out[row] = min(max(value - mean, 0.0) / std, max(value - usual, 0.0) / max(spread, std))
                value = min(value, mean + ABSURD * std)
            else:
                out[row] = 0.0
        _learn(past, of, hour, value)


@compiled
def _surprise(stream: Int32, score: Float32, last: Float32, filled: Int64, out: Float32) -> None:
    size = last.shape[1]
    for row in range(len(stream)):
        of = stream[row]
        if math.isnan(score[row]):
            continue
        last[of, filled[of] % size] = min(np.float64(score[row]), MOST)
        filled[of] += 1
        total, known = 0.0, min(filled[of], size)
        for place in range(known):
            total += last[of, place]
        out[row] = 2 * math.log2(1 + total / known / 2)
