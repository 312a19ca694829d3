"""The distance itself: what it is for known covariances, what it survives, and what it blames."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import ledoit_wolf

from models.statistical.mahalanobis import NOISE, FittedMahalanobis, Mahalanobis, MahalanobisConfig

Float64 = NDArray[np.float64]


def correlated(count: int, cells: int, seed: int) -> NDArray[np.float32]:
    """Random walks as windows (n, cells, 1): neighbours move together."""
    random = np.random.default_rng(seed)
    return random.normal(size=(count, cells)).cumsum(axis=1).astype(np.float32)[:, :, None]


def fit(windows: NDArray[np.float32], **options: float) -> FittedMahalanobis:
    return Mahalanobis(MahalanobisConfig(**options)).fit(windows, windows[:1])


def test_it_is_the_distance_of_the_textbook() -> None:
    windows = correlated(400, 6, seed=0)
    fitted = fit(windows, keep=1.0)
    rows = windows[:, :, 0].astype(np.float64)
    covariance, _ = ledoit_wolf(rows)
    inverse = np.linalg.inv(covariance + NOISE**2 * np.eye(6))

    expected = [mahalanobis(row, rows.mean(axis=0), inverse) / np.sqrt(6) for row in rows[:20]]

    np.testing.assert_allclose(fitted.score(windows[:20]), expected, rtol=1e-5)


def test_normal_windows_score_about_one() -> None:
    fitted = fit(correlated(4000, 8, seed=1), keep=1.0)

    assert fitted.score(correlated(2000, 8, seed=2)).mean() == pytest.approx(1, abs=0.1)


def test_faults_do_not_widen_the_covariance() -> None:
    clean, dirty = correlated(500, 8, seed=3), correlated(500, 8, seed=3)
    dirty[::10] += np.array([0, 0, 0, 9, 9, 0, 0, 0], np.float32)[:, None]
    test = correlated(200, 8, seed=4)

    np.testing.assert_allclose(fit(dirty).score(test), fit(clean).score(test), rtol=0.15)
    assert fit(dirty, keep=1.0).score(dirty[::10]).mean() < 0.6 * fit(dirty).score(dirty[::10]).mean()


def test_cells_that_move_together_or_never_leave_finite_distances() -> None:
    one = np.random.default_rng(5).normal(size=(50, 1)).astype(np.float32)
    windows = np.concatenate([np.repeat(one, 3, axis=1), np.zeros((50, 2), np.float32)], axis=1)[:, :, None]
    broken = windows[:1].copy()
    broken[0, 1] += 1  # it left the others
    moved = windows[:1].copy()
    moved[0, 4] += 1  # it never moved before

    scores = fit(windows, keep=1.0).score(np.concatenate([windows[:1], broken, moved]))

    assert np.isfinite(scores).all()
    assert (scores[1:] > 4 * scores[0]).all()


def test_contributions_blame_the_cell_that_moved() -> None:
    windows = correlated(400, 6, seed=6)
    fitted = fit(windows)
    mean, whitening = fitted.weights().values()

    for cell in range(6):
        window = mean.copy()
        window[cell] += 3
        assert np.square((window - mean) @ whitening).argmax() == cell
    np.testing.assert_allclose(whitening, whitening.T, atol=1e-6)
