"""The options of GANomaly. Apart from the net, so that settings are checked without torch."""

from __future__ import annotations

from dataclasses import dataclass

from models.errors import ConfigError
from models.options import refuse_given


@dataclass(frozen=True)
class GanomalyConfig:
    """`residual` is the share of the reconstruction's error in the score; 0 is the published one, of codes alone.

    The last `given` channels are conditions: they are neither rebuilt nor scored. See `models.networks.given`.
    """

    residual: float = 0.5
    given: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.residual <= 1:
            raise ConfigError(f"ganomaly: residual = {self.residual:g}; a share lies between 0 and 1")
        refuse_given("ganomaly", self.given)
