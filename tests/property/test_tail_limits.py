"""Limits by the distribution of scores against slow references, stated rates, and an independent fit of the tail."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.pipeline.thresholds.base import Threshold
from monitor.pipeline.thresholds.conformal import ConformalThreshold
from monitor.pipeline.thresholds.histogram import SEED_MOST
from monitor.pipeline.thresholds.mad import MadThreshold
from monitor.pipeline.thresholds.pot import PotThreshold, fit
from monitor.pipeline.thresholds.quantile import QuantileThreshold
from monitor.records.batches import Float64

libspot = import_module("libspot")  # it ships no types
Draw = Callable[[np.random.Generator, tuple[int, ...]], Float64]
ONE = np.zeros(1, np.int32)
WIDTH = 0.045  # of a bin of the histogram, as a share of the score
DRAWS: dict[str, Draw] = {
    "exponential": lambda rng, shape: rng.exponential(1, shape),
    "log-normal": lambda rng, shape: rng.lognormal(0, 0.5, shape),
    "wide log-normal": lambda rng, shape: rng.lognormal(0, 1, shape),
    "root mean square of 12": lambda rng, shape: np.sqrt(rng.chisquare(12, shape) / 12),
}


def learned(threshold: Threshold, scores: Float64) -> float:
    """The limit after these scores, which are so many that the training's hardly count."""
    threshold.columns.grow(1)
    threshold.seed(ONE, np.array([scores.mean()]), np.array([scores.std()]), np.array([1]), np.zeros(1))
    threshold.limits(ONE, np.array([0]))
    threshold.learn(np.zeros(len(scores), np.int32), scores)
    return float(threshold.limits(ONE, np.array([1]))[0])


scores = st.tuples(st.integers(0, 2**32 - 1), st.sampled_from(sorted(DRAWS)), st.floats(1e-3, 1e3))


def drawn(number: int, kind: str, unit: float) -> Float64:
    return unit * DRAWS[kind](np.random.default_rng(number), (20_000,))


@settings(max_examples=30, deadline=None)
@given(scores)
def test_quantile_is_what_sorting_gives(given_: tuple[int, str, float]) -> None:
    sample = drawn(*given_)
    median, high = np.quantile(sample, (0.5, 0.95))

    limit = learned(QuantileThreshold(0.95, 4.0, 10**6), sample)

    assert limit == pytest.approx(median + 4 * max(high - median, 0.05 * median), rel=2 * WIDTH)


@settings(max_examples=30, deadline=None)
@given(scores)
def test_mad_is_what_sorting_gives(given_: tuple[int, str, float]) -> None:
    sample = drawn(*given_)
    median = float(np.median(sample))
    mad = float(np.median(np.abs(sample - median)))

    limit = learned(MadThreshold(6.0, 10**6), sample)

    assert limit == pytest.approx(median + 6 * 1.4826 * mad, rel=3 * WIDTH)


@pytest.mark.parametrize("kind", DRAWS)
def test_the_fit_of_a_tail_is_that_of_libspot(kind: str) -> None:
    sample = drawn(1, kind, 1.0)
    other = libspot.Spot(q=0.001, level=0.95, max_excess=2000, discard_anomalies=False)
    other.fit(sample)
    excess = np.sort(np.array(other.excesses()))

    scale, shape = fit(excess[None], np.ones((1, len(excess))))

    assert float(shape[0]) == pytest.approx(max(other.gamma, 0), abs=0.08)
    assert float(scale[0]) == pytest.approx(other.sigma, rel=0.15)


@pytest.mark.parametrize("kind", DRAWS)
def test_a_limit_of_peaks_is_that_of_libspot(kind: str) -> None:
    sample = drawn(2, kind, 1.0)
    other = libspot.Spot(q=0.001, level=0.95, max_excess=2000, discard_anomalies=False)
    other.fit(sample)

    threshold = PotThreshold(0.001, 10**6)
    learned(threshold, sample)
    counts, median = threshold.columns["counts"][:1].astype(np.float64), threshold.columns["median"][0]
    limit = median * float(threshold._limit(counts, np.array([np.nan]))[0])  # nothing was cut off

    assert limit == pytest.approx(other.quantile(0.001), rel=0.12)


def rates(threshold: Threshold, draw: Draw, history: int, turns: int) -> list[float]:
    """Share of normal windows above the limit in each turn of the history; only those up to the limit are learned."""
    streams = np.arange(20, dtype=np.int32)
    threshold.columns.grow(len(streams))
    rng = np.random.default_rng(5)
    first = draw(rng, (len(streams), 1000))
    zeros = np.zeros(len(streams))
    threshold.seed(streams, first.mean(axis=1), first.std(axis=1), np.full(len(streams), SEED_MOST), zeros)
    found = []
    for _ in range(turns):
        above = 0
        for _ in range(24):
            part = draw(rng, (len(streams), history // 24))
            stream = np.repeat(streams, part.shape[1])
            bucket = threshold.buckets(stream, np.zeros(part.size, np.int64)).reshape(part.shape)
            for number in np.unique(bucket):
                limit = threshold.limits(streams, np.full(len(streams), number))[:, None]
                normal = (bucket == number) & (part <= limit)
                above += int(((bucket == number) & (part > limit)).sum())
                threshold.learn(np.repeat(streams, normal.sum(axis=1)), part[normal])
        found.append(above / (24 * part.size))
    return found


@pytest.mark.parametrize("kind", DRAWS)
def test_peaks_over_threshold_keep_their_rate_though_they_never_learn_what_is_above(kind: str) -> None:
    found = rates(PotThreshold(0.001, 4800, by_time=False), DRAWS[kind], 4800, 20)

    assert np.mean(found[5:]) < 0.0025
    assert np.mean(found[15:]) < 1.5 * np.mean(found[5:10])


@pytest.mark.parametrize("kind", DRAWS)
def test_a_conformal_limit_keeps_its_rate_whatever_the_distribution(kind: str) -> None:
    found = rates(ConformalThreshold(0.001, 6.0), DRAWS[kind], 4800, 8)

    assert np.mean(found[1:]) < 0.0016


def test_a_conformal_limit_is_the_fourth_largest_score_in_any_cut() -> None:
    sample = np.random.default_rng(3).lognormal(0, 0.5, 3 * 850)
    expected = [np.sort(sample[number : 3 * 800 : 3])[-4] for number in range(3)]
    for size in (1, 7, 850):
        threshold, streams = ConformalThreshold(0.005, 9.0), np.arange(3, dtype=np.int32)
        threshold.columns.grow(3)
        threshold.seed(streams, np.full(3, 5.0), np.full(3, 5.0), np.full(3, 100), np.zeros(3))
        threshold.limits(streams, np.zeros(3, np.int64))
        for at in range(0, 800, size):
            rows = np.arange(3 * at, 3 * min(at + size, 800))
            order = np.argsort(rows % 3, kind="stable")
            threshold.learn((rows % 3)[order].astype(np.int32), sample[rows][order])
        np.testing.assert_array_equal(threshold.limits(streams, np.ones(3, np.int64)), expected)
