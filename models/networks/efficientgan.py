"""Efficient GAN (EGBAD): a bidirectional GAN learns to encode and to generate, against pairs of window and code.

Zenati 2018, arXiv 1802.06222, on Donahue 2017 (BiGAN), arXiv 1605.09782. The discriminator separates (x, E(x)) from
(G(z), z) by binary cross-entropy; E and G play against it. The score is .9 * |x - G(E(x))| +
.1 * |f(x, E(x)) - f(G(E(x)), E(x))| (sums, f are the discriminator's features), here per cell of the window, by
averages of all weights with decay .999. Departures:

- `cycle` * |x - G(E(x))| (mean) is added to the loss of E and G (Li 2017, arXiv 1709.01215): pairs alone leave what is
  made of a code a window of the right kind, but not the one that was encoded. 0 leaves it out.
- The decay of step t is at most (1 + t) / (10 + t), so that after few steps the first, random weights do not count.
- Dense layers without batch normalisation.
"""

from __future__ import annotations

from copy import deepcopy

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
    encoder,
    generator,
    hidden_widths,
)
from models.networks.base import Net, Optimizers, Reduce
from models.networks.efficientgan_options import EfficientganConfig
from models.networks.layers import sequential

DECAY = 0.999
OF_RESIDUAL, OF_FEATURES = 0.9, 0.1  # of the score


class Players(nn.Module):
    """E, G and the discriminator of pairs."""

    def __init__(self, inputs: int, code: int) -> None:
        super().__init__()
        self.encoder, self.generator = encoder(inputs, code), generator(code, inputs)
        self.discriminator = Discriminator(inputs + code)

    def score(self, rows: Tensor) -> Tensor:
        """See `Efficientgan`, (batch,)."""
        code = self.encoder(rows)
        rebuilt = self.generator(code)
        seen, made = (self.discriminator.features(torch.cat([part, code], 1)) for part in (rows, rebuilt))
        of_features: Tensor = (seen - made).abs().sum(1)
        residual: Tensor = (rows - rebuilt).abs().sum(1)
        return (OF_RESIDUAL * residual + OF_FEATURES * of_features) / rows.shape[1]


class Efficientgan(Net):
    """The players that learn, and averages of them that score."""

    stops_early = False  # averages settle while the players go on

    def __init__(self, length: int, channels: int, config: EfficientganConfig) -> None:
        super().__init__(length, channels, config)
        self.code = code_size(length * channels)
        self.players = Players(length * channels, self.code)
        self.averages = deepcopy(self.players).requires_grad_(False)
        self._steps = 0

    def loss(self, x: Tensor) -> Tensor:
        """See `Net.loss`: the score."""
        return self.score(x)

    def training_step(self, x: Tensor, optimizers: Optimizers, reduce: Reduce) -> Tensor:
        """The discriminator, then the encoder and the generator, then the averages."""
        of_makers, of_discriminator = optimizers
        rows, players, judge = x.flatten(1), self.players, self.players.discriminator
        noise = x.new_empty(len(x), self.code).normal_()
        code, made = players.encoder(rows), players.generator(noise)
        real, fake = torch.cat([rows, code], 1), torch.cat([made, noise], 1)
        self.step(reduce(as_real(judge(real.detach()))) + as_fake(judge(fake.detach())).mean(), of_discriminator)
        residual = (rows - players.generator(code)).abs().mean(1)
        loss = reduce(as_fake(judge(real)) + self.config.cycle * residual) + as_real(judge(fake)).mean()
        self.step(loss, of_makers)
        self._average()
        return loss.detach()

    def optimizers(self, learning_rate: float) -> Optimizers:
        """See `Net.optimizers`: one for both makers, one for the discriminator."""
        makers = adam(learning_rate, self.players.encoder, self.players.generator)
        return [makers, adam(learning_rate, self.players.discriminator)]

    def score(self, x: Tensor) -> Tensor:
        """See `Net.score`: of the averaged nets."""
        return self.averages.score(x.flatten(1))

    def outputs(self, graph: Graph, x: str) -> Outputs:
        """See `Net.outputs`."""
        inputs, net = self.length * self.channels, self.averages
        code = sequential(graph, x, net.encoder)
        rebuilt = sequential(graph, code, net.generator)
        pairs = [graph.node("Concat", part, code, axis=1) for part in (x, rebuilt)]
        seen, made = (sequential(graph, pair, net.discriminator.features) for pair in pairs)
        residual = graph.sum_apart(x, rebuilt, inputs)
        features = graph.sum_apart(seen, made, hidden_widths(inputs + self.code)[-1])
        shares = [(OF_RESIDUAL / inputs, residual), (OF_FEATURES / inputs, features)]
        return Outputs(weighted(graph, shares), rebuilt)

    def collapsed(self, windows: Tensor) -> str:
        """See `Net.collapsed`."""
        made = self.averages.generator(torch.randn(len(windows), self.code, device=windows.device))
        return "the generator always makes the same window" if all_alike(made, windows.flatten(1)) else ""

    @torch.no_grad()
    def _average(self) -> None:
        self._steps += 1
        decay = min(DECAY, (1 + self._steps) / (10 + self._steps))
        for average, weight in zip(self.averages.parameters(), self.players.parameters(), strict=True):
            average.lerp_(weight, 1 - decay)
