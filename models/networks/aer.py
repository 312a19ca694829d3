"""Autoencoder with regression: rebuilds the inside of a window and predicts the readings before and behind it.

Wong et al. 2022, "AER: Auto-Encoder with Regression for Time Series Anomaly Detection", arXiv:2212.13558. Two
bidirectional LSTMs see a window without its first and its last reading, and give all of it: the inside is a
reconstruction, the ends are predictions, backward and forward. Loss: a quarter each of the mean squared errors of the
two predictions, and a half of that of the reconstruction. Score: reconstruction error times prediction error.

Departing from the paper, which rates single readings by errors of many windows and brings both to one range over the
test set, the score is of one window, in which the two errors stand as root mean squares in scaled units: nothing is
known of other windows. Long windows are read several readings a step, as `lstm` does.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from models.contract import Outputs
from models.errors import ConfigError
from models.graph import Graph
from models.networks.aer_options import AERConfig
from models.networks.base import Net, Optimizers
from models.networks.layers import array, linear, lstm
from models.networks.stacks import default_latent, default_units, readings_per_step

LEAST_LENGTH = 3
LEAST_ERROR = 1e-4  # of either factor, in scaled units: one that is exact must not hide the other


class AER(Net):
    """Encoder and decoder read and write in both directions; the latent vector is fed to the decoder at every step.

    Where readings per step do not divide a length, the first step is filled up with copies of the first reading.
    """

    largest_gradient = 1.0  # Pascanu et al. 2013, arXiv:1211.5063: one steep step undoes many epochs

    def __init__(self, length: int, channels: int, config: AERConfig) -> None:
        if length < LEAST_LENGTH:
            raise ConfigError(f"aer: windows of {length} readings have no inside; at least {LEAST_LENGTH} are needed")
        hidden = config.hidden or default_units(length * channels)
        latent = config.latent or default_latent(hidden)
        super().__init__(length, channels, replace(config, hidden=hidden, latent=latent))
        per_step = readings_per_step(length)
        self.read, self.steps = -(-(length - 2) // per_step), -(-length // per_step)  # of encoder and decoder
        self.before = self.read * per_step - (length - 2)  # copies in front of the inside
        self.dropped = self.steps * per_step - length  # readings in front of the reconstruction
        width = per_step * channels
        self.encoder, self.back_encoder = (nn.LSTM(width, hidden, batch_first=True) for _ in range(2))
        self.latent = nn.Linear(2 * hidden, latent)
        self.decoder, self.back_decoder = (nn.LSTM(latent, hidden, batch_first=True) for _ in range(2))
        self.output = nn.Linear(2 * hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """The window as predicted and rebuilt from its inside, same shape as x."""
        inside = x[:, [1] * self.before + list(range(1, self.length - 1))]
        steps = inside.reshape(len(x), self.read, -1)
        (_, (ahead, _)), (_, (back, _)) = self.encoder(steps), self.back_encoder(steps.flip(1))
        latent = torch.tanh(self.latent(torch.cat([ahead[0], back[0]], 1)))  # (batch, latent)
        fed = latent.unsqueeze(1).expand(-1, self.steps, -1)
        (forward, _), (backward, _) = self.decoder(fed), self.back_decoder(fed)  # (batch, steps, hidden)
        rebuilt: Tensor = self.output(torch.cat([forward, backward.flip(1)], 2))
        return rebuilt.reshape(len(x), -1, self.channels)[:, self.dropped :]

    def loss(self, x: Tensor) -> Tensor:
        """See `Net.loss`."""
        inside, ends = self._errors(x)
        return 0.5 * inside + 0.5 * ends

    def score(self, x: Tensor) -> Tensor:
        """See `Net.score`."""
        inside, ends = (error.sqrt() + LEAST_ERROR for error in self._errors(x))
        return inside * ends

    def optimizers(self, learning_rate: float) -> Optimizers:
        """See `Net.optimizers`. One call updates all weights, which pays for cutting the gradient."""
        return [torch.optim.Adam(self.parameters(), learning_rate, fused=True)]

    def outputs(self, graph: Graph, x: str) -> Outputs:
        """See `Net.outputs`."""
        rebuilt = self._export(graph, x)
        difference = graph.node("Sub", x, rebuilt)
        squares = graph.node("Mul", difference, difference)
        cells = np.arange(self.length * self.channels).reshape(self.length, self.channels)
        factors = []
        for part in (cells[1:-1], cells[[0, -1]]):
            errors = graph.node("Gather", squares, graph.constant(part.ravel()), axis=1)
            mean = graph.root_mean(errors, part.size)
            factors.append(graph.node("Add", mean, graph.constant(np.float32(LEAST_ERROR))))
        return Outputs(graph.node("Mul", *factors), rebuilt)

    def _errors(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean squared errors of the reconstruction and of the predictions, (batch,) each."""
        squares = (x - self(x)).square()
        return squares[:, 1:-1].flatten(1).mean(1), squares[:, [0, -1]].flatten(1).mean(1)

    def _export(self, graph: Graph, x: str) -> str:
        """Add `forward` to the graph; from and to rows."""
        cells = np.arange(self.length * self.channels).reshape(self.length, self.channels)
        inside = cells[[1] * self.before + list(range(1, self.length - 1))]
        seen = graph.node("Gather", x, graph.constant(inside.ravel()), axis=1)
        windows = graph.node("Reshape", seen, graph.constant([-1, self.read, self.output.out_features]))
        steps = graph.node("Transpose", windows, perm=[1, 0, 2])  # (steps, batch, width)
        last = [
            lstm(graph, steps, self.encoder, last=True),
            lstm(graph, steps, self.back_encoder, last=True, reverse=True),
        ]
        latent = graph.node("Tanh", linear(graph, graph.node("Concat", *last, axis=1), self.latent))
        fed = graph.node("Expand", latent, graph.constant([self.steps, 1, 1]))  # (steps, batch, latent)
        states = [lstm(graph, fed, self.decoder), lstm(graph, fed, self.back_decoder, reverse=True)]
        both = graph.node("Concat", *states, axis=2)  # (steps, batch, 2 * hidden)
        rebuilt = graph.node("MatMul", both, graph.constant(array(self.output.weight.T)))
        rows = graph.node("Flatten", graph.node("Transpose", rebuilt, perm=[1, 0, 2]))
        rows = graph.node("Add", rows, graph.constant(array(self.output.bias.repeat(self.steps))))
        kept = np.arange(self.dropped * self.channels, self.steps * self.output.out_features)
        return graph.node("Gather", rows, graph.constant(kept), axis=1) if self.dropped else rows
