"""The nearest centre: as scikit-learn finds it, the same for a seed, and a number of clusters by the windows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn import cluster

from models.errors import ConfigError
from models.statistical.kmeans import LARGEST, KMeans, KMeansConfig
from models.statistical.nearest import FittedNearest
from tests.unit.models.statistical.windows import Float32, kinds, sliding


def fit(windows: Float32, clusters: int = 0, keep: float = 1.0, seed: int = 0) -> FittedNearest:
    return KMeans(KMeansConfig(clusters=clusters, keep=keep), seed).fit(windows, windows[:1])


def centres(fitted: FittedNearest) -> Float32:
    (found,) = fitted.weights().values()
    return found


def test_it_is_the_distance_of_scikit_learn() -> None:
    learn, windows = kinds(600, seed=0), kinds(100, seed=1)
    peer = cluster.KMeans(3, n_init=3, random_state=7).fit(learn[:, :, 0].astype(np.float64))
    expected = peer.transform(windows[:, :, 0].astype(np.float64)).min(axis=1) / np.sqrt(24)

    found = fit(learn, clusters=3, seed=7).score(windows)

    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_aeon_ranks_the_windows_of_a_series_alike() -> None:
    """Its score of a reading is the mean over the windows that hold it; here each window has one reading."""
    aeon = pytest.importorskip("aeon.anomaly_detection.series.distance_based", reason="aeon needs an older NumPy")
    random = np.random.default_rng(2)
    series = random.choice([-3.0, 0.0, 5.0], 500) + random.normal(0, 0.3, 500)

    theirs = aeon.KMeansAD(n_clusters=3, window_size=1, random_state=0).fit_predict(series)

    assert spearmanr(fit(sliding(series[:, None], 1), clusters=3).score(sliding(series[:, None], 1)), theirs)[0] >= 0.95


def test_the_kinds_of_windows_are_the_centres() -> None:
    found = centres(fit(kinds(900, seed=3), clusters=3))

    turns = np.abs(np.fft.rfft(found, axis=1)).argmax(axis=1)
    assert sorted(turns) == [1, 2, 3]


def test_a_seed_gives_the_same_centres() -> None:
    learn = kinds(2000, seed=4)

    np.testing.assert_array_equal(centres(fit(learn, seed=1)), centres(fit(learn, seed=1)))
    assert not np.array_equal(centres(fit(learn, seed=1)), centres(fit(learn, seed=2)))


def test_no_more_clusters_than_different_windows() -> None:
    learn = np.tile(kinds(4, seed=5), (10, 1, 1))

    fitted = fit(learn, clusters=9)

    assert centres(fitted).shape == (4, 24)
    np.testing.assert_allclose(fitted.score(learn), 0, atol=1e-6)


def test_the_default_is_by_the_number_of_windows() -> None:
    assert [len(centres(fit(kinds(count, seed=6)))) for count in (18, 200)] == [3, 10]


@pytest.mark.parametrize("clusters", [-1, LARGEST + 1])
def test_clusters_are_bounded(clusters: int) -> None:
    with pytest.raises(ConfigError, match="1 to 1000, or 0"):
        KMeansConfig(clusters=clusters)
