"""Every detector in the registry keeps the contract of `models`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

import models
from models.artefacts.data import Float32

if TYPE_CHECKING:
    from models.artefacts.scorer import Scorer
    from models.networks.detector import Detector

LENGTH = 16
SMALL: dict[str, dict[str, Any]] = {"dense": {}, "lstm": {"hidden": 12, "latent": 6, "learning_rate": 1e-2}}
TRAINING: dict[str, Any] = {"batch_size": 32, "keep": 0.8}
SPIKE = 5  # the step at which a spike is planted


def waves(count: int, channels: int, seed: int) -> Float32:
    """Sine waves of one period and any phase, each channel with a level and size of its own, and noise."""
    random = np.random.default_rng(seed)
    turns = np.arange(LENGTH) / LENGTH + random.random((count, 1))
    wave = np.sin(2 * np.pi * turns)[:, :, np.newaxis] + random.normal(0, 0.05, (count, LENGTH, channels))
    levels = np.array([80.0, -2.0])[:channels]
    sizes = np.array([4.0, 0.5])[:channels]
    return (levels + sizes * wave).astype(np.float32)


def with_spike(windows: Float32) -> Float32:
    """The windows with a spike in the last channel, as large as the wave."""
    spiked = windows.copy()
    spiked[:, SPIKE, -1] += 2 * np.ptp(windows[:, :, -1], axis=1)
    return spiked


@dataclass(frozen=True)
class Fitted:
    """A trained detector, fresh or saved and loaded again, and what it was made for."""

    channels: int
    trained: Detector
    detector: Detector | Scorer


def train(kind: str, channels: int, seed: int = 3, epochs: int = 30) -> Detector:
    """A small detector, fitted to clean waves."""
    options = {**TRAINING, **SMALL.get(kind, {}), "epochs": epochs}
    return models.create(kind, length=LENGTH, channels=channels, seed=seed, **options).fit(waves(600, channels, seed=1))


@pytest.fixture(scope="module", params=sorted(models.DETECTORS))
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module", params=[1, 2], ids=["one-channel", "two-channels"])
def trained(request: pytest.FixtureRequest, kind: str) -> Detector:
    return train(kind, request.param)


@pytest.fixture(scope="module", params=["trained", "loaded"])
def fitted(request: pytest.FixtureRequest, trained: Detector, tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    if request.param == "trained":
        return Fitted(trained.channels, trained, trained)
    folder = tmp_path_factory.mktemp("saved") / "artefact"
    trained.save(folder)
    return Fitted(trained.channels, trained, models.load(folder))


def test_shapes_and_types(fitted: Fitted) -> None:
    windows = waves(5, fitted.channels, seed=2)

    scores = fitted.detector.score(windows)
    rebuilt = fitted.detector.reconstruct(windows)
    shares = fitted.detector.explain(windows)

    assert (scores.shape, rebuilt.shape, shares.shape) == ((5,), windows.shape, windows.shape)
    assert {str(array.dtype) for array in (scores, rebuilt, shares)} == {"float32"}
    assert (scores >= 0).all()


def test_no_windows_are_no_scores(fitted: Fitted) -> None:
    nothing = np.empty((0, LENGTH, fitted.channels), np.float32)

    assert fitted.detector.score(nothing).shape == (0,)
    assert fitted.detector.reconstruct(nothing).shape == nothing.shape
    assert fitted.detector.explain(nothing).shape == nothing.shape


def test_learns(fitted: Fitted) -> None:
    clean = waves(100, fitted.channels, seed=4)
    scores = fitted.detector.score(np.concatenate([clean, with_spike(clean)]))

    assert roc_auc_score(np.repeat([0, 1], 100), scores) > 0.98
    spread = clean.std(axis=(0, 1))
    assert (np.abs(fitted.detector.reconstruct(clean) - clean).mean(axis=(0, 1)) < 0.6 * spread).all()


def test_clean_windows_stay_below_the_default_limit(fitted: Fitted) -> None:
    scores = fitted.detector.score(waves(200, fitted.channels, seed=5))

    assert (scores > fitted.detector.training_scores.limit()).mean() < 0.1


def test_explanation_sums_to_one_and_points_at_the_spike(fitted: Fitted) -> None:
    spiked = with_spike(waves(20, fitted.channels, seed=6))

    shares = fitted.detector.explain(spiked)

    assert (shares >= 0).all()
    np.testing.assert_allclose(shares.sum(axis=(1, 2)), 1, rtol=1e-5)
    blamed = shares.reshape(20, -1).argmax(axis=1)
    assert (blamed == SPIKE * fitted.channels + fitted.channels - 1).mean() >= 0.9


def test_same_seed_same_scores_and_another_seed_others(kind: str) -> None:
    windows = waves(50, 1, seed=7)
    one, same, other = (train(kind, 1, seed, epochs=2).score(windows) for seed in (0, 0, 1))

    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_saved_and_loaded_it_scores_the_same_bits(fitted: Fitted) -> None:
    windows = waves(50, fitted.channels, seed=8)

    for name in ("score", "reconstruct", "explain"):
        expected, found = (getattr(one, name)(windows) for one in (fitted.trained, fitted.detector))
        np.testing.assert_array_equal(expected, found)
    assert fitted.detector.training_scores == fitted.trained.training_scores


def test_scores_as_the_net_that_torch_trained(fitted: Fitted) -> None:
    windows = with_spike(waves(50, fitted.channels, seed=11))
    net, known = fitted.trained._net, fitted.trained._known()
    with torch.inference_mode():
        x = torch.from_numpy(known.scaler.forward(windows))
        rebuilt = net(x)

    np.testing.assert_allclose(fitted.detector.score(windows), net.score(x, rebuilt), rtol=1e-5)
    own_units = known.scaler.backward(rebuilt.numpy())
    np.testing.assert_allclose(fitted.detector.reconstruct(windows), own_units, rtol=1e-4)


@pytest.mark.parametrize("size", [*range(1, 20), 33, 64, 100])
def test_batches_of_any_size_score_the_same_bits(fitted: Fitted, size: int) -> None:
    windows = waves(1100, fitted.channels, seed=12)
    whole = fitted.detector.score(windows)

    np.testing.assert_array_equal(fitted.detector.score(windows[7 : 7 + size]), whole[7 : 7 + size])


def test_incomplete_windows_score_nan_and_leave_the_others_alone(fitted: Fitted) -> None:
    windows = waves(6, fitted.channels, seed=9)
    holed = windows.copy()
    holed[2, 3, 0] = np.nan
    holed[4, 0, -1] = np.inf

    scores = fitted.detector.score(holed)

    assert np.isnan(scores).tolist() == [False, False, True, False, True, False]
    others = [0, 1, 3, 5]
    np.testing.assert_array_equal(scores[others], fitted.detector.score(windows)[others])
    for ask in (fitted.detector.explain, fitted.detector.reconstruct):
        assert np.isnan(ask(holed)).all(axis=(1, 2)).tolist() == [False, False, True, False, True, False]


def test_huge_values_are_no_missing_ones(fitted: Fitted) -> None:
    windows = waves(2, fitted.channels, seed=9)
    windows[1] = 1e30

    assert fitted.detector.score(windows)[1] == np.inf


@pytest.mark.parametrize("shape", [(4, LENGTH), (4, LENGTH + 1, 1), (4, LENGTH, 3)])
def test_other_shapes_are_refused(fitted: Fitted, shape: tuple[int, ...]) -> None:
    with pytest.raises(models.ShapeError) as caught:
        fitted.detector.score(np.zeros(shape))

    assert str(shape) in str(caught.value)
    assert f"(n, {LENGTH}, {fitted.channels})" in str(caught.value)


def test_a_constant_channel_does_not_blow_up(kind: str) -> None:
    windows = waves(60, 2, seed=10)
    windows[:, :, 1] = 20.0
    detector = models.create(kind, length=LENGTH, channels=2, epochs=5, **SMALL.get(kind, {})).fit(windows)
    windows[0, :, 1] = 20.5

    assert np.isfinite(detector.score(windows)).all()
    assert 0 < detector.training_scores.limit() < np.inf


def test_asked_before_it_learned(kind: str) -> None:
    detector = models.create(kind, length=LENGTH, channels=1)

    for question in (detector.score, detector.reconstruct, detector.explain):
        with pytest.raises(models.NotFittedError, match="fit"):
            question(waves(2, 1, seed=0))
    with pytest.raises(models.NotFittedError, match="fit"):
        _ = detector.training_scores


def test_too_few_windows_to_learn_from(kind: str) -> None:
    windows = waves(30, 1, seed=0)
    windows[:12, 0, 0] = np.nan

    with pytest.raises(models.DataError, match="18 complete windows of 30"):
        models.create(kind, length=LENGTH, channels=1).fit(windows)
