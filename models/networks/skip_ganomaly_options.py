"""The options of Skip-GANomaly. Apart from the net, so that settings are checked without torch."""

from __future__ import annotations

from dataclasses import dataclass

from models.errors import ConfigError


@dataclass(frozen=True)
class SkipGanomalyConfig:
    """`masked` is the share of each window's cells that is hidden from the generator in training."""

    masked: float = 0.2

    def __post_init__(self) -> None:
        if not 0 <= self.masked < 1:
            raise ConfigError(f"skip_ganomaly: masked = {self.masked:g}; a share lies between 0 and below 1")
