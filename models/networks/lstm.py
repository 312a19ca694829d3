"""Sequence-to-sequence LSTM autoencoder.

Malhotra et al. 2016, arXiv:1607.00148; Srivastava et al. 2015, arXiv:1502.04681.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.graph import Graph
from models.networks.base import Autoencoder
from models.networks.layers import array, linear, lstm
from models.networks.lstm_options import LSTMConfig


class LSTM(Autoencoder):
    """The encoder's last state becomes the latent vector, which the decoder is fed at every step.

    The decoder tells the window backwards: what the encoder saw last is what the latent vector remembers best.
    """

    def __init__(self, length: int, channels: int, config: LSTMConfig) -> None:
        super().__init__(length, channels, config)
        self.encoder = nn.LSTM(channels, config.hidden, batch_first=True)
        self.latent = nn.Linear(config.hidden, config.latent)
        self.decoder = nn.LSTM(config.latent, config.hidden, batch_first=True)
        self.output = nn.Linear(config.hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        """See `Autoencoder.forward`."""
        _, (state, _) = self.encoder(x)  # state: (1, batch, hidden)
        latent = torch.tanh(self.latent(state[0]))  # (batch, latent)
        told, _ = self.decoder(latent.unsqueeze(1).expand(-1, self.length, -1))  # (batch, length, hidden)
        rebuilt: Tensor = self.output(told)
        return rebuilt.flip(1)

    def export(self, graph: Graph, x: str) -> str:
        """See `Autoencoder.export`."""
        windows = graph.node("Reshape", x, graph.constant([-1, self.length, self.channels]))
        steps = graph.node("Transpose", windows, perm=[1, 0, 2])  # (length, batch, channels)
        latent = graph.node("Tanh", linear(graph, lstm(graph, steps, self.encoder, last=True), self.latent))
        fed = graph.node("Expand", latent, graph.constant([self.length, 1, 1]))  # (length, batch, latent)
        told = lstm(graph, fed, self.decoder, reverse=True)  # (length, batch, hidden)
        rebuilt = graph.node("MatMul", told, graph.constant(array(self.output.weight.T)))
        rows = graph.node("Flatten", graph.node("Transpose", rebuilt, perm=[1, 0, 2]))
        return graph.node("Add", rows, graph.constant(array(self.output.bias.repeat(self.length))))
