"""Deviations and surprise, worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from monitor.pipeline.scoring.surprise import FEWEST, Deviations, Surprise

NONE, HOUR = np.zeros(1, np.int32), 3600 * 10**9


def deviations(scores: list[float], hours: list[int] | None = None) -> list[float]:
    made = Deviations()
    made.columns.grow(1)
    end = HOUR * np.array(hours or [0] * len(scores), np.int64)
    found: list[float] = made.apply(np.zeros(len(scores), np.int32), end, np.array(scores, np.float32)).tolist()
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


def test_what_returns_at_an_hour_is_measured_by_that_hour() -> None:
    """Scores of about 1, and of 10 at noon: after some days those of noon are no surprise, and 10 at midnight is."""
    hours = np.arange(20 * 24)
    scores = np.where(hours % 24 == 12, 10.0, 1.0) + np.random.default_rng(0).normal(0, 0.1, len(hours))
    found = deviations([*scores.tolist(), 10.0], hours=[*hours.tolist(), 0])
    noon = hours % 24 == 12

    assert max(found[i] for i in np.flatnonzero(noon)[-5:]) < 1.5
    assert found[-1] > 4


def test_the_same_scores_at_all_hours_count_as_without_hours() -> None:
    scores = np.random.default_rng(0).gamma(4.0, 1.0, 2400).tolist()
    by_hour, alike = deviations(scores, hours=list(range(2400))), deviations(scores)

    assert np.nanmax(np.abs(np.subtract(by_hour, alike)[1200:])) < 1.5
    assert np.nanmean(np.abs(np.subtract(by_hour, alike))) < 0.15


def test_a_seed_is_a_past() -> None:
    made = Deviations()
    made.columns.grow(1)
    made.seed(0, 2.0, 1.0, 100)

    assert made.apply(NONE, NONE.astype(np.int64), np.array([7.0], np.float32))[0] == pytest.approx(5.0)


def test_equal_scores_have_no_deviation() -> None:
    assert deviations([2.0] * (FEWEST + 1))[-1] == 0.0


def test_surprise_is_the_logarithm_of_the_mean_of_the_last_ones() -> None:
    assert surprise([0.0, 2.0, 4.0, 6.0]) == pytest.approx([2 * math.log2(1 + mean / 2) for mean in (0, 1, 2, 4)])


def test_a_score_that_is_missing_changes_nothing() -> None:
    given = [1.0, math.nan, 5.0]

    assert math.isnan(surprise(given)[1])
    assert surprise(given)[2] == surprise([1.0, 5.0])[1]
