"""GANomaly: a second encoder reads the reconstruction; windows whose code it does not find again are abnormal.

Akcay, Atapour-Abarghouei and Breckon 2018, arXiv 1805.06725. With z = E(x), x' = G(z), z' = E'(x') and f, the features
of the discriminator D, the generator makes 1 * |f(x) - f(x')|^2 + 50 * |x - x'| + 1 * |z - z'|^2 small (means over the
numbers of each), the discriminator the binary cross-entropy of x and x'. Departures:

- The score is the root of the mean of (z - z')^2, where the paper has the sum of |z - z'| and its code the mean square.
  Half of it is the same of x - x' unless `residual` says otherwise: a code does not see every fault. Both parts are
  divided by their running means over the training; no score is scaled by the scores beside it, as in that code.
- Dense layers without batch normalisation instead of two-dimensional convolutions with it; the last is linear.
"""

from __future__ import annotations

import torch
from torch import Tensor

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
)
from models.networks.base import Net, Optimizers, Reduce
from models.networks.ganomaly_options import GanomalyConfig
from models.networks.layers import sequential

CONTEXT = 50.0  # weight of the reconstruction; the other two losses have 1
MEMORY = 0.99  # of the running means that give both parts of a mixed score one unit


class Ganomaly(Net):
    """E, G, E' and D for rows of windows, with sizes by `models.networks.adversarial`."""

    usual: Tensor

    def __init__(self, length: int, channels: int, config: GanomalyConfig) -> None:
        super().__init__(length, channels, config)
        inputs = length * channels
        self.code = code_size(inputs)
        self.encoder, self.generator = encoder(inputs, self.code), generator(self.code, inputs)
        self.second_encoder = encoder(inputs, self.code)
        self.discriminator = Discriminator(inputs)
        self.register_buffer("usual", torch.ones(2))  # of the error of the code, and of the reconstruction

    def loss(self, x: Tensor) -> Tensor:
        """See `Net.loss`: the generator's without its adversarial part, which moves with the discriminator."""
        rows = x.flatten(1)
        code, rebuilt, again = self._passes(rows)
        return CONTEXT * (rows - rebuilt).abs().mean(1) + (code - again).square().mean(1)

    def training_step(self, x: Tensor, optimizers: Optimizers, reduce: Reduce) -> Tensor:
        """The generator with both encoders, then the discriminator."""
        of_generator, of_discriminator = optimizers
        rows = x.flatten(1)
        code, rebuilt, again = self._passes(rows)
        adversarial = self.discriminator.feature_error(rows, rebuilt)
        moved = (code - again).square().mean(1)
        loss = reduce(adversarial + CONTEXT * (rows - rebuilt).abs().mean(1) + moved)
        self.step(loss, of_generator)
        rebuilt = rebuilt.detach()
        self.step(reduce(as_real(self.discriminator(rows)) + as_fake(self.discriminator(rebuilt))), of_discriminator)
        with torch.no_grad():
            now = [reduce(moved.sqrt()), reduce((rows - rebuilt).square().mean(1).sqrt())]
            self.usual.lerp_(torch.stack(now), 1 - MEMORY)
        return loss.detach()

    def optimizers(self, learning_rate: float) -> Optimizers:
        """See `Net.optimizers`: one for each player."""
        made = adam(learning_rate, self.encoder, self.generator, self.second_encoder)
        return [made, adam(learning_rate, self.discriminator)]

    def score(self, x: Tensor) -> Tensor:
        """See `Net.score`: the root mean square of z - z', mixed with that of x - x' where the options say so."""
        rows = x.flatten(1)
        code, rebuilt, again = self._passes(rows)
        moved, residual = ((one - other).square().mean(1).sqrt() for one, other in ((code, again), (rows, rebuilt)))
        if not self.config.residual:
            return moved
        return self._shares()[0] * moved + self._shares()[1] * residual

    def outputs(self, graph: Graph, x: str) -> Outputs:
        """See `Net.outputs`."""
        code = sequential(graph, x, self.encoder)
        rebuilt = sequential(graph, code, self.generator)
        again = sequential(graph, rebuilt, self.second_encoder)
        moved = graph.node("Sqrt", graph.mean_square(code, again, self.code))
        if not self.config.residual:
            return Outputs(moved, rebuilt)
        residual = graph.node("Sqrt", graph.mean_square(x, rebuilt, self.length * self.channels))
        return Outputs(weighted(graph, list(zip(self._shares().tolist(), (moved, residual), strict=True))), rebuilt)

    def collapsed(self, windows: Tensor) -> str:
        """See `Net.collapsed`."""
        rows = windows.flatten(1)
        return "all windows have the same code" if all_alike(self.encoder(rows), rows) else ""

    def _passes(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """z, x' and z'."""
        code = self.encoder(rows)
        rebuilt = self.generator(code)
        return code, rebuilt, self.second_encoder(rebuilt)

    def _shares(self) -> Tensor:
        """What both parts of the score are multiplied with, (2,)."""
        share: float = self.config.residual
        return self.usual.new_tensor([1 - share, share]) / self.usual.clamp(min=torch.finfo(torch.float32).tiny)
