"""The options of the LSTM autoencoder. Apart from the net, so that settings are checked without torch."""

from __future__ import annotations

from dataclasses import dataclass

from models.errors import ConfigError
from models.options import MOST_UNITS, one_of


@dataclass(frozen=True)
class LSTMConfig:
    """Units of encoder and decoder, and the size of the latent vector between them.

    0 follows the window: `default_units` and `default_latent` in `models.networks.stacks`. The score is the root mean
    square of the errors (`judged_by = "rmse"`), or their distance from the errors of windows set aside ("mahalanobis").
    """

    hidden: int = 0
    latent: int = 0
    judged_by: str = "rmse"

    def __post_init__(self) -> None:
        if not (0 <= self.hidden <= MOST_UNITS and 0 <= self.latent <= MOST_UNITS):
            raise ConfigError(
                f"lstm: hidden = {self.hidden}, latent = {self.latent}; both must be at least 1 and at most "
                f"{MOST_UNITS}, or 0 for a size that follows the window"
            )
        one_of("lstm", "judged_by", self.judged_by, ("rmse", "mahalanobis"))
