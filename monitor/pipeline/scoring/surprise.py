"""Scores of different statistics as surprise: how unusual, on one scale, smoothed, and so that they can be added.

`Deviations` measures a score in standard deviations above the mean of all scores that the stream had before, however
large: a stream that often has large ones has earned a higher bar. `Surprise` takes the mean of the last few of them and
compresses it to 2 log2(1 + z / 2): 0 for 0, about 1 for a usual deviation, 5 for ten of them, and 2 more with each
doubling, so that no statistic alone outvotes all others.
"""

from __future__ import annotations

import math

import numpy as np

from monitor.pipeline.scoring.compiled import compiled
from monitor.pipeline.state.columns import Columns
from monitor.records.batches import Float32, Float64, Int32, Int64

FEWEST = 30  # scores of a stream before its next one has a scale
ABSURD = 100.0  # deviations: what lies further out is learned from as no more than that
MOST = 1e9  # deviations, and
MOST_SCORE = 1e30  # a score that count: no sum of them is infinite


class Deviations:
    """Standard deviations of a score above the mean of all before it, 0 at least; NaN for the first `FEWEST`."""

    def __init__(self) -> None:
        zero = (np.float64, (), 0.0)
        self.columns = Columns({"count": zero, "total": zero, "squares": zero})

    def seed(self, code: int, mean: float, std: float, count: int) -> None:
        """Begin with `count` scores of this mean and standard deviation."""
        self.columns["count"][code] = count
        self.columns["total"][code] = count * mean
        self.columns["squares"][code] = count * (std * std + mean * mean)

    def apply(self, stream: Int32, score: Float32) -> Float32:
        """(m,), sorted by stream and time: judged by the past, then learned from; NaN stays NaN."""
        out = np.full(len(score), np.nan, np.float32)
        column = self.columns
        _deviations(stream, score, column["count"], column["total"], column["squares"], out)
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


@compiled
def _deviations(stream: Int32, score: Float32, count: Float64, total: Float64, squares: Float64, out: Float32) -> None:
    for row in range(len(stream)):
        of, value = stream[row], min(np.float64(score[row]), MOST_SCORE)
        if np.isnan(score[row]):
            continue
        if count[of] >= FEWEST:
            mean = total[of] / count[of]
            std = np.sqrt(max(squares[of] / count[of] - mean * mean, 0.0))
            if std > 0:
                out[row] = max(value - mean, 0.0) / std
                value = min(value, mean + ABSURD * std)
            else:
                out[row] = 0.0
        count[of] += 1
        total[of] += value
        squares[of] += value * value


@compiled
def _surprise(stream: Int32, score: Float32, last: Float32, filled: Int64, out: Float32) -> None:
    size = last.shape[1]
    for row in range(len(stream)):
        of = stream[row]
        if np.isnan(score[row]):
            continue
        last[of, filled[of] % size] = min(np.float64(score[row]), MOST)
        filled[of] += 1
        total, known = 0.0, min(filled[of], size)
        for place in range(known):
            total += last[of, place]
        out[row] = 2 * math.log2(1 + total / known / 2)
