"""An epoch of the product's training against the plainest loop over the same net, windows and batches."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from models import registry
from models.artefacts.data import split
from models.contract import HELD_OUT
from models.networks.base import Autoencoder
from models.networks.training import train
from models.networks.training_options import TrainingConfig
from tests.benchmarks.plant import LENGTH, NOISE, RATE
from tests.benchmarks.report import ratios

EPOCHS = 5  # in each of the product's two runs


def epoch(kind: str, windows: str, rounds: str) -> dict[str, Any]:
    """Seconds of an epoch over those of the plainest loop; `windows` are given, the product holds some of them out."""
    torch.set_num_threads(1)
    learn, held_out = (torch.from_numpy(part) for part in split(_waves(int(windows)), HELD_OUT))
    config = TrainingConfig(epochs=EPOCHS)
    seconds: list[float] = []

    def plainest() -> float:
        net = _net(kind)
        return _timed(lambda: _plain_epochs(net, learn, config)) / EPOCHS

    def product() -> float:
        net = _net(kind)
        began = time.perf_counter()
        history = train(net, learn, held_out, config, progress=False)
        seconds.append((time.perf_counter() - began) / len(history.train))
        return seconds[-1]

    plainest(), product()  # the first steps of a process are slow
    (ratio,) = ratios([plainest, product], int(rounds))
    return {"ratio": ratio, "seconds": round(float(np.median(seconds)), 3)}


def _plain_epochs(net: Autoencoder, windows: Tensor, config: TrainingConfig) -> None:
    optimizer = torch.optim.Adam(net.parameters(), config.learning_rate)
    for _ in range(EPOCHS):
        for start in range(0, len(windows), config.batch_size):
            batch = windows[start : start + config.batch_size]
            optimizer.zero_grad()
            loss = mse_loss(net(batch), batch)
            torch.autograd.backward(loss)
            optimizer.step()


def _net(kind: str) -> Autoencoder:
    options, _ = registry.configs(kind, {})
    net: Autoencoder = registry.resolve(registry.kind_of(kind).made_by)(LENGTH, 1, options)
    return net


def _waves(count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """The noisy sine of the benchmarks, at any phase: (count, LENGTH, 1)."""
    random = np.random.default_rng(0)
    steps = np.arange(LENGTH) + random.uniform(0, 2 * np.pi * RATE, (count, 1))
    return (np.sin(steps / RATE) + random.normal(0, NOISE, steps.shape)).astype(np.float32)[:, :, None]


def _timed(action: Any) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began
