"""The options of Efficient GAN. Apart from the net, so that settings are checked without torch."""

from __future__ import annotations

from dataclasses import dataclass

from models.errors import ConfigError


@dataclass(frozen=True)
class EfficientganConfig:
    """`cycle` is the weight of the reconstruction in training; 0 is the published training, of pairs alone."""

    cycle: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.cycle <= 1000:
            raise ConfigError(f"efficientgan: cycle = {self.cycle:g}; write a number from 0 to 1000")
