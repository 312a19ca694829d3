"""Channels that are given: conditions such as load, set point or hour of day, by which the others are judged.

A regression on exogenous variables, and a net for its residuals. A net that sees conditions beside the readings learns
to copy a level rather than to expect it from them, so what they explain is taken off first.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from models.contract import Outputs
from models.graph import Graph
from models.networks.base import Net, Optimizers, Reduce
from models.networks.layers import array, sequential

LEAST_UNITS, MOST_UNITS = 8, 64
LEAST_SPREAD = 0.01  # of residuals, in scaled units: where a relation is exact, rounding is no anomaly
RIDGE = 1e-4  # of the variance of a condition
NORMAL_MEDIAN = 0.6745  # of the absolute value of a normal variable with a standard deviation of 1


class Given(Net):
    """A net for what the last `given` channels leave unexplained of the channels before them.

    In the first phase a regression learns to predict these from all given readings of the window: a linear one, and
    a hidden layer of as many units as there are given readings, from 8 to 64. The phases of the net follow, over
    residuals in units of their usual size. A given channel is neither rebuilt nor scored: an error of it counts by
    what it makes the others expected to be, and its own contribution is 0.
    """

    def __init__(self, net: Net, given: int) -> None:
        super().__init__(net.length, net.channels + given, net.config)
        conditions, judged = net.length * given, net.length * net.channels
        units = min(MOST_UNITS, max(LEAST_UNITS, conditions))
        self.net = net
        self.linear = nn.Linear(conditions, judged)
        self.curved = nn.Sequential(nn.Linear(conditions, units), nn.Tanh(), nn.Linear(units, judged, bias=False))
        self.spread: Tensor
        self.register_buffer("spread", torch.ones(net.channels))
        self.phases, self._phase = 1 + net.phases, 0
        self.settles = net.settles

    def start(self, phase: int, windows: Tensor) -> None:
        """See `Net.start`."""
        self._phase = phase
        self.stops_early = phase == 0 or self.net.stops_early
        if phase == 0:
            self._solve(windows)
        if phase == 1:
            with torch.no_grad():
                usual = self._errors(windows).abs().flatten(0, 1).median(0).values / NORMAL_MEDIAN
            self.spread.copy_(usual.clamp(min=LEAST_SPREAD))
        if phase > 0:
            self.net.start(phase - 1, self._residuals(windows))

    def _solve(self, windows: Tensor) -> None:
        """Begin with the least squares of the linear part: what steps of a condition do is not left to few epochs."""
        judged, given = windows[:, :, : self.net.channels].flatten(1), windows[:, :, self.net.channels :].flatten(1)
        with torch.no_grad():
            x = torch.cat([given, torch.ones_like(given[:, :1])], 1).double().cpu()
            ridge = RIDGE * len(x) * torch.eye(x.shape[1], dtype=x.dtype)
            weights = torch.linalg.solve(x.T @ x + ridge, x.T @ judged.double().cpu())
            self.linear.weight.copy_(weights[:-1].T)
            self.linear.bias.copy_(weights[-1])
            for weight in self.curved[2].parameters():
                weight.zero_()

    def loss(self, x: Tensor) -> Tensor:
        """See `Net.loss`: of the regression first, then of the net."""
        if self._phase == 0:
            return self._errors(x).square().flatten(1).mean(1)
        return self.net.loss(self._residuals(x))

    def surprise(self, x: Tensor) -> Tensor:
        """See `Net.surprise`."""
        return self.net.surprise(self._residuals(x))

    def score(self, x: Tensor) -> Tensor:
        """See `Net.score`: of the residuals."""
        return self.net.score(self._residuals(x))

    def optimizers(self, learning_rate: float) -> Optimizers:
        """See `Net.optimizers`."""
        if self._phase == 0:
            return [torch.optim.Adam([*self.linear.parameters(), *self.curved.parameters()], learning_rate)]
        return self.net.optimizers(learning_rate)

    def training_step(self, x: Tensor, optimizers: Optimizers, reduce: Reduce) -> Tensor:
        """See `Net.training_step`."""
        if self._phase == 0:
            return super().training_step(x, optimizers, reduce)
        return self.net.training_step(self._residuals(x), optimizers, reduce)

    def settle(self, aside: Tensor) -> None:
        """See `Net.settle`."""
        self.net.settle(self._residuals(aside))

    def collapsed(self, windows: Tensor) -> str:
        """See `Net.collapsed`."""
        return self.net.collapsed(self._residuals(windows))

    def outputs(self, graph: Graph, x: str) -> Outputs:
        """See `Net.outputs`. What is expected of a given reading is the reading."""
        cells = np.arange(self.length * self.channels).reshape(self.length, self.channels)
        parts = [cells[:, : self.net.channels].ravel(), cells[:, self.net.channels :].ravel()]
        judged, given = (graph.node("Gather", x, graph.constant(part), axis=1) for part in parts)
        order = graph.constant(np.concatenate(parts).argsort())

        def whole(judged: str, given: str) -> str:
            return graph.node("Gather", graph.node("Concat", judged, given, axis=1), order, axis=1)

        expected = graph.node("Add", sequential(graph, given, [self.linear]), sequential(graph, given, self.curved))
        spread = array(self.spread.repeat(self.length))
        residuals = graph.node("Mul", graph.node("Sub", judged, expected), graph.constant(1 / spread))
        found = self.net.outputs(graph, residuals)
        rebuilt, blame = found.reconstruction, found.contribution
        if rebuilt is not None:
            rebuilt = graph.node("Add", graph.node("Mul", rebuilt, graph.constant(spread)), expected)
            rebuilt = whole(rebuilt, given)
        if blame is not None:
            blame = whole(blame, graph.node("Mul", graph.node("Abs", given), graph.constant(np.zeros(1, np.float32))))
        return Outputs(found.score, rebuilt, blame, found.code)

    def _errors(self, x: Tensor) -> Tensor:
        """Of the regression, (batch, length, channels of the net)."""
        judged, given = x[:, :, : self.net.channels], x[:, :, self.net.channels :].flatten(1)
        expected: Tensor = self.linear(given) + self.curved(given)
        return judged - expected.view_as(judged)

    @torch.no_grad()
    def _residuals(self, x: Tensor) -> Tensor:
        """What the net sees: the errors in units of their usual size. The regression is not learned further."""
        return self._errors(x) * (1 / self.spread)
