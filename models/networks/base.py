"""What a network must be, and what those are that rebuild their input.

`Net` has a loss, a score and optimisers; `Autoencoder` is a net whose score is the error of a reconstruction.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from models.contract import Outputs
from models.graph import Graph
from models.networks.layers import sequential

WORSE = 4.0  # times the error of one window for all: a reconstruction that is none
ONE_SCORE = 1e-6  # of the largest score: a spread of scores that is none
Reduce = Callable[[Tensor], Tensor]  # losses (batch,) -> the one number to learn from
Optimizers = Sequence[torch.optim.Optimizer]


class Net(nn.Module, ABC):
    """A net over scaled windows (batch, length, channels). One architecture is one file: module, graph, loss, score.

    `config` is the instance of its options it was built with, everything filled in, so that the same net can be built
    again. The net is trained by torch and scores as an ONNX graph: `score` says what `outputs` must compute, which is
    checked after each training. In the graph a window is one row, (batch, length * channels).

    Training runs the epoch loop once per phase; a net that learns in several (features first, then an encoder) says
    how many, and `start` prepares each. Training on faults in the past repeats all phases with the clean windows.
    """

    largest_gradient: float | None = None  # norm to which a step's gradient is cut; None takes it as it is
    phases = 1
    settles = False  # True keeps the newest part of the windows from learning, for `settle`
    stops_early = True  # False keeps the last weights of all epochs: no held-out loss says which ones are best

    def __init__(self, length: int, channels: int, config: Any) -> None:
        super().__init__()
        self.config = config
        self.length = length
        self.channels = channels

    @abstractmethod
    def loss(self, x: Tensor) -> Tensor:
        """What training makes small, per window: (batch,). Windows unlike the others have a higher one.

        Training stops by it on held-out windows. Adversarial nets, which learn from several losses in `training_step`,
        give the one that says how normal a window is.
        """

    def surprise(self, x: Tensor) -> Tensor:
        """How far each window is from normal, on a ratio scale, (batch,): faults of the past stand apart by it.

        That is the loss, unless a loss has parts that are alike for all windows, such as the log of a variance.
        """
        return self.loss(x)

    @abstractmethod
    def score(self, x: Tensor) -> Tensor:
        """How abnormal each window is, (batch,): >= 0, higher is worse.

        Must treat each row on its own, and be NaN or infinite where a row of x holds NaN or infinity.
        """

    @abstractmethod
    def outputs(self, graph: Graph, x: str) -> Outputs:
        """Add `score`, and what else the kind gives, to the graph. See `models.contract.Fitted.outputs`."""

    def start(self, phase: int, windows: Tensor) -> None:
        """Called before the first epoch of each phase, from 0, with the windows (n, length, channels) learned from.

        It may freeze weights, and compute what the phase needs of all windows. `optimizers` is called after it.
        """

    def settle(self, aside: Tensor) -> None:
        """Called once after a training of a net that `settles`: what is estimated rather than learned.

        `aside` are clean windows that were neither learned from nor are held out: limits come from those.
        """

    def collapsed(self, windows: Tensor) -> str:
        """What a training has made useless, in words; empty for a sound net. Called once after each training.

        `windows` are some of those learned from. A training that collapses is repeated once at a lower rate. Here: one
        score for windows that differ.
        """
        score = self.score(windows)
        largest, spread = score.abs().max().item(), (score.max() - score.min()).item()
        well = torch.equal(windows, windows[:1].expand_as(windows)) or spread > ONE_SCORE * largest
        return "" if well or largest == 0 else "all windows have one score"

    def optimizers(self, learning_rate: float) -> Optimizers:
        """The optimisers that `training_step` drives."""
        return [torch.optim.Adam(self.parameters(), learning_rate)]

    def training_step(self, x: Tensor, optimizers: Optimizers, reduce: Reduce) -> Tensor:
        """Learn from one batch and return its loss. Nets with several players override this."""
        (optimizer,) = optimizers
        loss = reduce(self.loss(x))
        self.step(loss, optimizer)
        return loss.detach()

    def step(self, loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
        """One step of one optimiser down the gradient of a loss, ()."""
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        if self.largest_gradient is not None:
            nn.utils.clip_grad_norm_(self.parameters(), self.largest_gradient)
        optimizer.step()


class Autoencoder(Net):
    """A net that rebuilds its input; the score is the root mean square of the error, in scaled units.

    A net that is one layer after another, over windows as rows, sets `layers`; others define `forward` and `export`.
    """

    layers: nn.Sequential
    encoding = 0  # so many of `layers` make the latent vector that the net gives; 0 gives none

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

    def score(self, x: Tensor) -> Tensor:
        """See `Net.score`: the root of the mean contribution."""
        return self.contribution(x, self(x)).flatten(1).mean(1).sqrt()

    def export_score(self, graph: Graph, contribution: str) -> str:
        """Add `score` to the graph: from rows of contributions to (batch,)."""
        return graph.root_mean(contribution, self.length * self.channels)

    def outputs(self, graph: Graph, x: str) -> Outputs:
        """See `Net.outputs`."""
        code = None
        if self.encoding:
            code = sequential(graph, x, self.layers[: self.encoding])
            rebuilt = sequential(graph, code, self.layers[self.encoding :])
        else:
            rebuilt = self.export(graph, x)
        blame = self.export_contribution(graph, x, rebuilt)
        return Outputs(self.export_score(graph, blame), rebuilt, blame, code)

    def loss(self, x: Tensor) -> Tensor:
        """See `Net.loss`: mean squared error."""
        rebuilt: Tensor = self(x)
        return (x - rebuilt).square().flatten(1).mean(1)

    def collapsed(self, windows: Tensor) -> str:
        """See `Net.collapsed`: also a net that rebuilds windows far worse than their median does, in scaled units."""
        rebuilt: Tensor = self(windows)
        error, spread = ((windows - other).square().mean() for other in (rebuilt, windows.median(0).values))
        if error > WORSE * (1 + spread):
            return f"it rebuilds windows with an error of {error.sqrt():.3g}, their median with {spread.sqrt():.3g}"
        return super().collapsed(windows)
