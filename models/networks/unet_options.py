"""The options of the U-Net. Apart from the net, so that settings are checked without torch."""

from __future__ import annotations

from dataclasses import dataclass

from models.errors import ConfigError

MOST = 1024


@dataclass(frozen=True)
class UNetConfig:
    """`filters` of each convolution, and of each `skip` connection; 0 is as many as the window has channels."""

    filters: int = 16
    skip: int = 0

    def __post_init__(self) -> None:
        if not (1 <= self.filters <= MOST and 0 <= self.skip <= MOST):
            raise ConfigError(
                f"unet: filters = {self.filters}, skip = {self.skip}; both must be 1 to {MOST}, "
                "and skip may be 0, for as many as the window has channels"
            )
