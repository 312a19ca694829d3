"""The options of the LSTM autoencoder. Apart from the net, so that settings are checked without torch."""

from __future__ import annotations

from dataclasses import dataclass

from models.errors import ConfigError


@dataclass(frozen=True)
class LSTMConfig:
    """Units of encoder and decoder, and the size of the latent vector between them."""

    hidden: int = 32
    latent: int = 8

    def __post_init__(self) -> None:
        if min(self.hidden, self.latent) < 1:
            raise ConfigError(f"lstm: hidden = {self.hidden}, latent = {self.latent}; both must be at least 1")
