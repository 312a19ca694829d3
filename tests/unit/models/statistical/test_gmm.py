"""The mixture: its density, how many components it has, and what scikit-learn and pyod make of the same windows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.mixture import GaussianMixture

import models
from models.statistical.gmm import FLOOR, FittedGmm, Gmm, GmmConfig
from tests.unit.models.statistical.windows import Float32, correlated, mixed, of_two_kinds, rows


def fit(windows: Float32, **options: Any) -> FittedGmm:
    return Gmm(GmmConfig(**options)).fit(windows, windows[:1])


def test_one_component_is_the_mahalanobis_distance() -> None:
    windows = correlated(500, 6, seed=0)
    fitted = fit(windows, keep=1.0, components=1, features="windows")
    known = rows(windows)
    inverse = np.linalg.inv(np.cov(known.T, bias=True) + FLOOR**2 * np.eye(6))
    away = known[:20] - known.mean(axis=0)

    expected = np.sqrt(np.einsum("ni,ij,nj->n", away, inverse, away) / 6)

    np.testing.assert_allclose(fitted.score(windows[:20]), expected, rtol=1e-5)


def test_the_score_is_how_far_the_log_density_lies_below_its_bound() -> None:
    windows = of_two_kinds(600, 5, seed=1)
    fitted = fit(windows, keep=1.0, features="windows")
    learned = fitted.mixture
    same = GaussianMixture(len(learned.weights))
    same.weights_, same.precisions_cholesky_ = learned.weights, learned.whitening
    same.means_ = learned.centres @ learned.axes.T + learned.mean
    same.precisions_cholesky_ = np.einsum("cd,kde->kce", learned.axes, learned.whitening)
    # whitening by other triangles: determinants are those of the components' own coordinates
    logs = np.log(np.diagonal(learned.whitening, axis1=1, axis2=2)).sum(axis=1)
    peaks = np.log(learned.weights) + logs - 5 / 2 * np.log(2 * np.pi)
    apart = np.einsum("nkd,kde->nke", rows(windows)[:50, None] - same.means_, same.precisions_cholesky_)
    density = np.logaddexp.reduce(peaks - np.square(apart).sum(axis=2) / 2, axis=1)

    expected = np.sqrt((np.logaddexp.reduce(peaks) - density) * 2 / 5)

    np.testing.assert_allclose(fitted.score(windows[:50]), expected, rtol=1e-5)


@pytest.mark.parametrize("count", [1, 3])
def test_there_are_as_many_components_as_kinds(count: int) -> None:
    random = np.random.default_rng(2)
    centres = np.array([[0, 0, 0, 0], [6, 0, 0, 6], [0, 6, -6, 0]])[:count]
    windows = centres[np.arange(900) % count] + random.normal(0, 0.7, (900, 4))

    assert len(fit(windows.astype(np.float32)[:, :, None], keep=1.0).mixture.weights) == count


def test_a_window_between_two_kinds_is_like_neither() -> None:
    windows = of_two_kinds(600, 8, seed=3)
    between = np.zeros((1, 8, 1), np.float32)
    detector = models.create("gmm", length=8, channels=1, scale=False).fit(windows)
    cloud = models.create("mahalanobis", length=8, channels=1, scale=False).fit(windows)

    assert detector.score(between)[0] > 2 * np.median(detector.score(windows))
    assert cloud.score(between)[0] < np.median(cloud.score(windows))


def test_windows_that_leave_the_principal_components_are_unlikely() -> None:
    random = np.random.default_rng(4)
    shape = np.sin(np.linspace(0, 6, 20))
    windows = (random.normal(size=(500, 1)) * shape + random.normal(0, 0.1, (500, 20))).astype(np.float32)[:, :, None]
    broken = windows[:50].copy()
    broken[:, 7] += 2
    fitted = fit(windows)

    assert fitted.mixture.axes.shape[1] < 5
    assert fitted.score(broken).min() > fitted.score(windows).max()


def test_it_ranks_as_the_mixture_of_scikit_learn() -> None:
    windows, test = of_two_kinds(800, 10, seed=5), mixed(10)
    known = GaussianMixture(2, random_state=0).fit(rows(windows))

    found = fit(windows, keep=1.0, components=2).score(test)

    assert spearmanr(found, -known.score_samples(rows(test))).statistic >= 0.95


def test_it_ranks_as_the_mixture_of_pyod() -> None:
    gmm = pytest.importorskip("pyod.models.gmm", reason="pyod is not installed")
    windows, test = of_two_kinds(800, 10, seed=6), mixed(10)
    known = gmm.GMM(n_components=2, random_state=0).fit(rows(windows))

    found = fit(windows, keep=1.0, components=2).score(test)

    assert spearmanr(found, known.decision_function(rows(test))).statistic >= 0.95


@pytest.mark.parametrize("options", [{"components": 0}, {"components": 65}, {"features": "cells"}, {"keep": 0.0}])
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(models.ConfigError, match=next(iter(options))):
        models.check("gmm", options)
