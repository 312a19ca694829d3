"""T^2 and Q: as scikit-learn computes them, each for the faults it is made for, explained and reconstructed."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import chi2, spearmanr
from sklearn import decomposition

import models
from models.statistical.pca import CONFIDENCE, PCA, FittedPCA, PCAConfig
from tests.unit.models.statistical.windows import Float32, correlated


def fit(windows: Float32, **options: float) -> FittedPCA:
    return PCA(PCAConfig(**options)).fit(windows, windows[:1])


def by_scikit_learn(learn: Float32, windows: Float32, kept: int) -> NDArray[np.float64]:
    """T^2 and Q, each as a share of its limit, joined as the detector joins them; (n,)."""
    fitted = decomposition.PCA().fit(learn[:, :, 0].astype(np.float64))
    projections = fitted.transform(windows[:, :, 0].astype(np.float64))
    variances = fitted.explained_variance_
    t_squared = (projections[:, :kept] ** 2 / variances[:kept]).sum(axis=1)
    q = (projections[:, kept:] ** 2).sum(axis=1)
    total, squares = variances[kept:].sum(), (variances[kept:] ** 2).sum()
    limit = squares / total * chi2.ppf(CONFIDENCE, total**2 / squares)
    return np.asarray(np.sqrt((t_squared / chi2.ppf(CONFIDENCE, kept) + q / limit) / 2))


def test_it_is_t_squared_and_q_of_scikit_learn() -> None:
    learn, windows = correlated(5000, 10, seed=0), correlated(200, 10, seed=1)
    fitted = fit(learn, keep=1.0)
    expected = by_scikit_learn(learn, windows, kept=fitted.weights()["components"].shape[1])

    found = fitted.score(windows)

    assert spearmanr(found, expected).statistic > 0.999
    np.testing.assert_allclose(found, expected, rtol=0.02)  # the covariance is shrunk and has noise added


def test_pyod_ranks_what_the_kept_components_leave_over_alike() -> None:
    """With a linear kernel its kernel PCA is Q. Its PCA is neither: it sums distances of windows from directions."""
    from pyod.models import kpca

    learn, windows = correlated(300, 10, seed=2), correlated(100, 10, seed=3)
    detector = models.create("pca", length=10, channels=1, scale=False, keep=1.0, validation=0.003).fit(learn)
    kept = fit(learn[:-1], keep=1.0).weights()["components"].shape[1]
    peer = kpca.KPCA(n_components=kept, kernel="linear", random_state=0).fit(learn[:-1, :, 0])

    rebuilt = detector.reconstruct(windows)

    assert rebuilt is not None
    left_over = np.square(windows - rebuilt).sum(axis=(1, 2))
    assert spearmanr(left_over, peer.decision_function(windows[:, :, 0])).statistic >= 0.95


def test_it_keeps_what_holds_the_share_of_variance() -> None:
    learn = correlated(2000, 10, seed=4)
    held = decomposition.PCA().fit(learn[:, :, 0]).explained_variance_ratio_.cumsum()

    for share in (0.6, 0.9, 0.99):
        kept = fit(learn, keep=1.0, variance=share).weights()["components"].shape[1]
        assert kept == np.searchsorted(held, share) + 1


def test_a_large_normal_shape_is_for_t_squared_and_a_new_shape_for_q() -> None:
    learn = correlated(2000, 10, seed=5)
    fitted = fit(learn)
    direction = fitted.weights()["components"][:, 0]
    usual = fitted.score(learn).mean()
    large = (60 * direction).astype(np.float32)[None, :, None]
    broken = np.zeros((1, 10, 1), np.float32)
    broken[0, 4:6, 0] = 12, -12

    assert fitted.score(large)[0] > 4 * usual
    assert fitted.score(broken)[0] > 4 * usual


def test_it_reconstructs_within_the_plane_and_blames_the_cell_that_left_it() -> None:
    learn = correlated(1000, 10, seed=6)
    detector = models.create("pca", length=10, channels=1, scale=False).fit(learn)
    windows = learn[:10].copy()
    windows[:, 4] += 8

    rebuilt, shares = detector.reconstruct(windows), detector.explain(windows)

    assert rebuilt is not None
    assert shares is not None
    assert (shares[:, :, 0].argmax(axis=1) == 4).all()
    again = detector.reconstruct(rebuilt)
    assert again is not None
    np.testing.assert_allclose(again, rebuilt, atol=1e-4)


@pytest.mark.parametrize("cells", [1, 2])
def test_the_smallest_windows(cells: int) -> None:
    learn = correlated(200, cells, seed=7)

    scores = fit(learn, keep=1.0).score(np.concatenate([learn[:5], learn[:5] + 50]))

    assert np.isfinite(scores).all()
    assert scores[5:].min() > 4 * scores[:5].max()
