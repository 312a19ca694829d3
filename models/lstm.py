"""Sequence-to-sequence LSTM autoencoder.

Malhotra et al. 2016, arXiv:1607.00148; Srivastava et al. 2015, arXiv:1502.04681.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.base import Autoencoder
from models.errors import ConfigError


@dataclass(frozen=True)
class LSTMConfig:
    """Units of encoder and decoder, and the size of the latent vector between them."""

    hidden: int = 32
    latent: int = 8

    def __post_init__(self) -> None:
        if min(self.hidden, self.latent) < 1:
            raise ConfigError(f"lstm: hidden = {self.hidden}, latent = {self.latent}; both must be at least 1")


class LSTM(Autoencoder):
    """The encoder's last state becomes the latent vector, which the decoder is fed at every step.

    The decoder tells the window backwards: what the encoder saw last is what the latent vector remembers best.
    """

    config_class = LSTMConfig
    chunk = 128

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
