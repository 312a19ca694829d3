"""Skip-GANomaly: a U-Net rebuilds windows; the error counts in the window and in the features of a discriminator.

Akcay, Atapour-Abarghouei and Breckon 2019, arXiv 1901.08954. The generator's loss is 1 * BCE(D(x'), real) + 40 *
|x - x'| + 1 * |f(x) - f(x')|^2 (means), the score .9 * R + .1 * L, with R the mean square of x - x' and L that of
f(x) - f(x'). Departures:

- The root of the score is taken, and none is scaled by the scores beside it, as in the published code.
- A skip copies what it is to find. There is none at full width, and in training a share of the cells is hidden.
- Dense layers without batch normalisation instead of two-dimensional convolutions with it; those of the generator end
  in tanh, so that it stays bounded.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.contract import Outputs
from models.graph import Graph, weighted
from models.networks.adversarial import (
    Discriminator,
    adam,
    all_alike,
    as_fake,
    as_real,
    code_size,
    hidden_widths,
)
from models.networks.base import Net, Optimizers, Reduce
from models.networks.layers import sequential
from models.networks.skip_ganomaly_options import SkipGanomalyConfig

CONTEXT = 40.0  # weight of the reconstruction; the other two losses have 1
OF_RESIDUAL, OF_FEATURES = 0.9, 0.1  # of the score


class SkipGanomaly(Net):
    """Down in three steps and up again, each step up beside the layer of its width on the way down."""

    def __init__(self, length: int, channels: int, config: SkipGanomalyConfig) -> None:
        super().__init__(length, channels, config)
        inputs = length * channels
        wide, narrow = hidden_widths(inputs)
        code = code_size(inputs)
        self.wide, self.narrow, self.bottom = _step(inputs, wide), _step(wide, narrow), _step(narrow, code)
        self.up, self.up_again = _step(code, narrow), _step(2 * narrow, wide)
        self.last = nn.Sequential(nn.Linear(2 * wide, inputs))
        self.discriminator = Discriminator(inputs)

    def forward(self, rows: Tensor) -> Tensor:
        """The reconstruction of rows, same shape."""
        wide = self.wide(rows)
        narrow = self.narrow(wide)
        up = torch.cat([self.up(self.bottom(narrow)), narrow], 1)
        rebuilt: Tensor = self.last(torch.cat([self.up_again(up), wide], 1))
        return rebuilt

    def loss(self, x: Tensor) -> Tensor:
        """See `Net.loss`: mean absolute error of the reconstruction."""
        rows = x.flatten(1)
        rebuilt: Tensor = self(rows)
        return (rows - rebuilt).abs().mean(1)

    def training_step(self, x: Tensor, optimizers: Optimizers, reduce: Reduce) -> Tensor:
        """The generator, then the discriminator."""
        of_generator, of_discriminator = optimizers
        rows = x.flatten(1)
        rebuilt: Tensor = self(rows * (torch.rand_like(rows) >= self.config.masked))
        judge = self.discriminator
        features = judge.feature_error(rows, rebuilt)
        loss = reduce(as_real(judge(rebuilt)) + CONTEXT * (rows - rebuilt).abs().mean(1) + features)
        self.step(loss, of_generator)
        self.step(reduce(as_real(judge(rows)) + as_fake(judge(rebuilt.detach()))), of_discriminator)
        return loss.detach()

    def optimizers(self, learning_rate: float) -> Optimizers:
        """See `Net.optimizers`: one for each player."""
        generator = (self.wide, self.narrow, self.bottom, self.up, self.up_again, self.last)
        return [adam(learning_rate, *generator), adam(learning_rate, self.discriminator)]

    def score(self, x: Tensor) -> Tensor:
        """See `Net.score`: the root of .9 * R + .1 * L."""
        rows = x.flatten(1)
        rebuilt: Tensor = self(rows)
        of_features = self.discriminator.feature_error(rows, rebuilt)
        return (OF_RESIDUAL * (rows - rebuilt).square().mean(1) + OF_FEATURES * of_features).sqrt()

    def outputs(self, graph: Graph, x: str) -> Outputs:
        """See `Net.outputs`."""
        wide = sequential(graph, x, self.wide)
        narrow = sequential(graph, wide, self.narrow)
        up = sequential(graph, sequential(graph, narrow, self.bottom), self.up)
        again = sequential(graph, graph.node("Concat", up, narrow, axis=1), self.up_again)
        rebuilt = sequential(graph, graph.node("Concat", again, wide, axis=1), self.last)
        seen, made = (sequential(graph, rows, self.discriminator.features) for rows in (x, rebuilt))
        residual = graph.mean_square(x, rebuilt, self.length * self.channels)
        features = graph.mean_square(seen, made, hidden_widths(self.length * self.channels)[-1])
        return Outputs(graph.node("Sqrt", weighted(graph, [(OF_RESIDUAL, residual), (OF_FEATURES, features)])), rebuilt)

    def collapsed(self, windows: Tensor) -> str:
        """See `Net.collapsed`."""
        rows = windows.flatten(1)
        return "all windows have the same reconstruction" if all_alike(self(rows), rows) else ""


def _step(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, outputs), nn.Tanh())
