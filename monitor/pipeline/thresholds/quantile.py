"""Limit by a quantile of the normal scores: median + margin · (quantile - median).

A burst of large scores moves a mean and a standard deviation, and so a rolling limit, but no quantile, as long as fewer
than 1 - `quantile` of the scores are such. The margin is needed as only scores up to the limit are learned: a limit at
the quantile itself would fall for ever.

>>> stream = np.array([0], np.int32)
>>> threshold = QuantileThreshold(quantile=0.95, margin=4.0, history=2400, by_time=False)
>>> threshold.columns.grow(1)
>>> threshold.seed(stream, mean=np.array([1.0]), std=np.array([0.25]), count=np.array([500]), least=np.array([0.0]))
>>> threshold.limits(stream, bucket=np.array([0])).round(1)  # four times as far from the median
array([2.9])
"""

from __future__ import annotations

import numpy as np

from monitor.config.families import Threshold as Rule
from monitor.pipeline.thresholds import histogram
from monitor.pipeline.thresholds.base import FLOOR
from monitor.records.batches import Float64


class QuantileThreshold(histogram.HistogramThreshold):
    """`margin` > 1; `history` as in `HistogramThreshold`."""

    def __init__(self, quantile: float, margin: float, history: int, *, by_time: bool = True) -> None:
        super().__init__(history, by_time=by_time)
        self._quantile, self._margin = quantile, margin

    @classmethod
    def of(cls, rule: Rule) -> QuantileThreshold:
        """As the configuration says."""
        history, by_time = histogram.span(rule)
        return cls(rule.quantile, rule.margin, history, by_time=by_time)

    def _limit(self, counts: Float64, last: Float64) -> Float64:
        del last
        median, high = histogram.quantile(counts, 0.5), histogram.quantile(counts, self._quantile)
        return np.asarray(median + self._margin * np.maximum(high - median, FLOOR * median))
