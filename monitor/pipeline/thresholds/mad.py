"""Limit by median and MAD: median + n_std · 1.4826 · median absolute deviation of the normal scores.

1.4826 MAD is the standard deviation of a normal distribution. Up to half of the scores may be faults before it moves
(Hampel 1974, doi:10.1080/01621459.1974.10482962). It knows nothing of the tail: where scores are skewed, it alarms
more often than a limit of as many standard deviations; raise `n_std` there.

>>> stream = np.array([0], np.int32)
>>> threshold = MadThreshold(n_std=3, history=2400, by_time=False)
>>> threshold.columns.grow(1)
>>> threshold.seed(stream, mean=np.array([1.0]), std=np.array([0.25]), count=np.array([500]), least=np.array([0.0]))
>>> threshold.limits(stream, bucket=np.array([0])).round(1)
array([1.7])
"""

from __future__ import annotations

import numpy as np

from monitor.config.families import Threshold as Rule
from monitor.pipeline.thresholds import histogram
from monitor.pipeline.thresholds.base import FLOOR
from monitor.pipeline.thresholds.histogram import CENTRES
from monitor.records.batches import Float64

MAD_TO_STD = 1.4826


class MadThreshold(histogram.HistogramThreshold):
    """`n_std` robust standard deviations; `history` as in `HistogramThreshold`."""

    def __init__(self, n_std: float, history: int, *, by_time: bool = True) -> None:
        super().__init__(history, by_time=by_time)
        self._n_std = n_std

    @classmethod
    def of(cls, rule: Rule) -> MadThreshold:
        """As the configuration says."""
        history, by_time = histogram.span(rule)
        return cls(rule.n_std, history, by_time=by_time)

    def _limit(self, counts: Float64, last: Float64) -> Float64:
        del last
        median = histogram.quantile(counts, 0.5)
        away = np.abs(CENTRES - median[:, None])
        order = np.argsort(away, axis=1, kind="stable")
        below = np.cumsum(np.take_along_axis(counts, order, axis=1), axis=1)
        middle = np.minimum((below < below[:, -1:] / 2).sum(axis=1, keepdims=True), away.shape[1] - 1)
        mad = np.take_along_axis(away, np.take_along_axis(order, middle, axis=1), axis=1)[:, 0]
        return np.asarray(median + self._n_std * np.maximum(MAD_TO_STD * mad, FLOOR * median))
