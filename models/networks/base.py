"""What an architecture must be: a net that rebuilds its input, with its own loss, score and optimisers."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from models.graph import Graph
from models.networks.layers import sequential

Reduce = Callable[[Tensor], Tensor]  # losses (batch,) -> the one number to learn from
Optimizers = Sequence[torch.optim.Optimizer]


class Autoencoder(nn.Module, ABC):
    """A net over scaled windows (batch, length, channels). One architecture is one file: module, graph, loss, score.

    `config` is the instance of its options it was built with, everything filled in, so that the same net can be built
    again. The net is trained by torch and scores as an ONNX graph: `forward`, `score` and `contribution` say what
    `export`, `export_score` and `export_contribution` must compute, which is checked after each training. In the
    graph a window is one row, (batch, length * channels).

    A net that is one layer after another, over windows as rows, sets `layers`; others define `forward` and `export`.
    """

    layers: nn.Sequential
    largest_gradient: float | None = None  # norm to which a step's gradient is cut; None takes it as it is

    def __init__(self, length: int, channels: int, config: Any) -> None:
        super().__init__()
        self.config = config
        self.length = length
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        """The reconstruction of x, same shape."""
        rebuilt: Tensor = self.layers(x.flatten(1))  # (batch, length * channels)
        return rebuilt.view_as(x)

    def export(self, graph: Graph, x: str) -> str:
        """Add `forward` to the graph; from and to rows. Rows must not depend on one another, not in the last bit."""
        return sequential(graph, x, self.layers)

    def contribution(self, x: Tensor, reconstruction: Tensor) -> Tensor:
        """How much each cell adds to the score, >= 0, same shape as x."""
        return (x - reconstruction).square()

    def export_contribution(self, graph: Graph, x: str, reconstruction: str) -> str:
        """Add `contribution` to the graph; from and to rows."""
        difference = graph.node("Sub", x, reconstruction)
        return graph.node("Mul", difference, difference)

    def score(self, x: Tensor, reconstruction: Tensor) -> Tensor:
        """How badly each window is rebuilt, (batch,): >= 0, higher is worse. Root mean square, in scaled units.

        Must treat each row on its own, and be NaN or infinite where a row of x holds NaN or infinity.
        """
        return self.contribution(x, reconstruction).flatten(1).mean(1).sqrt()

    def export_score(self, graph: Graph, x: str, reconstruction: str, contribution: str) -> str:
        """Add `score` to the graph: from rows to (batch,)."""
        return graph.root_mean(contribution, self.length * self.channels)

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
        if self.largest_gradient is not None:
            nn.utils.clip_grad_norm_(self.parameters(), self.largest_gradient)
        optimizer.step()
        return loss.detach()
