"""The k-th neighbour: as scikit-learn and PyOD find it, with overlapping windows as one, and within bounds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.neighbors import NearestNeighbors

from models.artefacts.data import hop
from models.errors import ConfigError
from models.statistical import references
from models.statistical.knn import KNN, KNNConfig
from models.statistical.nearest import FittedNearest
from models.statistical.references import KEPT, References
from tests.unit.models.statistical.windows import Float32, kinds, sliding


def fit(windows: Float32, neighbours: int = 5, keep: float = 1.0) -> FittedNearest:
    return KNN(KNNConfig(neighbours=neighbours, keep=keep)).fit(windows, windows[:1])


@pytest.mark.parametrize("neighbours", [1, 5])
def test_it_is_the_distance_of_scikit_learn(neighbours: int) -> None:
    learn, windows = kinds(600, seed=0), kinds(100, seed=1)
    peer = NearestNeighbors(n_neighbors=neighbours).fit(learn[:, :, 0])
    expected = peer.kneighbors(windows[:, :, 0])[0][:, -1] / np.sqrt(24)

    np.testing.assert_allclose(fit(learn, neighbours).score(windows), expected, rtol=1e-5)


def test_pyod_ranks_windows_alike() -> None:
    from pyod.models import knn

    learn = kinds(600, seed=2)
    windows = np.concatenate([kinds(100, seed=3), kinds(50, seed=4) * 2])

    theirs = knn.KNN(n_neighbors=5, method="largest").fit(learn[:, :, 0]).decision_function(windows[:, :, 0])

    assert spearmanr(fit(learn).score(windows), theirs).statistic >= 0.95


def test_windows_of_several_kinds_are_all_normal() -> None:
    learn = kinds(600, seed=5)
    unlike = np.roll(kinds(100, seed=6), 4, axis=1)

    fitted = fit(learn)

    assert fitted.score(unlike).min() > np.quantile(fitted.score(kinds(300, seed=7)), 0.99)


@pytest.mark.parametrize("step", [1, 3, 8, 24])
def test_how_far_windows_are_apart_is_seen(step: int) -> None:
    series = np.random.default_rng(8).normal(size=(400, 2))

    assert hop(sliding(series, 24, step)) == step


def test_a_fault_that_came_once_does_not_hide_the_next() -> None:
    """Two dozen overlapping windows hold it: as neighbours they are one."""
    random = np.random.default_rng(9)
    series = np.sin(np.arange(2000) / 4)[:, None] + random.normal(0, 0.05, (2000, 1))
    series[1000:1006] += 5
    again = series[988:1012][None].astype(np.float32)
    usual = sliding(series[1500:], 24)
    learn = sliding(series, 24)

    assert fit(learn).score(again)[0] > 5 * fit(learn).score(usual).max()
    assert fit(learn, neighbours=1).score(again)[0] == 0


def test_the_windows_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.arange(5 * KEPT, dtype=np.float64)[:, None]

    kept = References.of(rows, together=1, neighbours=5).rows[:, 0]

    assert len(kept) == KEPT
    assert (kept[0], kept[-1]) == (0, 5 * KEPT - 1)
    assert np.diff(kept).min() >= 4
    monkeypatch.setattr(references, "VALUES", 1000)
    assert References.of(np.zeros((500, 50)), together=1, neighbours=5).rows.shape == (20, 50)


@pytest.mark.parametrize(
    ("rows", "together", "neighbours", "found"),
    [(100, 1, 5, (1, 5, 100)), (100, 10, 5, (10, 5, 100)), (103, 10, 5, (10, 5, 100)), (100, 50, 5, (20, 5, 100)),
     (3, 10, 5, (1, 3, 3)), (1, 1, 5, (1, 1, 1))],
)  # fmt: skip
def test_few_windows_are_shorter_stretches_then_fewer_neighbours(
    rows: int, together: int, neighbours: int, found: tuple[int, int, int]
) -> None:
    kept = References.of(np.zeros((rows, 2)), together, neighbours)

    assert (kept.stretch, kept.neighbours, len(kept.rows)) == found


@pytest.mark.parametrize("neighbours", [0, 101])
def test_neighbours_are_bounded(neighbours: int) -> None:
    with pytest.raises(ConfigError, match="1 to 100"):
        KNNConfig(neighbours=neighbours)
