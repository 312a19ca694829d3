"""Which windows of the past are clean, and the directions along which clean ones vary."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf

from models.errors import ConfigError, DataError
from models.statistical import past
from models.statistical.components import ComponentsConfig
from models.statistical.past import NOISE, PastConfig, Spectrum, clean_rows, whitened_distances, wide_distances
from tests.unit.models.statistical.windows import correlated


def test_the_spectrum_is_that_of_the_shrunk_covariance() -> None:
    rows = correlated(300, 6, seed=0)[:, :, 0].astype(np.float64)
    covariance, _ = ledoit_wolf(rows)

    found = Spectrum.of(rows)

    expected = covariance + NOISE**2 * np.eye(6)
    np.testing.assert_allclose((found.directions * found.variances) @ found.directions.T, expected, atol=1e-9)
    np.testing.assert_allclose(found.whitening @ expected @ found.whitening, np.eye(6), atol=1e-9)
    assert (np.diff(found.variances) <= 0).all()


def test_the_largest_variances_hold_a_share() -> None:
    spectrum = Spectrum(np.zeros(4), np.array([6.0, 2.0, 1.0, 1.0]), np.eye(4))

    assert [spectrum.holding(share) for share in (0.1, 0.6, 0.7, 0.8, 0.95)] == [1, 1, 2, 2, 4]
    assert spectrum.part(slice(1, 3)).variances.tolist() == [2.0, 1.0]


def test_faults_are_left_out_and_the_order_stays() -> None:
    windows = correlated(400, 8, seed=1)
    windows[::10, 3:5] += 12

    rows = clean_rows(windows, keep=0.6)

    clean = np.delete(windows, np.s_[::10], axis=0)[:, :, 0]
    kept = np.flatnonzero((clean[:, None] == rows[None]).all(axis=2).any(axis=1))
    assert len(kept) == len(rows) > 0.95 * len(clean)
    np.testing.assert_array_equal(rows, clean[kept])


def test_a_second_look_lets_rarer_windows_in() -> None:
    """Windows that the nearest 60 % know little of are clean by what those have let in."""
    windows = correlated(2000, 8, seed=2)

    assert len(clean_rows(windows, keep=0.6)) > 0.97 * len(windows)


def test_keep_1_takes_every_window() -> None:
    windows = correlated(50, 4, seed=3)
    windows[0] = 1e6

    np.testing.assert_array_equal(clean_rows(windows, keep=1.0), windows[:, :, 0])


@pytest.mark.parametrize("options", [{"keep": 0.0}, {"keep": 1.1}, {"validation": 0.0}, {"validation": 1.0}])
def test_shares_are_shares(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="keep above 0"):
        PastConfig(**options)


@pytest.mark.parametrize("variance", [0.0, 1.0])
def test_so_is_the_share_of_variance(variance: float) -> None:
    with pytest.raises(ConfigError, match="variance must be between 0 and 1"):
        ComponentsConfig(variance=variance)


@pytest.mark.parametrize("learned", [2, 25, 90])
def test_distances_of_wide_windows_are_those_of_the_covariance(learned: int) -> None:
    rows = correlated(120, 100, seed=3)[:, :, 0].astype(np.float64)
    known = Spectrum.of(rows[:learned])

    found = wide_distances(rows, rows[:learned])

    np.testing.assert_allclose(found, whitened_distances(rows, known.mean, known.whitening), rtol=1e-6)


def test_windows_that_are_all_alike_have_distances_too() -> None:
    rows = np.ones((30, 50))

    assert (wide_distances(rows, rows[:20]) == 0).all()
    np.testing.assert_allclose(wide_distances(rows + 1, rows), 1 / NOISE)


def test_the_clean_ones_of_wide_windows_take_memory_by_the_windows() -> None:
    windows = correlated(60, past.WIDE + 1000, seed=4)
    windows[::10, 30:50] += 6000
    tracemalloc.start()
    try:
        found = clean_rows(windows, keep=0.6)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert most < 12 * windows.size * 8 < windows.shape[1] ** 2 * 8 / 2
    assert len(found) >= 36
    assert not set(found[:, 40]) & set(windows[::10, 40, 0].astype(np.float64))


def test_a_covariance_that_is_too_large_is_refused_before_it_is_made() -> None:
    with pytest.raises(DataError, match=r"19,456 readings over all channels have a covariance of 3\.0 GB"):
        Spectrum.of(np.zeros((20, 512 * 38)))
