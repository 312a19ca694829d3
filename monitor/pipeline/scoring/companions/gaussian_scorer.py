"""How unlikely a reading is if each channel is normally distributed: mean and deviation of all readings before it.

The algorithm of River's `anomaly.GaussianScorer`: P = 2 |CDF(x) - 1/2| from the `FEWEST`th reading on. The score is
-log(1 - P), the largest over the channels: the same order, but it goes on where P is 1 to the last digit, at eight
deviations. River's object gives P = 1 to each reading of a channel at rest; here it has a least deviation (`moments`).

24 bytes of state for each channel of a stream. For readings around a level, of any number of channels; blind to shapes,
and slow to forget: a level that has moved stays unlikely until the past is as wide.
"""

from __future__ import annotations

import math

import numpy as np

from monitor.pipeline.scoring.companions.moments import Moments, deviation, learn, moment_columns
from monitor.pipeline.state.columns import Columns
from monitor.records.batches import Float32, Int32, Windows
from monitor.records.compiled import compiled

FEWEST = 100  # readings of a channel before the next one is scored
TAIL = 25.0  # deviations beyond which the series of the tail is used: near 38 its probability is below all numbers
MOST = 1e9  # deviations


class GaussianScorer:
    """Mean and deviation of every channel of every stream; of windows it sees the newest reading."""

    def __init__(self, length: int, channels: int) -> None:
        del length
        self._columns = Columns(moment_columns(channels))
        self.dtype = self._columns.dtype
        self.dump, self.load = self._columns.dump, self._columns.load
        self.clear, self.grow = self._columns.clear, self._columns.grow

    def score(self, windows: Windows) -> Float32:
        """See `Companion`."""
        score = np.full(len(windows), np.nan, np.float32)
        _follow(windows.stream, np.ascontiguousarray(windows.values[:, -1]), Moments.of(self._columns), score)
        return score


@compiled
def unlikely(deviations: float) -> float:
    """-log of the probability that a normally distributed number lies so many deviations from its mean, or farther."""
    away = min(abs(deviations), MOST)
    if away <= TAIL:
        return -math.log(math.erfc(away / math.sqrt(2)))
    return away * away / 2 + math.log(away * math.sqrt(math.pi / 2)) + 1 / (away * away)


@compiled
def _follow(stream: Int32, values: Float32, known: Moments, score: Float32) -> None:
    """Score each newest reading by those before it, and take it in."""
    for row in range(len(stream)):
        of = stream[row]
        for channel in range(values.shape[1]):
            value = np.float64(values[row, channel])
            if not np.isfinite(value):
                continue
            if known.number[of, channel] >= FEWEST:
                away = (value - known.mean[of, channel]) / deviation(known, of, channel, 1)
                found = unlikely(away)
                if not score[row] >= found:
                    score[row] = found
            learn(known, of, channel, value)
