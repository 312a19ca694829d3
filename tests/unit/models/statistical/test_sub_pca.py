"""Minor components: as scikit-learn projects on them, blind to size alone, and explained cell by cell."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn import decomposition

import models
from models.statistical.past import Spectrum
from models.statistical.sub_pca import FLOOR, SubPCA, SubPCAConfig
from models.statistical.whitened import FittedWhitening
from tests.unit.models.statistical.windows import Float32, correlated


def fit(windows: Float32, **options: float) -> FittedWhitening:
    return SubPCA(SubPCAConfig(**options)).fit(windows, windows[:1])


def test_it_is_the_sum_over_minor_components_of_scikit_learn() -> None:
    learn, windows = correlated(5000, 10, seed=0), correlated(300, 10, seed=1)
    peer = decomposition.PCA().fit(learn[:, :, 0].astype(np.float64))
    first = np.searchsorted(peer.explained_variance_ratio_.cumsum(), 0.9) + 1
    projections = peer.transform(windows[:, :, 0].astype(np.float64))[:, first:]
    expected = np.sqrt((projections**2 / peer.explained_variance_[first:]).mean(axis=1))

    found = fit(learn, keep=1.0).score(windows)

    assert spearmanr(found, expected).statistic > 0.99
    np.testing.assert_allclose(found, expected, rtol=0.03)  # the covariance is shrunk and has noise added


def test_a_normal_window_scores_about_one() -> None:
    assert fit(correlated(4000, 12, seed=2)).score(correlated(1000, 12, seed=3)).mean() == pytest.approx(1, abs=0.1)


def test_it_sees_broken_relations_and_not_size() -> None:
    learn = correlated(3000, 10, seed=4)
    fitted = fit(learn, variance=0.8)
    major = Spectrum.of(learn[:, :, 0].astype(np.float64)).directions[:, 0]
    large = learn[:50] + (30 * major).astype(np.float32)[None, :, None]
    broken = learn[:50].copy()
    broken[:, 5] += 6

    usual = fitted.score(learn[:50])

    assert (fitted.score(large) < 2 * usual + 1).all()
    assert (fitted.score(broken) > 2 * usual).mean() > 0.9


def test_components_that_never_varied_have_a_floor() -> None:
    learn = np.repeat(np.random.default_rng(5).normal(size=(200, 1, 1)), 6, axis=1).astype(np.float32)
    broken = learn[:1].copy()
    broken[0, 2] += 1

    (score,) = fit(learn).score(broken)

    assert 1 < score <= 1 / FLOOR


def test_it_blames_the_cell_that_moved() -> None:
    learn = correlated(1000, 10, seed=6)
    detector = models.create("sub_pca", length=10, channels=1, scale=False).fit(learn)
    windows = learn[:20].copy()
    windows[:, 4] += 8

    shares = detector.explain(windows)

    assert shares is not None
    assert (shares[:, :, 0].argmax(axis=1) == 4).mean() >= 0.9


def test_one_cell_has_one_component() -> None:
    learn = correlated(100, 1, seed=7)

    assert fit(learn, keep=1.0).score(learn + 50).min() > 10


def test_where_nothing_ever_moved_every_cell_that_does_counts() -> None:
    """Their components are all alike: none of them is a major one."""
    fitted = fit(np.zeros((60, 6, 2), np.float32))
    moved = 5 * np.eye(12, dtype=np.float32).reshape(12, 6, 2)

    assert fitted.score(np.zeros((1, 6, 2), np.float32)) == 0
    assert (fitted.score(moved) > 5).all()
