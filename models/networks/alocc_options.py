"""The options of ALOCC. Apart from the net, so that settings are checked without torch."""

from __future__ import annotations

from dataclasses import dataclass

from models.errors import ConfigError


@dataclass(frozen=True)
class AloccConfig:
    """`noise` is the standard deviation of what is added to the windows in training, in scaled units."""

    noise: float = 0.2

    def __post_init__(self) -> None:
        if not 0 < self.noise <= 10:
            raise ConfigError(f"alocc: noise = {self.noise:g}; write a number above 0, and at most 10")
