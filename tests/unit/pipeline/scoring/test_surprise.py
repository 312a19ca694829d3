"""Deviations and surprise, worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from monitor.pipeline.scoring.surprise import FEWEST, Deviations, Surprise

NONE = np.zeros(1, np.int32)


def deviations(scores: list[float]) -> list[float]:
    made = Deviations()
    made.columns.grow(1)
    found: list[float] = made.apply(np.zeros(len(scores), np.int32), np.array(scores, np.float32)).tolist()
    return found


def surprise(given: list[float], count: int = 3) -> list[float]:
    made = Surprise(count)
    made.columns.grow(1)
    found: list[float] = made.apply(np.zeros(len(given), np.int32), np.array(given, np.float32)).tolist()
    return found


def test_a_score_counts_in_deviations_from_the_mean_of_all_before() -> None:
    past = [1.0, 3.0] * (FEWEST // 2)  # mean 2, std 1

    assert deviations([*past, 7.0])[-1] == pytest.approx(5.0)
    assert deviations([*past, 0.0])[-1] == 0.0  # below the mean: no surprise
    assert all(math.isnan(found) for found in deviations(past))


def test_a_large_score_raises_the_bar_for_the_next_one() -> None:
    past = [1.0, 3.0] * (FEWEST // 2)
    once, twice = deviations([*past, 20.0, 20.0])[-2:]

    assert twice < once / 2


def test_one_absurd_score_does_not_blind_the_stream() -> None:
    """It counts as a hundred deviations: mean and std after it are 5.2 and 18."""
    past = [1.0, 3.0] * 15
    after = deviations([*past, 1e30, 100.0])[-1]

    assert after > 4


def test_a_seed_is_a_past() -> None:
    made = Deviations()
    made.columns.grow(1)
    made.seed(0, 2.0, 1.0, 100)

    assert made.apply(NONE, np.array([7.0], np.float32))[0] == pytest.approx(5.0)


def test_equal_scores_have_no_deviation() -> None:
    assert deviations([2.0] * (FEWEST + 1))[-1] == 0.0


def test_surprise_is_the_logarithm_of_the_mean_of_the_last_ones() -> None:
    assert surprise([0.0, 2.0, 4.0, 6.0]) == pytest.approx([2 * math.log2(1 + mean / 2) for mean in (0, 1, 2, 4)])


def test_a_score_that_is_missing_changes_nothing() -> None:
    given = [1.0, math.nan, 5.0]

    assert math.isnan(surprise(given)[1])
    assert surprise(given)[2] == surprise([1.0, 5.0])[1]
