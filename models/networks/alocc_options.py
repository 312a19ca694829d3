"""The options of ALOCC. Apart from the net, so that settings are checked without torch."""

from __future__ import annotations

from dataclasses import dataclass

from models.errors import ConfigError
from models.networks.judged import JUDGED_BY
from models.options import one_of


@dataclass(frozen=True)
class AloccConfig:
    """`noise` is the standard deviation of what is added to the windows in training, in scaled units.

    `judged_by` says whether the discriminator scores by its `features`, or by its own word, `discriminator`: the
    published way.
    """

    noise: float = 0.2
    judged_by: str = "features"

    def __post_init__(self) -> None:
        if not 0 < self.noise <= 10:
            raise ConfigError(f"alocc: noise = {self.noise:g}; write a number above 0, and at most 10")
        one_of("alocc", "judged_by", self.judged_by, JUDGED_BY)
