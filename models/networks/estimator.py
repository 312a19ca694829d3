"""Networks as the contract of `models` has them: torch trains a net, which then writes itself as a graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any

import torch
from numpy.typing import NDArray

from models.artefacts.data import Float32
from models.contract import History, Outputs
from models.errors import ConfigError, TrainingError
from models.graph import Graph
from models.networks.base import Net
from models.networks.given import Given
from models.networks.layers import array
from models.networks.training import seeded, train
from models.networks.training_options import TrainingConfig

SLOWER = 10  # how much the learning rate is lowered after a training that diverged or collapsed
GPU_BATCH = 512  # windows in a batch from which a GPU is not slower; at 64 it takes twice the time (docs/detectors.md)


class NetworkEstimator:
    """Trains nets of one architecture. See `models.contract.Estimator`.

    A kind with an option `given` has the last so many channels as conditions, and its net is one of the others.
    `device` is `auto`, for a GPU where there is one and batches are large enough for it, or a device of torch: `cpu`,
    `cuda`, `cuda:1`. Raises ConfigError for one that is not present.
    """

    def __init__(
        self, net_class: type[Net], config: Any, training: TrainingConfig, seed: int, device: str = "auto"
    ) -> None:
        self._net_class, self._config, self._training, self._seed = net_class, config, training, seed
        self._device = _present(device, training.batch_size)

    @property
    def validation(self) -> float:
        """See `Estimator.validation`."""
        return self._training.validation

    def fit(self, learn: Float32, held_out: Float32, *, progress: bool | None = None) -> FittedNet:
        """See `Estimator.fit`. A training that fails is repeated once at a lower rate.

        Raises TrainingError where that fails too.
        """
        try:
            return self._fit(learn, held_out, self._training, progress)
        except TrainingError as error:
            first = error
        slower = replace(self._training, learning_rate=self._training.learning_rate / SLOWER)
        try:
            fitted = self._fit(learn, held_out, slower, progress)
        except TrainingError as error:
            raise TrainingError(
                f"{error}; before, at learning_rate = {self._training.learning_rate:g}: {first}. Train on a longer "
                "history, or choose another detector"
            ) from error
        fitted.history = replace(fitted.history, retried=str(first))
        return fitted

    def _fit(self, learn: Float32, held_out: Float32, training: TrainingConfig, progress: bool | None) -> FittedNet:
        _, length, channels = learn.shape
        given = getattr(self._config, "given", 0)
        with seeded(self._seed):
            net = self._net_class(length, channels - given, self._config)
            if given:
                net = Given(net, given)
        windows, rest = (torch.from_numpy(part).to(self._device) for part in (learn, held_out))
        # Nets this small gain nothing from a second thread, and lose much beside a busy process. On a GPU the
        # convolutions of cuDNN do not give the same bits again.
        with one_thread(), torch.backends.cudnn.flags(enabled=False):
            history = train(net, windows, rest, training, seed=self._seed, progress=progress)
        return FittedNet(net, training, history)


class FittedNet:
    """A trained net. See `models.contract.Fitted`."""

    def __init__(self, net: Net, training: TrainingConfig, history: History) -> None:
        self.net = net
        self.history = history
        self._training = training

    @property
    def options(self) -> Mapping[str, Any]:
        """See `Fitted.options`."""
        return {**asdict(self.net.config), **asdict(self._training)}

    def outputs(self, graph: Graph, x: str) -> Outputs:
        """See `Fitted.outputs`."""
        return self.net.outputs(graph, x)

    def score(self, windows: Float32) -> Float32:
        """See `Fitted.score`."""
        with one_thread(), torch.inference_mode():
            return self.net.score(torch.from_numpy(windows)).numpy()

    def weights(self) -> Mapping[str, NDArray[Any]]:
        """See `Fitted.weights`."""
        return {name: array(tensor) for name, tensor in self.net.state_dict().items()}


def _present(device: str, batch_size: int) -> str:
    gpus = [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    if device == "auto":
        return gpus[0] if gpus and batch_size >= GPU_BATCH else "cpu"
    known = ["cpu", *(["cuda"] if gpus else []), *gpus]
    if device not in known:
        why = "" if gpus else "; PyTorch finds no GPU with CUDA"
        raise ConfigError(f"device = {device!r} is not present; here there is {', '.join(known)}, or write auto{why}")
    return device


@contextmanager
def one_thread() -> Iterator[None]:
    """Gives torch one thread inside the block."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
