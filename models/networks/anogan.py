"""AnoGAN: for each window, a search for the noise from which the generator makes the most similar one.

Schlegl 2017, arXiv 1703.05921. A GAN learns to make normal windows. To score one, gradient descent on the noise z makes
.9 * |x - G(z)| + .1 * |f(x) - f(G(z))| small (sums, f are the discriminator's features); what is left, here per cell of
the window, is the score. Departures:

- The search begins at the best of 64 noises, drawn once from the seed and kept with the weights, and takes `steps`
  steps of Adam, 100 by default, where the paper starts at one random noise and takes 500.
- Training leaves out windows that are far from all that is made of the 64.
- Dense layers without batch normalisation instead of convolutions with it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.contract import Outputs
from models.graph import Graph
from models.networks.adversarial import (
    Discriminator,
    adam,
    all_alike,
    as_fake,
    as_real,
    code_size,
    distance_to_nearest,
    generator,
)
from models.networks.anogan_options import AnoganConfig
from models.networks.base import Net, Optimizers, Reduce

OF_RESIDUAL, OF_FEATURES = 0.9, 0.1
STARTS = 64
RATE, BETAS, TINY = 0.05, (0.9, 0.999), 1e-8  # of Adam, in the search
PIECE = 32  # windows searched for at once; always as many, so that the products of matrices keep their bits


class Anogan(Net):
    """A generator and a discriminator, with sizes by `models.networks.adversarial`."""

    stops_early = False  # the discriminator's loss on held-out windows rises as the generator gets better
    starts: Tensor

    def __init__(self, length: int, channels: int, config: AnoganConfig) -> None:
        super().__init__(length, channels, config)
        inputs = length * channels
        self.code = code_size(inputs)
        self.generator, self.discriminator = generator(self.code, inputs), Discriminator(inputs)
        self.register_buffer("starts", torch.randn(STARTS, self.code))

    def loss(self, x: Tensor) -> Tensor:
        """See `Net.loss`: the mean absolute error of the nearest of the windows made of the fixed noises."""
        return distance_to_nearest(x.flatten(1), self.generator(self.starts))

    def training_step(self, x: Tensor, optimizers: Optimizers, reduce: Reduce) -> Tensor:
        """The discriminator, then the generator."""
        of_generator, of_discriminator = optimizers
        judge = self.discriminator
        made: Tensor = self.generator(x.new_empty(len(x), self.code).normal_())
        loss = reduce(as_real(judge(x.flatten(1)))) + as_fake(judge(made.detach())).mean()
        self.step(loss, of_discriminator)
        self.step(as_real(judge(made)).mean(), of_generator)
        return loss.detach()

    def optimizers(self, learning_rate: float) -> Optimizers:
        """See `Net.optimizers`: one for each player."""
        return [adam(learning_rate, player) for player in (self.generator, self.discriminator)]

    def score(self, x: Tensor) -> Tensor:
        """See `Net.score`: what the search leaves. Rows are padded to whole pieces by zeros."""
        with torch.inference_mode(mode=False):
            rows = x.flatten(1).clone()
            padded = torch.cat([rows, rows.new_zeros(-len(rows) % PIECE, rows.shape[1])])
            starts = range(0, len(padded), PIECE)
            return torch.cat([self._search(padded[start : start + PIECE]) for start in starts])[: len(rows)]

    def outputs(self, graph: Graph, x: str) -> Outputs:
        """The search needs gradients: the engine is `torch`."""
        raise NotImplementedError("anogan has no graph; the engine torch scores it")

    def collapsed(self, windows: Tensor) -> str:
        """See `Net.collapsed`."""
        made = self.generator(self.starts)
        return "the generator always makes the same window" if all_alike(made, windows.flatten(1)) else ""

    def _search(self, rows: Tensor) -> Tensor:
        """Adam on the noise of each row, (PIECE, inputs) -> (PIECE,); rows do not meet."""
        self.requires_grad_(False)
        features = self.discriminator.features(rows)
        apart = [(rows - made).abs().sum(1) for made in self.generator(self.starts)]
        noise = self.starts[torch.stack(apart, 1).argmin(1)]
        first, second = torch.zeros_like(noise), torch.zeros_like(noise)
        for step in range(1, self.config.steps + 1):
            noise.requires_grad_()
            with torch.enable_grad():
                (gradient,) = torch.autograd.grad(self._left(rows, features, noise).sum(), noise)
            first = BETAS[0] * first + (1 - BETAS[0]) * gradient
            second = BETAS[1] * second + (1 - BETAS[1]) * gradient.square()
            scale = (second / (1 - BETAS[1] ** step)).sqrt() + TINY
            noise = noise.detach() - RATE / (1 - BETAS[0] ** step) * first / scale
        with torch.no_grad():
            return self._left(rows, features, noise)

    def _left(self, rows: Tensor, features: Tensor, noise: Tensor) -> Tensor:
        """The score at a noise, (batch,)."""
        made = self.generator(noise)
        residual: Tensor = (rows - made).abs().sum(1)
        of_features: Tensor = (features - self.discriminator.features(made)).abs().sum(1)
        return (OF_RESIDUAL * residual + OF_FEATURES * of_features) / rows.shape[1]
