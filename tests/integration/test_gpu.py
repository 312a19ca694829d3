"""Every net learns on a GPU where there is one, twice the same, and scores on the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import models

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU with CUDA is present")

LENGTH = 16
NETS = sorted(name for name, kind in models.DETECTORS.items() if kind.capabilities.epochs)


def waves(count: int, channels: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Sine waves of any phase and some noise, (n, LENGTH, channels)."""
    random = np.random.default_rng(0)
    turns = np.arange(LENGTH) / LENGTH + random.random((count, 1))
    noise = random.normal(0, 0.1, (count, LENGTH, channels))
    return (np.sin(2 * np.pi * turns)[:, :, None] + noise).astype(np.float32)


@pytest.mark.parametrize("kind", NETS)
def test_it_learns_on_the_gpu_twice_the_same(kind: str) -> None:
    windows = waves(200, channels=2)
    made = [models.create(kind, length=LENGTH, channels=2, device="cuda", epochs=3) for _ in range(2)]

    one, two = (detector.fit(windows, progress=False).score(windows) for detector in made)

    assert np.isfinite(one).all()
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("kind", ["dense", "conv", "vae", "ganomaly", "gan"])
def test_given_channels_are_learned_on_the_gpu(kind: str) -> None:
    windows = waves(200, channels=3)
    detector = models.create(kind, length=LENGTH, channels=3, device="cuda", epochs=3, given=1)

    assert np.isfinite(detector.fit(windows, progress=False).score(windows)).all()


@pytest.mark.parametrize(
    ("kind", "options"), [("mahalanobis", {"features": "dense"}), ("ensemble", {"members": [{"kind": "dense"}]})]
)
def test_nets_inside_other_kinds_learn_on_the_gpu(kind: str, options: dict[str, Any]) -> None:
    windows = waves(60, channels=1)
    made = [models.create(kind, length=LENGTH, channels=1, device="cuda", **options) for _ in range(2)]

    one, two = (detector.fit(windows, progress=False).score(windows) for detector in made)

    assert np.isfinite(one).all()
    np.testing.assert_array_equal(one, two)
