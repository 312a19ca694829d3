"""f-AnoGAN: an encoder learns to find the noise from which a trained generator makes a window.

Schlegl 2019, doi:10.1016/j.media.2019.01.010. A Wasserstein GAN with gradient penalty first; then, with both its nets
frozen, an encoder E with the loss |x - G(E(x))|^2 + kappa * |f(x) - f(G(E(x)))|^2 (izi_f: means over the numbers of
each, f are features of the critic, kappa = 1). The score is the same. Departures:

- The root of the score is taken.
- What G makes of a channel that moves by far more than its scaled unit is in units of these moves (see `reach_of`).
- Dense layers instead of residual convolutions, the last of them linear.
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
    code_size,
    encoder,
    generator,
    hidden_widths,
    reach_of,
)
from models.networks.base import Net, Optimizers, Reduce
from models.networks.fanogan_options import FanoganConfig
from models.networks.layers import array, sequential
from models.networks.wasserstein import CRITIC_STEPS, WASSERSTEIN_BETAS, critic_loss


class Fanogan(Net):
    """G and the critic in the first phase, E in the second."""

    phases = 2
    reach: Tensor

    def __init__(self, length: int, channels: int, config: FanoganConfig) -> None:
        super().__init__(length, channels, config)
        inputs = length * channels
        self.code = code_size(inputs)
        self.encoder, self.generator = encoder(inputs, self.code), generator(self.code, inputs)
        self.critic = Discriminator(inputs)
        self.register_buffer("reach", torch.ones(inputs))  # of what is made, one for each number of a window
        self._phase = self._steps = 0

    def start(self, phase: int, windows: Tensor) -> None:
        """See `Net.start`."""
        self._phase = phase
        self.stops_early = phase == 1
        if phase == 0:
            self.reach.copy_(reach_of(windows))
        for net in (self.generator, self.critic):
            net.requires_grad_(phase == 0)

    def make(self, codes: Tensor) -> Tensor:
        """G: codes to rows of windows."""
        made: Tensor = self.generator(codes) * self.reach
        return made

    def loss(self, x: Tensor) -> Tensor:
        """See `Net.loss`: that of the encoder."""
        rows = x.flatten(1)
        rebuilt = self.make(self.encoder(rows))
        features = self.critic.feature_error(rows, rebuilt)
        kappa: float = self.config.kappa
        return (rows - rebuilt).square().mean(1) + kappa * features

    def training_step(self, x: Tensor, optimizers: Optimizers, reduce: Reduce) -> Tensor:
        """The critic, and at each fifth step the generator; later the encoder."""
        if self._phase == 1:
            return super().training_step(x, optimizers, reduce)
        of_generator, of_critic = optimizers
        made = self.make(x.new_empty(len(x), self.code).normal_())
        loss = critic_loss(self.critic, x.flatten(1), made.detach(), reduce)
        self.step(loss, of_critic)
        self._steps += 1
        if self._steps % CRITIC_STEPS == 0:
            self.step(-self.critic(made).mean(), of_generator)
        return loss.detach()

    def optimizers(self, learning_rate: float) -> Optimizers:
        """See `Net.optimizers`."""
        if self._phase == 1:
            return [adam(learning_rate, self.encoder)]
        return [adam(learning_rate, player, betas=WASSERSTEIN_BETAS) for player in (self.generator, self.critic)]

    def score(self, x: Tensor) -> Tensor:
        """See `Net.score`: the root of the encoder's loss."""
        return self.loss(x).sqrt()

    def outputs(self, graph: Graph, x: str) -> Outputs:
        """See `Net.outputs`."""
        inputs = self.length * self.channels
        made_of = sequential(graph, sequential(graph, x, self.encoder), self.generator)
        rebuilt = graph.node("Mul", made_of, graph.constant(array(self.reach)))
        seen, made = (sequential(graph, rows, self.critic.features) for rows in (x, rebuilt))
        residual = graph.mean_square(x, rebuilt, inputs)
        features = graph.mean_square(seen, made, hidden_widths(inputs)[-1])
        return Outputs(graph.node("Sqrt", weighted(graph, [(1.0, residual), (self.config.kappa, features)])), rebuilt)

    def collapsed(self, windows: Tensor) -> str:
        """See `Net.collapsed`."""
        made = self.make(torch.randn(len(windows), self.code, device=windows.device))
        return "the generator always makes the same window" if all_alike(made, windows.flatten(1)) else ""
