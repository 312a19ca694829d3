"""Peaks over threshold: the score that a share `rate` of the normal windows exceeds, from a fit of the tail.

Excesses over a high quantile follow a generalised Pareto distribution, whatever the scores follow (Pickands 1975,
doi:10.1214/aos/1176343003). It is fitted by probability-weighted moments (Hosking and Wallis 1987,
doi:10.2307/1269343) each time a bucket of the history closes, to the share `TAIL` of the largest normal scores. With
`e` the quantile, `s` the scale and `g` the shape, limit = e + s / g · ((TAIL / rate)^g - 1).

Only scores up to the limit are learned (as in SPOT, Siffer et al. 2017, doi:10.1145/3097983.3098144), which cuts the
tail that is fitted, and would bring the limit down for ever. So the share `rate` counts as cut, at the mean excess
that the fit gives it, and a shape below 0, a tail with an end, is taken as 0.

>>> stream = np.array([0], np.int32)
>>> threshold = PotThreshold(rate=0.001, history=2400, by_time=False)
>>> threshold.columns.grow(1)
>>> threshold.seed(stream, mean=np.array([1.0]), std=np.array([0.25]), count=np.array([500]), least=np.array([0.0]))
>>> threshold.limits(stream, bucket=np.array([0])).round(1)
array([2.1])
"""

from __future__ import annotations

import numpy as np

from monitor.config.families import Threshold as Rule
from monitor.pipeline.thresholds import histogram
from monitor.pipeline.thresholds.histogram import CENTRES, EDGES, TINY
from monitor.records.batches import Float64

TAIL = 0.05
MOST_SHAPE = 0.5  # above it the variance is infinite, and so few excesses say nothing of it


class PotThreshold(histogram.HistogramThreshold):
    """`rate` < `TAIL`; `history` as in `HistogramThreshold`."""

    def __init__(self, rate: float, history: int, *, by_time: bool = True) -> None:
        super().__init__(history, by_time=by_time)
        self._rate = rate

    @classmethod
    def of(cls, rule: Rule) -> PotThreshold:
        """As the configuration says."""
        history, by_time = histogram.span(rule)
        return cls(rule.rate, history, by_time=by_time)

    def _limit(self, counts: Float64, last: Float64) -> Float64:
        learned = counts.sum(axis=1)
        cut = np.where(np.isnan(last), 0, learned * self._rate / (1 - self._rate))  # by the limit so far
        total = learned + cut
        edge = EDGES[np.searchsorted(EDGES, histogram.quantile(counts, (1 - TAIL) * total / learned))]
        excess = np.maximum(CENTRES - edge[:, None], 0)
        weight = np.where(excess > 0, counts, 0)
        scale, shape = fit(excess, weight)
        height = np.where(last > edge, last - edge, 0)
        beyond = height + (scale + shape * height) / (1 - shape)  # the mean excess above a height
        scale, shape = fit(np.column_stack([excess, beyond]), np.column_stack([weight, cut]))
        odds = np.maximum((weight.sum(axis=1) + cut) / (total * self._rate), 1)
        grown = np.where(shape > 0, np.expm1(shape * np.log(odds)) / np.maximum(shape, TINY), np.log(odds))
        return np.asarray(edge + scale * grown)


def fit(excess: Float64, weight: Float64) -> tuple[Float64, Float64]:
    """Scale and shape (n,) of generalised Pareto distributions, from excesses (n, m) in ascending order.

    `weight` (n, m) is how often each occurs; where none does, the scale is 0.
    """
    total = np.maximum(weight.sum(axis=1, keepdims=True), TINY)
    above = 1 - (np.cumsum(weight, axis=1) - weight / 2) / total
    mean = (weight * excess).sum(axis=1) / total[:, 0]
    upper = (weight * excess * above).sum(axis=1) / total[:, 0]
    shape = np.clip(2 - mean / np.maximum(mean - 2 * upper, TINY), 0, MOST_SHAPE)
    return np.asarray(mean * (1 - shape)), np.asarray(shape)
