"""Generative adversarial network: the discriminator of real and generated windows says how abnormal a window is.

Goodfellow 2014, arXiv 1406.2661, with the non-saturating loss; Radford 2015 (DCGAN), arXiv 1511.06434; with `loss =
"wgan-gp"`, Gulrajani 2017, arXiv 1704.00028. With `judged_by = "discriminator"` the score is -log D(x), the softplus of
minus the logit. Departures:

- By default the score is the distance of the features of D, the layer before its logit, from those of real windows (see
  `Judge`). D itself knows the border to what the generator made: on heartbeats it ranks with an area of .78, they .99.
- The discriminator also learns from disturbed windows as fakes, in equal shares with those of the generator. Without
  them it ranks what lies far from both by chance: it found spikes in sine waves with an area under the curve of .7.
- The logit falls with the square of the window (see `Judge`), and real windows count as real by 0.9 only, which keeps
  the logits of normal ones alike.
- Training leaves out windows that are far from all of 64 generated ones and taken for fakes.
- Dense layers without batch normalisation instead of convolutions with it: windows are short.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.contract import Outputs
from models.graph import Graph
from models.networks.adversarial import (
    BETAS,
    Judge,
    adam,
    all_alike,
    as_fake,
    as_real,
    code_size,
    distance_to_nearest,
    disturbed,
    generator,
    odds,
)
from models.networks.base import Net, Optimizers, Reduce
from models.networks.gan_options import GanConfig
from models.networks.wasserstein import CRITIC_STEPS, WASSERSTEIN_BETAS, critic_loss

SAMPLES = 64  # fixed codes, whose windows say which ones of the past are unlike


class Gan(Net):
    """A generator and a discriminator; only the second scores."""

    samples: Tensor
    stops_early = False  # the discriminator's loss on held-out windows rises as the generator gets better

    def __init__(self, length: int, channels: int, config: GanConfig) -> None:
        super().__init__(length, channels, config)
        inputs = length * channels
        self.code = code_size(inputs)
        self.generator, self.discriminator = generator(self.code, inputs), Judge(inputs)
        self.register_buffer("samples", torch.randn(SAMPLES, self.code))
        self.wasserstein = config.loss == "wgan-gp"
        self._steps = 0

    def loss(self, x: Tensor) -> Tensor:
        """See `Net.loss`: the error of the nearest of 64 generated windows, the larger the odds of a fake are."""
        rows = x.flatten(1)
        return distance_to_nearest(rows, self.generator(self.samples)) * (1 + odds(self.discriminator(rows)))

    def training_step(self, x: Tensor, optimizers: Optimizers, reduce: Reduce) -> Tensor:
        """The discriminator, then the generator."""
        of_generator, of_discriminator = optimizers
        rows, judge = x.flatten(1), self.discriminator
        made: Tensor = self.generator(x.new_empty(len(x), self.code).normal_())
        fakes = made.detach(), disturbed(x).flatten(1)
        if self.wasserstein:
            loss = torch.stack([critic_loss(judge, rows, fake, reduce) for fake in fakes]).mean()
        else:
            loss = reduce(judge.judging(rows)) + torch.stack([as_fake(judge(fake)).mean() for fake in fakes]).mean()
        self.step(loss, of_discriminator)
        judge.remember(rows)
        self._steps += 1
        if not self.wasserstein:
            self.step(as_real(judge(made)).mean(), of_generator)
        elif self._steps % CRITIC_STEPS == 0:
            self.step(-judge(made).mean(), of_generator)
        return loss.detach()

    def optimizers(self, learning_rate: float) -> Optimizers:
        """See `Net.optimizers`: one for each player."""
        betas = WASSERSTEIN_BETAS if self.wasserstein else BETAS
        return [adam(learning_rate, player, betas=betas) for player in (self.generator, self.discriminator)]

    def score(self, x: Tensor) -> Tensor:
        """See `Net.score`."""
        return self.discriminator.score(x.flatten(1), self.config.judged_by)

    def outputs(self, graph: Graph, x: str) -> Outputs:
        """See `Net.outputs`."""
        return Outputs(self.discriminator.export(graph, x, self.config.judged_by))

    def collapsed(self, windows: Tensor) -> str:
        """See `Net.collapsed`: a generator that makes one window only."""
        made = self.generator(self.samples)
        return "the generator always makes the same window" if all_alike(made, windows.flatten(1)) else ""
