"""Sequence-to-sequence LSTM autoencoder.

Malhotra et al. 2016, arXiv:1607.00148; Srivastava et al. 2015, arXiv:1502.04681. Long windows are read several
readings a step: gradients pass through few steps, and training and scoring take as much less time.

With `judged_by = "mahalanobis"` the score is the distance of the error vector from those of windows set aside, as in
EncDec-AD: a reading that is always rebuilt badly counts less, and errors that usually go together count once. Departing
from the paper, which rates each moment by the errors of its channels, the vector is of the whole window, with its sign.
Its covariance is shrunk (Ledoit and Wolf 2004, doi:10.1016/S0047-259X(03)00096-4), and diagonal above `MOST_CELLS`.
With the symmetric root W of its inverse the score is the root mean square of W (e - mean), whose squares are the
contributions of the cells.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.graph import Graph
from models.networks.base import Autoencoder, Optimizers
from models.networks.layers import array, linear, lstm
from models.networks.lstm_options import LSTMConfig
from models.networks.stacks import default_latent, default_units, readings_per_step

MOST_CELLS = 512  # of a covariance of all pairs, which is a matrix in the graph
NOISE = 0.05  # standard deviation of an error at least, in scaled units


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
        self.error_mean: Tensor
        self.whitening: Tensor  # (cells, cells), or only its diagonal
        self.settles = config.judged_by == "mahalanobis"
        if self.settles:
            cells = length * channels
            self.register_buffer("error_mean", torch.zeros(cells))
            self.register_buffer("whitening", torch.eye(cells) if cells <= MOST_CELLS else torch.ones(cells))

    def forward(self, x: Tensor) -> Tensor:
        """See `Autoencoder.forward`."""
        whole = torch.cat([x[:, :1].expand(-1, self.filled, -1), x], 1) if self.filled else x
        _, (state, _) = self.encoder(whole.reshape(len(x), self.steps, -1))  # state: (1, batch, hidden)
        latent = torch.tanh(self.latent(state[0]))  # (batch, latent)
        states, _ = self.decoder(latent.unsqueeze(1).expand(-1, self.steps, -1))  # (batch, steps, hidden)
        rebuilt: Tensor = self.output(states).flip(1)  # (batch, steps, readings per step * channels)
        return rebuilt.reshape(len(x), -1, self.channels)[:, self.filled :]

    def settle(self, aside: Tensor) -> None:
        """See `Net.settle`: estimates how errors are distributed."""
        if len(aside) > 1:
            errors = array((aside - self(aside)).flatten(1)).astype(np.float64)
            for buffer, found in zip((self.error_mean, self.whitening), _distribution(errors), strict=True):
                buffer.copy_(torch.from_numpy(found))

    def contribution(self, x: Tensor, reconstruction: Tensor) -> Tensor:
        """See `Autoencoder.contribution`."""
        if self.config.judged_by == "rmse":
            return super().contribution(x, reconstruction)
        errors = (x - reconstruction).flatten(1) - self.error_mean
        usual = errors @ self.whitening if self.whitening.ndim == 2 else errors * self.whitening
        return usual.square().view_as(x)

    def export_contribution(self, graph: Graph, x: str, reconstruction: str) -> str:
        """See `Autoencoder.export_contribution`."""
        if self.config.judged_by == "rmse":
            return super().export_contribution(graph, x, reconstruction)
        errors = graph.node("Sub", graph.node("Sub", x, reconstruction), graph.constant(array(self.error_mean)))
        operator = "MatMul" if self.whitening.ndim == 2 else "Mul"
        usual = graph.node(operator, errors, graph.constant(array(self.whitening)))
        return graph.node("Mul", usual, usual)

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


def _distribution(errors: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean of the errors (n, cells), and the symmetric root of their inverse covariance or of its diagonal."""
    from sklearn.covariance import ledoit_wolf  # a second to import, for those who train

    mean = errors.mean(axis=0)
    if errors.shape[1] > MOST_CELLS:
        return mean, 1 / np.sqrt(errors.var(axis=0) + NOISE**2)
    covariance, _ = ledoit_wolf(errors)
    covariance.flat[:: len(covariance) + 1] += NOISE**2
    variances, directions = np.linalg.eigh(covariance)
    return mean, (directions / np.sqrt(np.maximum(variances, NOISE**2))) @ directions.T
