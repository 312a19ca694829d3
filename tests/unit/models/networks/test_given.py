"""Channels that are given are neither rebuilt nor scored, and the others are judged relative to them."""

from __future__ import annotations

import numpy as np
import pytest

import models
from models.artefacts.data import Float32
from models.detector import Detector
from models.networks.dense import Dense
from models.networks.dense_options import DenseConfig
from models.networks.given import Given

LENGTH = 12


def machine(count: int, seed: int) -> Float32:
    """A temperature that follows the square of the load, 20 to 50 degrees, and the load in percent."""
    random = np.random.default_rng(seed)
    turns = np.arange(LENGTH) / LENGTH + random.random((count, 1))
    load = random.random((count, 1)) + 0.1 * np.sin(2 * np.pi * turns)
    temperature = 20 + 30 * load**2 + random.normal(0, 0.5, (count, LENGTH))
    return np.stack([temperature, 100 * load], axis=2).astype(np.float32)


@pytest.fixture(scope="module")
def detector() -> Detector:
    return models.create("dense", length=LENGTH, channels=2, given=1, epochs=40).fit(machine(600, seed=1))


def test_a_usual_value_under_the_wrong_condition_is_an_anomaly(detector: Detector) -> None:
    """The temperatures of other loads: each has been seen, none with this load."""
    usual = machine(200, seed=2)
    warm = usual[:, :, 0].mean(axis=1) > 32
    faulty = usual.copy()
    faulty[:, :, 0] += np.where(warm, -9, 9)[:, np.newaxis]
    limit = detector.training_scores.limit(n_std=6)

    assert (detector.score(usual) > limit).mean() < 0.05
    assert (detector.score(faulty) > limit).mean() > 0.95


def test_a_given_channel_has_no_share_in_the_score_and_is_expected_as_it_is(detector: Detector) -> None:
    windows = machine(50, seed=3)
    windows[:, 4, 1] += 300
    shares, rebuilt = detector.explain(windows), detector.reconstruct(windows)

    assert shares is not None
    assert rebuilt is not None
    assert (shares[:, :, 1] == 0).all()
    np.testing.assert_allclose(shares.sum(axis=(1, 2)), 1, rtol=1e-5)
    np.testing.assert_allclose(rebuilt[:, :, 1], windows[:, :, 1], rtol=1e-4)


def test_a_given_channel_counts_only_by_what_it_predicts() -> None:
    """Where the others do not depend on it, a fault of a given channel moves the score as little as noise does."""
    random = np.random.default_rng(4)
    windows = machine(600, seed=4)
    windows[:, :, 1] = random.normal(0, 1, windows.shape[:2])
    detector = models.create("dense", length=LENGTH, channels=2, given=1, epochs=40).fit(windows)
    faulty = windows[:200].copy()
    faulty[:, 4, 1] += 8
    limit = detector.training_scores.limit(n_std=6)

    assert (detector.score(faulty) > limit).mean() < 0.05
    faulty[:, 4, 0] += 80
    assert (detector.score(faulty) > limit).mean() > 0.95


def test_the_net_has_the_channels_that_are_judged() -> None:
    net = Given(Dense(LENGTH, 2, DenseConfig(given=3)), 3)

    assert (net.channels, net.net.channels, net.phases) == (5, 2, 2)
    assert net.config.given == 3


@pytest.mark.parametrize(("given", "message"), [(2, "given = 2 of 2 channels"), (-1, "given = -1; write how many")])
def test_a_channel_must_be_left_to_judge(given: int, message: str) -> None:
    with pytest.raises(models.ConfigError, match=message):
        models.create("dense", length=LENGTH, channels=2, given=given)


def test_a_condition_that_steps_explains_steps() -> None:
    """A load that is constant within a window makes all its readings alike: the relation is found nevertheless."""
    steps = np.arange(1200)
    load = np.where(steps // 85 % 2 == 0, 5.0, 15.0)
    speed = np.sin(steps / 4) + load + np.random.default_rng(0).normal(0, 0.05, 1200)
    series = np.stack([speed, load], axis=1).astype(np.float32)
    windows = np.stack([series[at : at + 24] for at in range(0, 1177, 2)])
    detector = models.create("dense", length=24, channels=2, given=1, epochs=30).fit(windows[:350])

    limit = detector.training_scores.limit(n_std=6)
    broken = windows[350:].copy()
    broken[:, 12:, 0] += 8

    assert (detector.score(windows[350:]) > limit).mean() < 0.3
    assert (detector.score(broken) > limit).mean() > 0.9
