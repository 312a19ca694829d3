"""Sequence-to-sequence LSTM autoencoder.

Malhotra et al. 2016, arXiv:1607.00148; Srivastava et al. 2015, arXiv:1502.04681. Long windows are read several
readings a step: gradients pass through few steps, and training and scoring take as much less time.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from models.graph import Graph
from models.networks.base import Autoencoder, Optimizers
from models.networks.layers import array, linear, lstm
from models.networks.lstm_options import LSTMConfig

MOST_STEPS = 16
MOST_UNITS = 128
LEAST_LATENT = 4
VECTOR = 16  # float32 numbers in the widest register: units come in multiples


def default_units(inputs: int) -> int:
    """A third of `inputs` = length x channels, rounded up to a multiple of 16, at most 128: 140 -> 48."""
    return min(MOST_UNITS, VECTOR * -(-inputs // (3 * VECTOR)))


def default_latent(hidden: int) -> int:
    """A sixth of the units, at least 4: 48 -> 8."""
    return max(LEAST_LATENT, hidden // 6)


def readings_per_step(length: int) -> int:
    """So many that a window is at most `MOST_STEPS` steps: 140 -> 9."""
    return -(-length // MOST_STEPS)


class LSTM(Autoencoder):
    """The encoder's last state becomes the latent vector, which the decoder is fed at every step.

    The decoder rebuilds the window from its end: what the encoder read last is what the latent vector keeps best.
    Both take `readings_per_step` readings at once; where these do not divide the length, the first step is filled up
    with copies of the first reading.
    """

    largest_gradient = 1.0  # Pascanu et al. 2013, arXiv:1211.5063: one steep step undoes many epochs

    def __init__(self, length: int, channels: int, config: LSTMConfig) -> None:
        hidden = config.hidden or default_units(length * channels)
        latent = config.latent or default_latent(hidden)
        super().__init__(length, channels, replace(config, hidden=hidden, latent=latent))
        per_step = readings_per_step(length)
        self.steps = -(-length // per_step)
        self.filled = self.steps * per_step - length  # readings in front of the first
        width = per_step * channels
        self.encoder = nn.LSTM(width, hidden, batch_first=True)
        self.latent = nn.Linear(hidden, latent)
        self.decoder = nn.LSTM(latent, hidden, batch_first=True)
        self.output = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """See `Autoencoder.forward`."""
        whole = torch.cat([x[:, :1].expand(-1, self.filled, -1), x], 1) if self.filled else x
        _, (state, _) = self.encoder(whole.reshape(len(x), self.steps, -1))  # state: (1, batch, hidden)
        latent = torch.tanh(self.latent(state[0]))  # (batch, latent)
        states, _ = self.decoder(latent.unsqueeze(1).expand(-1, self.steps, -1))  # (batch, steps, hidden)
        rebuilt: Tensor = self.output(states).flip(1)  # (batch, steps, readings per step * channels)
        return rebuilt.reshape(len(x), -1, self.channels)[:, self.filled :]

    def optimizers(self, learning_rate: float) -> Optimizers:
        """See `Autoencoder.optimizers`. One call updates all weights, which pays for cutting the gradient."""
        return [torch.optim.Adam(self.parameters(), learning_rate, fused=True)]

    def export(self, graph: Graph, x: str) -> str:
        """See `Autoencoder.export`."""
        cells, skipped = np.arange(self.length * self.channels), self.filled * self.channels
        if skipped:
            first = np.tile(cells[: self.channels], self.filled)
            x = graph.node("Gather", x, graph.constant(np.concatenate([first, cells])), axis=1)
        windows = graph.node("Reshape", x, graph.constant([-1, self.steps, self.encoder.input_size]))
        steps = graph.node("Transpose", windows, perm=[1, 0, 2])  # (steps, batch, width)
        latent = graph.node("Tanh", linear(graph, lstm(graph, steps, self.encoder, last=True), self.latent))
        fed = graph.node("Expand", latent, graph.constant([self.steps, 1, 1]))  # (steps, batch, latent)
        states = lstm(graph, fed, self.decoder, reverse=True)  # (steps, batch, hidden)
        rebuilt = graph.node("MatMul", states, graph.constant(array(self.output.weight.T)))
        rows = graph.node("Flatten", graph.node("Transpose", rebuilt, perm=[1, 0, 2]))
        rows = graph.node("Add", rows, graph.constant(array(self.output.bias.repeat(self.steps))))
        if not skipped:
            return rows
        ends = (graph.constant([place]) for place in (skipped, skipped + len(cells), 1))  # from, to, axis
        return graph.node("Slice", rows, *ends)
