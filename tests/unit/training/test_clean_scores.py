"""Scores of short faults do not count; those of lasting states, rare or not, do."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.records.batches import Float32
from monitor.training.clean_scores import without_faults


def scores(*faults: tuple[int, int], height: float = 10.0) -> Float32:
    """600 normal scores, with faults (where, how long)."""
    values = np.random.default_rng(0).lognormal(0, 0.2, 600)
    for at, length in faults:
        values[at : at + length] = height
    return values.astype(np.float32)


def test_short_faults_are_left_out() -> None:
    clean = without_faults(scores((50, 12), (120, 12), (400, 24)), longest=24)

    assert len(clean) == 600 - 48
    assert clean.max() < 3


def test_a_state_that_lasts_is_kept_and_so_is_all_else() -> None:
    given = scores((50, 12), (200, 60))

    assert len(without_faults(given, longest=24)) == 600


def test_faults_above_a_state_are_left_out() -> None:
    given = scores((200, 60))
    given[500:510] = 100

    assert len(without_faults(given, longest=24)) == 590


def test_what_does_not_stand_apart_is_kept() -> None:
    assert len(without_faults(scores((50, 12), height=3.0), longest=24)) == 600


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("spread", [0.05, 0.3, 1.0])
def test_noise_is_kept_but_for_a_rare_score(seed: int, spread: float) -> None:
    given = np.random.default_rng(seed).lognormal(0, spread, 900).astype(np.float32)

    assert len(without_faults(given, longest=24)) >= 898


@pytest.mark.parametrize("count", [1, 2, 3])
def test_hardly_any_scores(count: int) -> None:
    assert len(without_faults(np.ones(count, np.float32), longest=1)) == count
