"""Which windows of the past are clean: those of the main mode, and those below the first gap."""

from __future__ import annotations

import numpy as np
import pytest

from models.artefacts.clean import clean_edge, clean_mode, clean_newest, clean_past

KEEP, REACH = 0.6, 3.0


def lognormal(count: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.exp(np.random.default_rng(0).normal(0, 0.3, count))


def test_the_mode_of_clean_scores_is_nearly_all_of_them() -> None:
    assert len(clean_mode(lognormal(500))) >= 495


@pytest.mark.parametrize("faults", [0.05, 0.2, 0.24])
def test_faults_are_neither_in_the_mode_nor_below_the_edge(faults: float) -> None:
    clean = lognormal(400)
    dirty = np.concatenate([clean, np.full(int(faults / (1 - faults) * 400), 30.0)])

    assert clean_mode(dirty).max() == clean_past(dirty) < 30
    assert clean.max() <= clean_edge(dirty, KEEP, REACH) < 30


@pytest.mark.parametrize("share", [0.28, 0.35, 0.45])
def test_what_is_more_than_a_quarter_of_the_past_is_no_fault(share: float) -> None:
    count = int(share / (1 - share) * 400)
    two = np.concatenate([lognormal(400), 30 * lognormal(count), np.full(20, 3000.0)])

    edges = clean_past(two), clean_edge(two, KEEP, REACH)

    assert all((two <= edge).sum() == 400 + count for edge in edges)


def test_a_long_fault_at_the_end_of_a_past_is_in_no_limit_and_a_second_mode_is() -> None:
    first, second = lognormal(400), 30 * lognormal(200)
    fault = np.concatenate([lognormal(60), np.full(40, 30.0)])

    assert clean_newest(fault, np.concatenate([first, fault])).max() < 10
    assert len(clean_newest(second[:40], np.concatenate([first, second]))) == 40
    assert len(clean_newest(np.full(5, 3000.0), np.concatenate([first, second, np.full(5, 3000.0)]))) == 5


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
