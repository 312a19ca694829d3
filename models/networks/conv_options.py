"""The options of the convolutional autoencoder. Apart from the net, so that settings are checked without torch."""

from __future__ import annotations

from dataclasses import dataclass

from models.errors import ConfigError
from models.options import refuse_given

MOST = 1024


@dataclass(frozen=True)
class ConvConfig:
    """`filters` of each convolution, and the size of the `latent` vector; 0 follows `stacks.default_widths`.

    The last `given` channels are conditions: they are neither rebuilt nor scored. See `models.networks.given`.
    """

    filters: int = 16
    latent: int = 0
    given: int = 0

    def __post_init__(self) -> None:
        if not (1 <= self.filters <= MOST and 0 <= self.latent <= MOST):
            raise ConfigError(
                f"conv: filters = {self.filters}, latent = {self.latent}; filters must be 1 to {MOST}, and latent 1 to "
                f"{MOST}, or 0 for a size that follows the window"
            )
        refuse_given("conv", self.given)
