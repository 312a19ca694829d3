"""The options of the LSTM autoencoder. Apart from the net, so that settings are checked without torch."""

from __future__ import annotations

from dataclasses import dataclass

from models.errors import ConfigError


@dataclass(frozen=True)
class LSTMConfig:
    """Units of encoder and decoder, and the size of the latent vector between them.

    0 follows the window: `default_units` and `default_latent` in `models.networks.lstm`.
    """

    hidden: int = 0
    latent: int = 0

    def __post_init__(self) -> None:
        if min(self.hidden, self.latent) < 0:
            raise ConfigError(
                f"lstm: hidden = {self.hidden}, latent = {self.latent}; both must be at least 1, "
                "or 0 for a size that follows the window"
            )
