"""The options of the autoencoder with regression. Apart from the net, so that settings are checked without torch."""

from __future__ import annotations

from dataclasses import dataclass

from models.errors import ConfigError

MOST = 1024


@dataclass(frozen=True)
class AERConfig:
    """Units of encoder and decoder in each direction, and the size of the latent vector between them.

    0 follows the window: `default_units` and `default_latent` in `models.networks.stacks`.
    """

    hidden: int = 0
    latent: int = 0

    def __post_init__(self) -> None:
        if not (0 <= self.hidden <= MOST and 0 <= self.latent <= MOST):
            raise ConfigError(
                f"aer: hidden = {self.hidden}, latent = {self.latent}; both must be 1 to {MOST}, or 0 for a size that "
                "follows the window"
            )
