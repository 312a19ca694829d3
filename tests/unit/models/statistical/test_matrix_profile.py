"""The left discord: distances in shape as STUMPY computes them, twins, flat lines, levels and sizes."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from models.errors import ConfigError
from models.statistical.matrix_profile import (
    FLAT,
    FittedMatrixProfile,
    MatrixProfile,
    MatrixProfileConfig,
    described,
    half,
    places,
    subsequences,
)
from tests.unit.models.statistical.windows import Float32, kinds, sliding

Float64 = NDArray[np.float64]
LENGTH = 32


def wavy(count: int, seed: int) -> Float64:
    """A series (n, 1) of waves with some noise."""
    random = np.random.default_rng(seed)
    return np.asarray(np.sin(np.arange(count) / 3)[:, None] + random.normal(0, 0.1, (count, 1)))


def fit(windows: Float32, keep: float = 1.0) -> FittedMatrixProfile:
    return MatrixProfile(MatrixProfileConfig(keep=keep)).fit(windows, windows[:1])


def test_the_distance_in_shape_is_that_of_stumpy() -> None:
    import stumpy

    series = np.random.default_rng(0).normal(size=400).cumsum()
    size = 16
    parts = described(subsequences(sliding(series[:, None], size).astype(np.float64), size)[:, 0])
    shapes = parts[:, :size] * np.sqrt(size / (size + 2))

    for start in (0, 100, 380):
        expected = stumpy.core.mass(series[start : start + size], series)
        found = np.sqrt(np.square(shapes - shapes[start]).sum(axis=1))
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_it_is_the_largest_distance_to_the_kth_stretch_of_the_past() -> None:
    """Computed step by step, for windows that slide by one reading."""
    past, windows = wavy(300, seed=1), sliding(wavy(60, seed=2) * 1.2, LENGTH)
    size = half(LENGTH)
    parts = [past[start : start + size, 0] for start in range(LENGTH - size, len(past) - size + 1)]
    parts = parts[len(parts) % size :]

    def distance(one: Float64, other: Float64) -> float:
        shapes = [(part - part.mean()) / max(part.std(), FLAT) for part in (one, other)]
        shape = np.square(shapes[0] - shapes[1]).mean()
        return float(shape + (one.mean() - other.mean()) ** 2 + (one.std() - other.std()) ** 2)

    expected = []
    for window in windows[:, :, 0].astype(np.float64):
        scores = []
        for start in places(LENGTH):
            squares = np.array([distance(window[start : start + size], part) for part in parts])
            scores.append(np.sort(squares.reshape(-1, size).min(axis=1))[4])
        expected.append(np.sqrt(max(scores)))

    np.testing.assert_allclose(fit(sliding(past, LENGTH)).score(windows), expected, rtol=1e-4)


def test_a_fault_that_came_twice_is_still_rare() -> None:
    series = wavy(3000, seed=3)
    for start in (1000, 2000):
        series[start : start + 10] = 1
    twin = sliding(series[1000 - 8 : 1000 - 8 + LENGTH], LENGTH)
    fitted = fit(sliding(series, LENGTH))

    assert fitted.score(twin)[0] > fitted.score(sliding(wavy(600, seed=4), LENGTH)).max()


def test_shapes_count_wherever_they_are() -> None:
    """Windows slide, so a wave may begin at any reading; one of another length is found."""
    fitted = fit(sliding(wavy(1000, seed=5), LENGTH))
    faster = np.sin(np.arange(200) / 2)[:, None]

    assert fitted.score(sliding(faster, LENGTH)).min() > fitted.score(sliding(wavy(500, seed=6), LENGTH)).max()


def test_levels_and_sizes_count_too() -> None:
    fitted = fit(sliding(wavy(1000, seed=7), LENGTH))
    usual = sliding(wavy(300, seed=8), LENGTH)
    limit = fitted.score(usual).max()

    assert fitted.score(usual + 3).min() > limit
    assert fitted.score(usual * 4).min() > limit
    assert fitted.score(np.zeros_like(usual)).min() > limit


def test_noise_on_a_flat_line_is_no_shape() -> None:
    random = np.random.default_rng(9)
    flat = random.normal(0, 0.01, (1000, 1))

    assert fit(sliding(flat, LENGTH)).score(sliding(flat[:100], LENGTH)).max() < 0.1


def test_windows_that_share_no_readings_are_compared_place_by_place() -> None:
    windows = kinds(50, seed=10)

    (past,) = fit(windows).weights().values()

    assert past.shape == (50 * len(places(24)), 12 + 2)


@pytest.mark.parametrize("neighbours", [4, 101])
def test_neighbours_are_bounded(neighbours: int) -> None:
    with pytest.raises(ConfigError, match="5 to 100"):
        MatrixProfileConfig(neighbours=neighbours)
