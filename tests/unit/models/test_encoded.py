"""`features = "dense"`: a net is trained first, then a covariance, a mixture or a machine judges its code and error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import models
from models import registry
from models.detector import Detector
from tests.contract.test_detectors import LENGTH, waves, with_spike

KINDS = ("gmm", "mahalanobis", "ocsvm")


@pytest.fixture(scope="module")
def quick() -> Any:
    """The encoder learns for a few epochs."""
    patch = pytest.MonkeyPatch()
    made = registry.estimator

    def hurried(name: str, options: Any, seed: int, device: str = "auto") -> Any:
        few = {"epochs": 12, "learning_rate": 1e-2, "batch_size": 32} if name == "dense" else {}
        return made(name, {**options, **few}, seed, device)

    patch.setattr(registry, "estimator", hurried)
    yield
    patch.undo()


@pytest.fixture(scope="module", params=[(kind, channels) for kind in KINDS for channels in (1, 2)], ids=str)
def detector(request: pytest.FixtureRequest, quick: None) -> Detector:
    kind, channels = request.param
    made = models.create(kind, length=LENGTH, channels=channels, seed=1, features="dense")
    return made.fit(waves(300, channels, seed=1), progress=False)


def test_faults_rank_above_clean_windows(detector: Detector) -> None:
    clean = waves(100, detector.channels, seed=4)

    scores = detector.score(np.concatenate([clean, with_spike(clean)]))

    assert roc_auc_score(np.repeat([0, 1], 100), scores) > 0.98


def test_windows_unlike_any_score_above_the_limit(detector: Detector) -> None:
    """A code is bounded: the error beside it is not."""
    usual = waves(50, detector.channels, seed=15)
    centre, size = usual.mean(axis=(0, 1)), np.ptp(usual, axis=(0, 1))
    limit = detector.training_scores.limit(n_std=6)

    for far in (centre + 10 * (usual - centre), np.zeros_like(usual) + centre + 3 * size):
        assert (detector.score(far) > limit).mean() > 0.95


def test_any_batch_and_a_saved_one_score_the_same_bits(detector: Detector, tmp_path: Path) -> None:
    windows = waves(200, detector.channels, seed=12)
    whole = detector.score(windows)
    detector.save(tmp_path / "artefact")

    for size in (*range(1, 20), 33, 64, 100):
        np.testing.assert_array_equal(detector.score(windows[7 : 7 + size]), whole[7 : 7 + size], f"{size}")
    loaded = models.load(tmp_path / "artefact")
    np.testing.assert_array_equal(loaded.score(windows), whole)
    assert loaded.capabilities == detector.capabilities


def test_incomplete_windows_have_no_score(detector: Detector) -> None:
    windows = waves(3, detector.channels, seed=9)
    windows[1, 3, 0] = np.nan

    assert np.isnan(detector.score(windows)).tolist() == [False, True, False]


def test_it_says_that_it_needs_pytorch_to_learn_and_explains_nothing(detector: Detector) -> None:
    can = detector.capabilities

    assert (can.trains_with, can.explains, can.engine) == ("torch", False, "onnx")
    assert detector.explain(waves(2, detector.channels, seed=1)) is None


def test_an_ensemble_of_nets_says_so_too() -> None:
    ways = [models.registry.capabilities("ensemble", {"members": members}) for members in (["pca"], ["pca", "dense"])]

    assert [can.trains_with for can in ways] == ["scikit-learn", "torch"]


def test_nets_inside_take_the_device() -> None:
    for kind, options in (("gmm", {"features": "dense"}), ("ensemble", {"members": ["dense"]})):
        with pytest.raises(models.ConfigError, match="device = 'cuda:99' is not present"):
            models.create(kind, length=LENGTH, channels=1, device="cuda:99", **options)
