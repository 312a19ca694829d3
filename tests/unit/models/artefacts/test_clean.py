"""Which windows of the past are clean: those of the main mode, and those below the first gap."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.artefacts.clean import clean_edge, clean_mode, clean_newest, clean_windows

KEEP, REACH = 0.6, 3.0


def lognormal(count: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.exp(np.random.default_rng(0).normal(0, 0.3, count))


def test_the_mode_of_clean_scores_is_nearly_all_of_them() -> None:
    assert len(clean_mode(lognormal(500))) >= 495


@pytest.mark.parametrize("faults", [0.05, 0.2, 0.35])
def test_faults_are_neither_in_the_mode_nor_below_the_edge(faults: float) -> None:
    clean = lognormal(400)
    dirty = np.concatenate([clean, np.full(int(faults / (1 - faults) * 400), 30.0)])

    assert clean_mode(dirty).max() < 30
    assert clean.max() <= clean_edge(dirty, KEEP, REACH) < 30


def test_without_a_gap_everything_is_below_the_edge() -> None:
    losses = np.exp(np.linspace(-3, 3, 200))

    assert (losses <= clean_edge(losses, KEEP, REACH)).all()


def test_the_first_gap_is_the_edge() -> None:
    losses = np.concatenate([np.exp(np.linspace(-1, 1, 100)), [30.0, 31.0, 200.0]])

    assert (losses <= clean_edge(losses, KEEP, REACH)).sum() == 100


def test_constant_and_single_values_are_clean() -> None:
    for values in (np.zeros(5), np.ones(1)):
        assert len(clean_mode(values)) == len(values)
        assert (values <= clean_edge(values, KEEP, REACH)).all()


def test_losses_too_large_for_a_number_lie_beyond_the_gap() -> None:
    losses = np.concatenate([lognormal(100), [np.inf, np.inf, np.inf]])

    assert lognormal(100).max() <= clean_edge(losses, KEEP, REACH) < np.inf
    assert clean_mode(losses).max() < np.inf


SHARED = 23  # of windows of 24 readings, one for each reading
SMALL, LARGE, LARGER = 1.0, 30.0, 60.0


def past(*stretches: tuple[int, float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Losses near one size after another, for so many windows each."""
    random = np.random.default_rng(1)
    return np.concatenate([size * np.exp(random.normal(0, 0.1, count)) for count, size in stretches])


def test_what_lasts_for_more_than_a_quarter_of_the_past_is_clean() -> None:
    losses = past(*[(200, SMALL), (100, LARGE)] * 10, (30, SMALL))
    losses[[50, 250]] = 3000.0  # a fault while it runs in either way

    clean = clean_windows(losses, 2.0, SHARED)

    assert np.flatnonzero(~clean).tolist() == [50, 250]


@pytest.mark.parametrize(
    ("losses", "shared"),
    [
        (past(*[(300, SMALL), (100, LARGE)] * 10), SHARED),  # a fifth of the time
        (past(*[(33, SMALL), (27, LARGE)] * 50), SHARED),  # faults of 4 readings, which are in 27 windows each
        (past(*[(200, SMALL), (100, LARGE)] * 10), None),  # of several streams
    ],
    ids=["rare", "short", "unknown"],
)
def test_all_else_above_the_edge_is_a_fault(losses: np.ndarray[Any, np.dtype[np.float64]], shared: int | None) -> None:
    assert (clean_windows(losses, 2.0, shared) == (losses <= 2)).all()


def test_a_way_of_running_whose_windows_are_not_all_alike_is_one() -> None:
    losses = past(*[(200, SMALL), *[(4, LARGE), (2, SMALL), (4, LARGER)] * 12] * 10, (30, SMALL))

    assert clean_windows(losses, 2.0, SHARED).all()


def test_a_limit_starts_from_both_ways_of_running_and_from_no_long_fault_at_the_end() -> None:
    two, fault = past(*[(200, SMALL), (100, LARGE)] * 10), past((2500, SMALL), (200, LARGE), (300, SMALL))

    assert len(clean_newest(two, 600, SHARED)) >= 590
    assert clean_newest(fault, 600, SHARED).max() < 2
    assert clean_newest(np.concatenate([two, np.full(20, 3000.0)]), 600, SHARED).max() < 100
