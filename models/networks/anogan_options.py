"""The options of AnoGAN. Apart from the net, so that settings are checked without torch."""

from __future__ import annotations

from dataclasses import dataclass

from models.errors import ConfigError

MOST_STEPS = 10_000


@dataclass(frozen=True)
class AnoganConfig:
    """`steps` is the budget of the search for each window."""

    steps: int = 100

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= MOST_STEPS:
            raise ConfigError(f"anogan: steps = {self.steps}; write a whole number from 1 to {MOST_STEPS:,}")
