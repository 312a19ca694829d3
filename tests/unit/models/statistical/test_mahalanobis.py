"""The distance itself: what it is for known covariances, what it survives, and what it blames."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import mahalanobis
from scipy.stats import spearmanr
from sklearn.covariance import MinCovDet, ledoit_wolf

import models
from models.statistical.mahalanobis import Mahalanobis, MahalanobisConfig
from models.statistical.past import NOISE
from models.statistical.whitened import FittedWhitening
from tests.unit.models.statistical.windows import correlated

Float64 = NDArray[np.float64]


def fit(windows: NDArray[np.float32], **options: Any) -> FittedWhitening:
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


def test_without_options_it_is_what_it_was_to_the_bit() -> None:
    windows = correlated(400, 30, seed=7)
    rows = windows[:, :, 0].astype(np.float64)
    covariance, _ = ledoit_wolf(rows)
    covariance.flat[::31] += NOISE**2
    variances, directions = np.linalg.eigh(covariance)
    whitening = (directions / np.sqrt(np.maximum(variances, NOISE**2))) @ directions.T

    learned = fit(windows, keep=1.0).weights()

    np.testing.assert_array_equal(learned["mean"], rows.mean(axis=0).astype(np.float32))
    np.testing.assert_array_equal(learned["whitening"], whitening.astype(np.float32))


def test_beyond_the_principal_components_every_direction_counts_alike() -> None:
    fitted = fit(correlated(400, 30, seed=8), features="pca")

    roots = np.linalg.eigvalsh(fitted.weights()["whitening"].astype(np.float64))

    kept = int((roots < roots.max() * 0.999).sum())
    assert 1 <= kept <= 16
    np.testing.assert_allclose(roots[kept:], roots.max(), rtol=1e-4)


def test_it_ranks_as_the_minimum_covariance_determinant() -> None:
    dirty, test = correlated(600, 8, seed=9), correlated(400, 8, seed=10)
    dirty[::15, 3:5] += 9
    known = MinCovDet(random_state=0).fit(dirty[:, :, 0])

    found = fit(dirty).score(test)

    assert spearmanr(found, known.mahalanobis(test[:, :, 0])).statistic >= 0.95


def test_it_ranks_as_the_minimum_covariance_determinant_of_pyod() -> None:
    mcd = pytest.importorskip("pyod.models.mcd", reason="pyod is not installed")
    dirty, test = correlated(600, 8, seed=9), correlated(400, 8, seed=10)
    dirty[::15, 3:5] += 9
    known = mcd.MCD(random_state=0).fit(dirty[:, :, 0])

    found = fit(dirty).score(test)

    assert spearmanr(found, known.decision_function(test[:, :, 0])).statistic >= 0.95


def test_features_that_are_not_known_are_refused() -> None:
    with pytest.raises(models.ConfigError, match="features"):
        models.check("mahalanobis", {"features": "pcs"})
