"""ALOCC: one net refines windows, another judges what it made of them.

Sabokrou 2018, arXiv 1802.09088. R makes normal windows out of noisy ones, with the loss -log D(R(x + noise)) + .4 *
|x - R(x + noise)|^2 (mean); D separates them from real ones. R spoils what it has not learned, so the score with
`judged_by = "discriminator"` is -log D(R(x)): 1 - D(R(x)) without saturation. Departures:

- By default the score is the distance of the features of D(R(x)) from those of normal windows, as in `gan`.
- Training takes all its epochs, where the paper stops once |x - R(x)|^2 is small enough. Without the disturbed windows
  below D would be of no use by then; the epoch in which D is the most lenient is not the best one.
- R takes off what it holds for noise (Zhang 2017, arXiv 1608.03981), up to a bound. A net with a narrow code would turn
  a fault into a normal window, which D cannot find.
- D also learns from disturbed windows as fakes, and real ones count as real by 0.9 only: see `gan`.
- Dense layers without batch normalisation instead of two-dimensional convolutions with it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.contract import Outputs
from models.graph import Graph
from models.networks.adversarial import (
    Judge,
    adam,
    as_fake,
    as_real,
    disturbed,
    hidden_widths,
    odds,
)
from models.networks.alocc_options import AloccConfig
from models.networks.base import Net, Optimizers, Reduce
from models.networks.layers import sequential
from models.networks.stacks import perceptron

CONTEXT = 0.4  # weight of the reconstruction


class Alocc(Net):
    """R is layers of tanh beside the identity, D those of `models.networks.adversarial`."""

    stops_early = False

    def __init__(self, length: int, channels: int, config: AloccConfig) -> None:
        super().__init__(length, channels, config)
        inputs = length * channels
        wide, narrow = hidden_widths(inputs)
        self.change, self.discriminator = perceptron((inputs, wide, narrow, wide, inputs)), Judge(inputs)

    def refine(self, rows: Tensor) -> Tensor:
        """R: rows to rows."""
        change: Tensor = self.change(rows)
        return rows + change

    def loss(self, x: Tensor) -> Tensor:
        """See `Net.loss`: that of R without noise, with the odds of a fake for their logarithm."""
        rows = x.flatten(1)
        refined = self.refine(rows)
        return odds(self.discriminator(refined)) + CONTEXT * (rows - refined).square().mean(1)

    def training_step(self, x: Tensor, optimizers: Optimizers, reduce: Reduce) -> Tensor:
        """R, then D."""
        of_refiner, of_discriminator = optimizers
        rows, judge = x.flatten(1), self.discriminator
        noisy = rows + self.config.noise * torch.randn_like(rows)
        refined = self.refine(noisy)
        loss = reduce(as_real(judge(refined)) + CONTEXT * (rows - refined).square().mean(1))
        self.step(loss, of_refiner)
        fakes = refined.detach(), disturbed(x).flatten(1)
        judged = torch.stack([as_fake(judge(fake)).mean() for fake in fakes]).mean()
        self.step(reduce(judge.judging(rows)) + judged, of_discriminator)
        judge.remember(self.refine(rows))
        return loss.detach()

    def optimizers(self, learning_rate: float) -> Optimizers:
        """See `Net.optimizers`: one for each player."""
        return [adam(learning_rate, self.change), adam(learning_rate, self.discriminator)]

    def score(self, x: Tensor) -> Tensor:
        """See `Net.score`: of R(x)."""
        return self.discriminator.score(self.refine(x.flatten(1)), self.config.judged_by)

    def outputs(self, graph: Graph, x: str) -> Outputs:
        """See `Net.outputs`."""
        refined = graph.node("Add", x, sequential(graph, x, self.change))
        return Outputs(self.discriminator.export(graph, refined, self.config.judged_by))
