"""The simple detectors that the default recipe is compared with."""

from __future__ import annotations

import numpy as np
import pytest

from tests.benchmarks.quality.baselines import BASELINES, LENGTH, scaled, windows


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    random = np.random.default_rng(1)
    made = np.sin(np.arange(900) / 7) + random.normal(0, 0.05, 900)
    made[700] += 3
    return scaled(made, 200)


@pytest.mark.parametrize("name", BASELINES)
def test_a_score_depends_on_the_rows_up_to_it_only(name: str, values: np.ndarray) -> None:
    whole, part = BASELINES[name](values, 200, 0), BASELINES[name](values[:750], 200, 0)

    assert whole.shape == values.shape
    np.testing.assert_allclose(whole[:750], part, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", BASELINES)
def test_a_reading_far_outside_scores_more_than_any_usual_one(name: str, values: np.ndarray) -> None:
    found = BASELINES[name](values, 200, 0)
    usual = np.r_[found[200:700], found[760:]]

    assert found[700 : 700 + LENGTH].max() > usual.max()


def test_windows_end_at_their_row_and_gaps_take_the_value_before() -> None:
    assert windows(np.arange(30.0))[29].tolist() == list(range(6, 30))
    assert windows(np.arange(30.0))[0].tolist() == [0.0] * LENGTH
    made = scaled(np.array([1.0, 3.0, np.nan, 5.0]), 2)
    assert made.tolist() == [-1.0, 1.0, 1.0, 3.0]
    assert scaled(np.ones(3), 2).tolist() == [0.0, 0.0, 0.0]
