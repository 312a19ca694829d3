"""The options of f-AnoGAN. Apart from the net, so that settings are checked without torch."""

from __future__ import annotations

from dataclasses import dataclass

from models.errors import ConfigError


@dataclass(frozen=True)
class FanoganConfig:
    """`kappa` is the weight of the features beside the residual, in training and in the score."""

    kappa: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.kappa <= 1000:
            raise ConfigError(f"fanogan: kappa = {self.kappa:g}; write a number from 0 to 1000")
