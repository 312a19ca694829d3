"""What the contract suite asks of every kind by default, asked of the options that change how a kind scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import models
from models.detector import Detector
from tests.contract.test_detectors import LENGTH, waves, with_spike

MEMBERS = ["mahalanobis", {"kind": "gmm", "components": 2}, "xbar"]
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("mahalanobis", {"features": "pca"}),
    ("gmm", {"features": "windows"}),
    ("gmm", {"components": 1}),
    ("ocsvm", {"features": "nystroem"}),
    ("ocsvm", {"features": "dbn"}),
    ("xbar", {"chart": "ewma"}),
    ("xbar", {"chart": "cusum"}),
    ("ensemble", {"members": MEMBERS, "mix": "max"}),
    ("ensemble", {"members": MEMBERS, "mix": "rank"}),
    ("ensemble", {"members": ["mahalanobis"]}),
]


@pytest.fixture(scope="module", params=VARIANTS, ids=lambda given: f"{given[0]}-{'-'.join(map(str, given[1]))}")
def variant(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    found: tuple[str, dict[str, Any]] = request.param
    return found


@pytest.fixture(scope="module", params=[1, 2], ids=["one-channel", "two-channels"])
def detector(request: pytest.FixtureRequest, variant: tuple[str, dict[str, Any]]) -> Detector:
    kind, options = variant
    return models.create(kind, length=LENGTH, channels=request.param, **options).fit(waves(600, request.param, seed=1))


def test_learns(detector: Detector) -> None:
    clean = waves(100, detector.channels, seed=4)
    scores = detector.score(np.concatenate([clean, with_spike(clean)]))

    assert (scores >= 0).all()
    assert roc_auc_score(np.repeat([0, 1], 100), scores) > 0.98


def test_scores_as_the_library_that_fitted(detector: Detector) -> None:
    windows = with_spike(waves(50, detector.channels, seed=11))
    known = detector._known()

    expected = known.fitted.score(known.scaler.forward(windows))

    np.testing.assert_allclose(detector.score(windows), expected, rtol=1e-5)


def test_batches_of_any_size_score_the_same_bits(detector: Detector) -> None:
    windows = waves(1100, detector.channels, seed=12)
    whole = detector.score(windows)

    for size in (*range(1, 20), 33, 64, 100):
        np.testing.assert_array_equal(detector.score(windows[7 : 7 + size]), whole[7 : 7 + size])


def test_incomplete_and_huge_windows(detector: Detector) -> None:
    windows = waves(6, detector.channels, seed=9)
    windows[2, 3, 0] = np.nan
    windows[4, 0, -1] = np.inf
    windows[5] = 1e30

    scores = detector.score(windows)

    assert np.isnan(scores).tolist() == [False, False, True, False, True, False]
    assert scores[5] > 1e6  # infinite where it was squared


def test_windows_unlike_any_score_above_the_limit(detector: Detector) -> None:
    usual = waves(50, detector.channels, seed=15)
    centre, size = usual.mean(axis=(0, 1)), np.ptp(usual, axis=(0, 1))
    noise = np.random.default_rng(16).normal(0, 1, usual.shape).astype(np.float32)
    limit = detector.training_scores.limit(n_std=6)

    for far in (centre + 10 * (usual - centre), np.zeros_like(usual) + centre + 3 * size, centre + size * noise):
        assert (detector.score(far) > limit).mean() > 0.95


@pytest.mark.parametrize("windows", [waves(25, 2, seed=17), np.full((40, LENGTH, 2), 7.0)], ids=["few", "constant"])
def test_a_poor_past(variant: tuple[str, dict[str, Any]], windows: Any) -> None:
    kind, options = variant
    detector = models.create(kind, length=LENGTH, channels=2, **options).fit(windows)

    assert np.isfinite(detector.score(windows + 1)).all()
    assert 0 < detector.training_scores.limit(n_std=6) < np.inf


def test_same_seed_same_scores(variant: tuple[str, dict[str, Any]]) -> None:
    kind, options = variant
    windows = waves(100, 1, seed=3)
    one, same = (models.create(kind, length=LENGTH, channels=1, seed=5, **options).fit(windows) for _ in range(2))

    np.testing.assert_array_equal(one.score(windows), same.score(windows))


@pytest.mark.parametrize("length", [1, 2, 4])
def test_short_windows(variant: tuple[str, dict[str, Any]], length: int) -> None:
    kind, options = variant
    windows = np.random.default_rng(0).normal(size=(60, length, 1))

    assert np.isfinite(models.create(kind, length=length, channels=1, **options).fit(windows).score(windows)).all()
