"""Noise around beats, in times of what is usual of their stream."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.pipeline.scoring.companions.usual_noise import LOUD, UsualNoise
from monitor.records.batches import Float64


def ratio(level: Float64) -> Float64:
    noise = UsualNoise()
    noise.grow(1)
    return noise.ratio(np.zeros(len(level), np.int32), level)


def test_a_steady_level_is_usual_in_any_unit() -> None:
    for unit in (1e-6, 1.0, 1e6):
        assert ratio(np.full(50, unit)) == pytest.approx(1)


def test_louder_noise_stays_loud_for_minutes_and_becomes_usual_in_time() -> None:
    found = ratio(np.repeat([1.0, 4.0], [400, 4000]))

    assert (found[400:500] > LOUD).all()
    assert found[-1] < LOUD


def test_where_the_level_is_not_known_it_counts_as_usual() -> None:
    assert ratio(np.array([np.nan, 0.0, np.nan])).tolist() == [1, 1, 1]
