"""What an architecture must be: a net that rebuilds its input, with its own loss, score and optimisers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

Reduce = Callable[[Tensor], Tensor]  # losses (batch,) -> the one number to learn from
Optimizers = Sequence[torch.optim.Optimizer]


class Autoencoder(nn.Module, ABC):
    """A net over scaled windows (batch, length, channels). One architecture is one file: config, module, loss, score.

    `config_class` is its frozen dataclass of options, each with a default; `config` the instance it was built with,
    everything filled in, so that the same net can be built again; `chunk` the rows scored at once.
    """

    config_class: ClassVar[type[Any]]
    chunk: ClassVar[int]

    def __init__(self, length: int, channels: int, config: Any) -> None:
        super().__init__()
        self.config = config
        self.length = length
        self.channels = channels

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """The reconstruction of x, same shape."""

    def contribution(self, x: Tensor, reconstruction: Tensor) -> Tensor:
        """How much each cell adds to the score, >= 0, same shape as x."""
        return (x - reconstruction).square()

    def score(self, x: Tensor, reconstruction: Tensor) -> Tensor:
        """How badly each window is rebuilt, (batch,): >= 0, higher is worse. Root mean square, in scaled units.

        Must treat each row on its own, so that a score does not depend on the windows scored beside it.
        """
        return self.contribution(x, reconstruction).flatten(1).mean(1).sqrt()

    def loss(self, x: Tensor) -> Tensor:
        """What training makes small, per window: (batch,). Mean squared error."""
        rebuilt: Tensor = self(x)
        return (x - rebuilt).square().flatten(1).mean(1)

    def optimizers(self, learning_rate: float) -> Optimizers:
        """The optimisers that `training_step` drives."""
        return [torch.optim.Adam(self.parameters(), learning_rate)]

    def training_step(self, x: Tensor, optimizers: Optimizers, reduce: Reduce) -> Tensor:
        """Learn from one batch and return its loss. Models with several players override this, and nothing else."""
        (optimizer,) = optimizers
        loss = reduce(self.loss(x))
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        return loss.detach()
