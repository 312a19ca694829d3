"""Deep SVDD: the distance of a window's code from the centre of a small sphere that holds the normal ones.

Ruff et al. 2018, PMLR 80:4393. Phase 0 trains an autoencoder; phase 1 keeps its encoder, fixes the centre at the mean
code, with no coordinate nearer to 0 than `NEAREST`, and draws the codes to it. No layer has a bias, and none saturates:
otherwise all codes could become the centre. With `nu` > 0 (soft boundary) only codes outside the radius are drawn, and
the radius is the quantile 1 - nu of the distances in the last batch. Where this departs from the paper: the radius does
not wait for ten epochs to pass, and faults of the past are trimmed as for every net.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from models.contract import Outputs
from models.graph import Graph
from models.networks.base import Net, Optimizers, Reduce
from models.networks.deep_svdd_options import DeepSVDDConfig
from models.networks.layers import array, sequential
from models.networks.stacks import perceptron, power_of_two

NEAREST = 0.1  # to 0, of a coordinate of the centre
DECAY = 1e-6  # of the weights
SLOPE = 0.1  # of the rectifiers below 0
LEAST_VARIANCE = 1e-12  # of codes, as a share of that of the windows: below it all windows have one code


def default_widths(inputs: int) -> tuple[int, int, int]:
    """A half of the inputs as a power of two from 16 to 256, then half and a quarter of that: 140 -> 64, 32, 16."""
    widest = power_of_two(inputs // 2, least=16)
    return widest, widest // 2, widest // 4


class DeepSVDD(Net):
    """An encoder without biases, and the decoder that it was trained with at first."""

    phases = 2
    centre: Tensor  # (code,)
    radius: Tensor  # ()

    def __init__(self, length: int, channels: int, config: DeepSVDDConfig) -> None:
        hidden = config.hidden or default_widths(length * channels)
        super().__init__(length, channels, replace(config, hidden=hidden))
        widths = (length * channels, *hidden)
        self.encoder, self.decoder = (
            perceptron(way, lambda: nn.LeakyReLU(SLOPE), bias=False) for way in (widths, widths[::-1])
        )
        self.register_buffer("centre", torch.zeros(hidden[-1]))
        self.register_buffer("radius", torch.zeros(()))
        self._phase = 0

    def start(self, phase: int, windows: Tensor) -> None:
        """See `Net.start`."""
        self._phase = phase
        if phase == 1:
            with torch.no_grad():
                centre = self.encoder(windows.flatten(1)).mean(0)
                signs = torch.where(centre < 0, -1.0, 1.0)
                self.centre.copy_(torch.where(centre.abs() < NEAREST, NEAREST * signs, centre))
                self.radius.zero_()

    def optimizers(self, learning_rate: float) -> Optimizers:
        """See `Net.optimizers`."""
        return [torch.optim.Adam(self.parameters(), learning_rate, weight_decay=DECAY)]

    def _squared(self, x: Tensor) -> Tensor:
        distance: Tensor = (self.encoder(x.flatten(1)) - self.centre).square().sum(1)
        return distance

    def loss(self, x: Tensor) -> Tensor:
        """See `Net.loss`: the mean squared error in phase 0, then the squared distance from the centre."""
        if self._phase == 0:
            rows = x.flatten(1)
            error: Tensor = rows - self.decoder(self.encoder(rows))
            return error.square().mean(1)
        return self._squared(x)

    def training_step(self, x: Tensor, optimizers: Optimizers, reduce: Reduce) -> Tensor:
        """See `Net.training_step`. The radius is no weight: it follows the distances."""
        if self._phase == 0 or self.config.nu == 0:
            return super().training_step(x, optimizers, reduce)
        squared = self._squared(x)
        loss: Tensor = self.radius.square() + reduce((squared - self.radius.square()).clamp(min=0)) / self.config.nu
        self.step(loss, optimizers[0])
        self.radius.copy_(squared.detach().sqrt().quantile(1 - self.config.nu))
        return loss.detach()

    def score(self, x: Tensor) -> Tensor:
        """See `Net.score`."""
        return self._squared(x).sqrt()

    def collapsed(self, windows: Tensor) -> str:
        """See `Net.collapsed`."""
        rows = windows.flatten(1).double()
        codes = self.encoder(windows.flatten(1)).double()
        if codes.var(0).sum() > LEAST_VARIANCE * rows.var(0).sum():
            return ""
        return "all windows have the same code, at the centre of the sphere" if rows.var(0).sum() > 0 else ""

    def outputs(self, graph: Graph, x: str) -> Outputs:
        """See `Net.outputs`."""
        code = sequential(graph, x, self.encoder)
        difference = graph.node("Sub", code, graph.constant(array(self.centre)))
        width = self.config.hidden[-1]
        mean = graph.root_mean(graph.node("Mul", difference, difference), width)
        return Outputs(graph.node("Mul", mean, graph.constant(torch.tensor(float(width)).sqrt().numpy())))
