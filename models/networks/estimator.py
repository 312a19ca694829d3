"""Networks as the contract of `models` has them: torch trains a net, which then writes itself as a graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import torch
from numpy.typing import NDArray

from models.artefacts.data import Float32
from models.contract import History, Outputs
from models.graph import Graph
from models.networks.base import Autoencoder
from models.networks.layers import array
from models.networks.training import seeded, train
from models.networks.training_options import TrainingConfig


class NetworkEstimator:
    """Trains nets of one architecture. See `models.contract.Estimator`."""

    def __init__(self, net_class: type[Autoencoder], config: Any, training: TrainingConfig, seed: int) -> None:
        self._net_class, self._config, self._training, self._seed = net_class, config, training, seed

    @property
    def validation(self) -> float:
        """See `Estimator.validation`."""
        return self._training.validation

    def fit(self, learn: Float32, held_out: Float32, *, progress: bool | None = None) -> FittedNet:
        """See `Estimator.fit`."""
        _, length, channels = learn.shape
        with seeded(self._seed):
            net = self._net_class(length, channels, self._config)
        parts = (torch.from_numpy(learn), torch.from_numpy(held_out))
        with _one_thread():  # nets this small gain nothing from a second one, and lose much beside a busy process
            history = train(net, *parts, self._training, seed=self._seed, progress=progress)
        return FittedNet(net, self._training, history)


class FittedNet:
    """A trained net. See `models.contract.Fitted`."""

    def __init__(self, net: Autoencoder, training: TrainingConfig, history: History) -> None:
        self.net = net
        self.history = history
        self._training = training

    @property
    def options(self) -> Mapping[str, Any]:
        """See `Fitted.options`."""
        return {**asdict(self.net.config), **asdict(self._training)}

    def outputs(self, graph: Graph, x: str) -> Outputs:
        """See `Fitted.outputs`."""
        rebuilt = self.net.export(graph, x)
        blame = self.net.export_contribution(graph, x, rebuilt)
        return Outputs(self.net.export_score(graph, x, rebuilt, blame), rebuilt, blame)

    def score(self, windows: Float32) -> Float32:
        """See `Fitted.score`."""
        with _one_thread(), torch.inference_mode():
            x = torch.from_numpy(windows)
            return self.net.score(x, self.net(x)).numpy()

    def weights(self) -> Mapping[str, NDArray[Any]]:
        """See `Fitted.weights`."""
        return {name: array(tensor) for name, tensor in self.net.state_dict().items()}


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
