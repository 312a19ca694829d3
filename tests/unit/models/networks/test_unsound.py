"""A training that diverges or collapses is repeated once at a lower rate, then reported; nothing of it is kept."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

import models
from models.errors import ConfigError, TrainingError
from models.networks.base import Optimizers, Reduce
from models.networks.dense import Dense
from models.networks.dense_options import DenseConfig
from models.networks.estimator import NetworkEstimator
from models.networks.training_options import TrainingConfig

PARTS = np.random.default_rng(0).normal(size=(2, 40, 8, 1)).astype(np.float32)


class Steep(Dense):
    """Its weights become infinite at rates of 1 and more."""

    def training_step(self, x: Tensor, optimizers: Optimizers, reduce: Reduce) -> Tensor:
        loss = super().training_step(x, optimizers, reduce)
        if optimizers[0].param_groups[0]["lr"] >= 1:
            with torch.no_grad():
                next(self.parameters()).fill_(torch.nan)
        return loss


class Narrow(Dense):
    def collapsed(self, windows: Tensor) -> str:
        return f"all {len(windows)} windows have one code"


def estimator(net: type[Dense], rate: float, device: str = "cpu") -> NetworkEstimator:
    training = TrainingConfig(epochs=2, learning_rate=rate, keep=1.0)
    return NetworkEstimator(net, DenseConfig(), training, seed=0, device=device)


def test_a_training_that_diverged_is_repeated_at_a_tenth_of_the_rate() -> None:
    fitted = estimator(Steep, 1.0).fit(*PARTS, progress=False)

    assert "diverged" in fitted.history.retried
    assert fitted.options["learning_rate"] == pytest.approx(0.1)
    assert all(np.isfinite(weights).all() for weights in fitted.weights().values())


def test_one_that_diverges_again_is_reported_with_both_rates() -> None:
    with pytest.raises(TrainingError, match=r"diverged.*learning_rate = 10: .*another detector"):
        estimator(Steep, 10.0).fit(*PARTS, progress=False)


def test_a_collapse_says_what_the_net_says() -> None:
    with pytest.raises(TrainingError, match="collapsed: all 40 windows have one code"):
        estimator(Narrow, 0.01).fit(*PARTS, progress=False)


def test_a_sound_training_is_not_repeated() -> None:
    assert estimator(Dense, 0.01).fit(*PARTS, progress=False).history.retried == ""


def test_a_device_that_is_not_present_is_refused() -> None:
    with pytest.raises(ConfigError, match="device = 'cuda:99' is not present; here there is cpu"):
        estimator(Dense, 0.01, device="cuda:99")


@pytest.mark.parametrize(("gpus", "batch_size", "chosen"), [(1, 64, "cpu"), (2, 512, "cuda:0"), (0, 512, "cpu")])
def test_a_gpu_is_chosen_for_large_batches_only(
    monkeypatch: pytest.MonkeyPatch, gpus: int, batch_size: int, chosen: str
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)

    made = NetworkEstimator(Dense, DenseConfig(), TrainingConfig(batch_size=batch_size), seed=0)

    assert made._device == chosen


@pytest.mark.parametrize("kind", ["dense", "sparse", "denoising", "conv", "unet", "lstm", "forecast"])
@pytest.mark.parametrize("rate", [100.0, 1e9])
def test_a_net_that_rebuilds_nothing_is_not_kept(kind: str, rate: float) -> None:
    windows = np.random.default_rng(0).normal(size=(200, 16, 1)).astype(np.float32)
    detector = models.create(kind, length=16, channels=1, learning_rate=rate, epochs=2)

    with pytest.raises(TrainingError, match=r"collapsed|diverged"):
        detector.fit(windows, progress=False)


class Alike(Dense):
    def score(self, x: Tensor) -> Tensor:
        return 1 + 0 * super().score(x)


def test_a_net_with_one_score_for_all_windows_is_not_kept() -> None:
    with pytest.raises(TrainingError, match="collapsed: all windows have one score"):
        estimator(Alike, 0.01).fit(*PARTS, progress=False)
