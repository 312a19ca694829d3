"""Split conformal limit: at most a share `rate` of normal windows exceeds it, whatever their scores' distribution.

The first normal windows after training, which no training has seen, calibrate it: with `n` of them the limit is the
k-th largest of their scores, k = rate · (n + 1). As long as later normal windows are like those, the share above it is
`rate` at most on average (Vovk, Gammerman and Shafer 2005, doi:10.1007/b106715). k is 4, so that a fault or two that
stayed unnoticed among them do not decide it.

Until 4 / rate normal windows have come, the limit is the training's mean + n_std standard deviations, or what a tenth
of `rate` exceeds in a log-normal distribution if that is more. The calibrated one stands until the next training: the
windows above it are not learned, and a new calibration would lack them.

>>> stream = np.array([0], np.int32)
>>> threshold = ConformalThreshold(rate=0.01, n_std=6)
>>> threshold.columns.grow(1)
>>> threshold.seed(stream, mean=np.array([1.0]), std=np.array([0.5]), count=np.array([200]), least=np.array([0.0]))
>>> threshold.limits(stream, bucket=np.array([0]))
array([4.])
>>> threshold.learn(np.repeat(stream, 400), score=np.arange(400) / 200)
>>> threshold.limits(stream, bucket=np.array([1]))  # four scores of 400 are as large
array([1.98])
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from monitor.config.families import Threshold as Rule
from monitor.pipeline.state.columns import Columns
from monitor.pipeline.state.segments import segments
from monitor.pipeline.thresholds.base import FLOOR
from monitor.records.batches import NEVER, Float64, Int32, Int64

RANK = 4
TINY = float(np.finfo(np.float32).tiny)
STEPS = 40  # buckets that the calibration takes


class ConformalThreshold:
    """`rate` of false alarms; limit in the unit of the score, NaN until seeded."""

    EARLIER: ClassVar[tuple[np.dtype[np.void], ...]] = ()

    def __init__(self, rate: float, n_std: float) -> None:
        self._rate, self._n_std = rate, n_std
        self._fewest = round(RANK / rate)
        self._width = max(1, self._fewest // STEPS)
        self._kept = int(rate * (self._fewest + self._width)) + 1
        self.columns = Columns(
            {
                "limit": (np.float64, (), np.nan),
                "windows": (np.int64, (), 0),
                "bucket": (np.int64, (), NEVER),
                "learned": (np.int64, (), 0),
                "least": (np.float32, (), 0.0),
                "calibrated": (np.bool_, (), False),
                "largest": (np.float64, (self._kept,), -np.inf),  # in ascending order
            }
        )

    @classmethod
    def of(cls, rule: Rule) -> ConformalThreshold:
        """As the configuration says."""
        return cls(rule.rate, rule.n_std)

    def buckets(self, stream: Int32, end: Int64) -> Int64:
        """By counting windows; these must come sorted by stream."""
        _, first, size = np.unique(stream, return_index=True, return_counts=True)
        number = self.columns["windows"][stream] + np.arange(len(stream)) - np.repeat(first, size)
        self.columns["windows"][stream[first]] += size
        return np.asarray(number // self._width)

    def limits(self, stream: Int32, bucket: Int64) -> Float64:
        """Calibrate the streams that have learned enough, and return the limit."""
        columns = self.columns
        entering = stream[bucket > columns["bucket"][stream]]
        columns["bucket"][stream] = np.maximum(bucket, columns["bucket"][stream])
        ready = entering[(columns["learned"][entering] >= self._fewest) & ~columns["calibrated"][entering]]
        rank = (self._rate * (columns["learned"][ready] + 1)).astype(np.int64)
        limit = columns["largest"][ready, self._kept - rank]
        columns["limit"][ready] = np.maximum(limit, columns["least"][ready])
        columns["calibrated"][ready] = True
        return np.asarray(columns["limit"][stream])

    def learn(self, stream: Int32, score: Float64) -> None:
        """Keep the largest scores until the limit is calibrated."""
        columns = self.columns
        open_ = ~columns["calibrated"][stream]
        stream, score = stream[open_], score[open_]
        order = np.lexsort((score, stream))
        stream, score = stream[order], score[order]
        first, size = segments(stream)
        if not len(first):
            return
        place = np.arange(len(stream)) - np.repeat(first + size, size) + self._kept  # in `last`, below 0: too small
        last = np.full((len(first), self._kept), -np.inf)
        row = np.repeat(np.arange(len(first)), size)
        last[row[place >= 0], place[place >= 0]] = score[place >= 0]
        both = np.sort(np.concatenate([columns["largest"][stream[first]], last], axis=1), axis=1)
        columns["largest"][stream[first]] = both[:, self._kept :]
        columns["learned"][stream[first]] += size

    def seed(self, stream: Int32, mean: Float64, std: Float64, count: Int64, least: Float64) -> None:
        """Forget the calibration and begin from the training scores."""
        columns = self.columns
        windows = columns["windows"][stream]
        columns.clear(stream)
        columns["windows"][stream] = windows
        columns["least"][stream] = least
        std = np.maximum(std, FLOOR * np.abs(mean))
        columns["limit"][stream] = np.maximum(np.maximum(mean + self._n_std * std, self._rarest(mean, std)), least)

    def _rarest(self, mean: Float64, std: Float64) -> Float64:
        """What a tenth of `rate` exceeds in log-normal distributions; the calibration lacks only what is above it."""
        from scipy.special import ndtri

        spread = np.sqrt(np.log1p((std / np.maximum(mean, TINY)) ** 2))
        return np.asarray(mean * np.exp(spread * (ndtri(1 - self._rate / 10) - spread / 2)))
