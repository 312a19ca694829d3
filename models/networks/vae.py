"""Variational autoencoder: how improbable a window is under the codes that it suggests.

Kingma and Welling 2014, arXiv:1312.6114. The score is the reconstruction probability of An and Cho 2015 (SNU data
mining center, 2015-2): the mean over L codes z, drawn from q(z|x), of -log p(x|z). Where this departs from the paper:

- The L draws of noise are made once, from the seed, and kept with the weights: the same window has the same score.
- p(x|z) has one standard deviation for each cell, which is learned and not below `FLOOR`. -log p is counted from the
  maximum of the density: it is >= 0, and the score is the root of twice its mean over the cells.
- Training stops by the ELBO with the mean code, which does not depend on draws.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.contract import Outputs
from models.graph import Graph
from models.networks.base import Net, Optimizers, Reduce
from models.networks.layers import array, linear, sequential
from models.networks.stacks import default_widths, perceptron, power_of_two
from models.networks.vae_options import VAEConfig

FLOOR = 0.05  # least standard deviation of a cell, in scaled units
START = 0.5  # and the one that training begins with
LARGEST_LOG = 4.0  # of a code's variance: exp(4) either way


def default_vae_widths(inputs: int) -> tuple[int, int]:
    """The first two of `dense`: 140 -> 32, 16."""
    return default_widths(inputs)[:2]


def default_latent(inputs: int) -> int:
    """A sixteenth of the inputs as a power of two from 2 to 64: 140 -> 8."""
    return power_of_two(inputs // 16, least=2, most=64)


class VAE(Net):
    """Dense encoder to mean and variance of the code, dense decoder to the mean of each cell."""

    noise: Tensor  # (samples, latent)

    def __init__(self, length: int, channels: int, config: VAEConfig) -> None:
        cells = length * channels
        hidden, latent = config.hidden or default_vae_widths(cells), config.latent or default_latent(cells)
        super().__init__(length, channels, replace(config, hidden=hidden, latent=latent))
        self.encoder = nn.Sequential(*perceptron((cells, *hidden)), nn.Tanh())
        self.code = nn.Linear(hidden[-1], 2 * latent)
        self.decoder = perceptron((latent, *hidden[::-1], cells))
        self.rough = nn.Parameter(torch.full((cells,), float(np.log(np.expm1(START - FLOOR)))))
        self.register_buffer("noise", torch.randn(config.samples, latent))

    def _code(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log of the variance of q(z|x), (batch, latent) each."""
        mean, log_variance = self.code(self.encoder(x.flatten(1))).chunk(2, 1)
        return mean, LARGEST_LOG * torch.tanh(log_variance / LARGEST_LOG)

    def _unlikely(self, x: Tensor, code: Tensor) -> Tensor:
        """-log p(x|z) above its least value, (batch, cells), of codes (batch, latent)."""
        error: Tensor = (x.flatten(1) - self.decoder(code)) / self._deviation()
        return error.square() / 2

    def _deviation(self) -> Tensor:
        return F.softplus(self.rough) + FLOOR

    def surprise(self, x: Tensor) -> Tensor:
        """See `Net.surprise`: the loss without the deviations, which are those of all windows."""
        mean, log_variance = self._code(x)
        code = mean + (log_variance / 2).exp() * torch.randn_like(mean) if self.training else mean
        divergence = (mean.square() + log_variance.exp() - 1 - log_variance).sum(1) / 2
        unlikely: Tensor = self._unlikely(x, code).sum(1) + self.config.beta * divergence
        return unlikely / (self.length * self.channels)

    def loss(self, x: Tensor) -> Tensor:
        """See `Net.loss`: the negative ELBO per cell; with a random code while training, else with the mean one."""
        return self.surprise(x) + self._deviation().log().mean() - math.log(FLOOR)

    def training_step(self, x: Tensor, optimizers: Optimizers, reduce: Reduce) -> Tensor:
        """See `Net.training_step`."""
        loss = reduce(self.surprise(x)) + self._deviation().log().mean() - math.log(FLOOR)
        self.step(loss, optimizers[0])
        return loss.detach()

    def score(self, x: Tensor) -> Tensor:
        """See `Net.score`."""
        mean, log_variance = self._code(x)
        spread = (log_variance / 2).exp()
        drawn = torch.stack([self._unlikely(x, mean + spread * noise).mean(1) for noise in self.noise])
        return (2 * drawn.mean(0)).sqrt()

    def outputs(self, graph: Graph, x: str) -> Outputs:
        """See `Net.outputs`. Expected is what the mean code is decoded to."""
        cells, latent, samples = self.length * self.channels, self.config.latent, self.config.samples
        both = linear(graph, sequential(graph, x, self.encoder), self.code)
        mean, log_variance = (
            graph.node("Gather", both, graph.constant(np.arange(start, start + latent)), axis=1)
            for start in (0, latent)
        )
        largest, half = graph.constant(np.float32(LARGEST_LOG)), graph.constant(np.float32(0.5))
        log_variance = graph.node("Mul", graph.node("Tanh", graph.node("Div", log_variance, largest)), largest)
        spread = graph.node("Exp", graph.node("Mul", log_variance, half))
        inverse = graph.constant(1 / (array(self._deviation()) * np.sqrt(np.float32(samples))))  # squares sum to a mean
        total = ""
        for noise in array(self.noise):
            code = graph.node("Add", mean, graph.node("Mul", spread, graph.constant(noise)))
            error = graph.node("Mul", graph.node("Sub", x, sequential(graph, code, self.decoder)), inverse)
            squared = graph.node("Mul", error, error)
            total = graph.node("Add", total, squared) if total else squared
        return Outputs(graph.root_mean(total, cells), sequential(graph, mean, self.decoder), total)
