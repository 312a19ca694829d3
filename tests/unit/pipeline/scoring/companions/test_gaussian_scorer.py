"""The companion `gaussian_scorer` is River's, but where that has no more digits."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import log_ndtr

from monitor.pipeline.scoring.companions.gaussian_scorer import FEWEST, GaussianScorer, unlikely
from monitor.records.batches import Float32, Float64, Windows


def scores(values: Float32) -> Float32:
    """Of readings (n, channels) of one stream."""
    companion = GaussianScorer(1, values.shape[1])
    companion.grow(1)
    none, time = np.zeros(len(values), np.int32), np.arange(len(values))
    return companion.score(Windows(none, time, time, values[:, None], none.astype(np.float32)))


def by_river(values: Float32) -> Float64:
    anomaly = pytest.importorskip("river.anomaly")
    scorer, found = anomaly.GaussianScorer(grace_period=FEWEST), []
    for value in values.tolist():
        found.append(scorer.score_one(None, value))
        scorer.learn_one(None, value)
    return np.array(found)


def test_it_is_rivers_object() -> None:
    values = np.random.default_rng(0).normal(40, 3, 3000).astype(np.float32)
    found, theirs = scores(values[:, None]).astype(np.float64), by_river(values)

    assert np.isnan(found[:FEWEST]).all()
    assert (theirs[:FEWEST] == 0).all()
    assert 1 - np.exp(-found[FEWEST:]) == pytest.approx(theirs[FEWEST:], abs=1e-6)


def test_it_goes_on_where_river_says_1() -> None:
    values = np.random.default_rng(1).normal(0, 1, 300).astype(np.float32)
    ten, twenty = (np.append(values, np.float32(far)) for far in (10, 20))

    assert by_river(ten)[-1] == by_river(twenty)[-1] == 1
    assert scores(twenty[:, None])[-1] > 2 * scores(ten[:, None])[-1] > 80


@pytest.mark.parametrize("away", [0.0, 0.5, -3.0, 8.0, 24.9, 25.1, 37.0, 300.0])
def test_the_tail_is_that_of_the_normal_distribution(away: float) -> None:
    assert unlikely(away) == pytest.approx(-log_ndtr(-abs(away)) - math.log(2), rel=1e-6, abs=1e-12)


def test_the_least_likely_channel_counts() -> None:
    both = np.random.default_rng(2).normal(0, 1, (500, 2)).astype(np.float32)
    one, other = (scores(both[:, [channel]])[FEWEST:] for channel in (0, 1))

    assert scores(both)[FEWEST:].tobytes() == np.maximum(one, other).tobytes()
