"""The options of the denoising autoencoder. Apart from the net, so that settings are checked without torch."""

from __future__ import annotations

from dataclasses import dataclass

from models.errors import ConfigError
from models.options import layer_widths, one_of


@dataclass(frozen=True)
class DenoisingConfig:
    """Widths as those of `dense`; empty follows `models.networks.denoising.default_denoising_widths`.

    `noise` is what training adds: "gaussian", "masking" or "drift". `size` is, in scaled units, the standard deviation
    of "gaussian" and the largest end of a "drift"; of "masking" it is the share of the readings, below 1.
    """

    hidden: tuple[int, ...] = ()
    noise: str = "gaussian"
    size: float = 0.3
    linear: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", layer_widths("denoising", self.hidden))
        one_of("denoising", "noise", self.noise, ("gaussian", "masking", "drift"))
        most = 1.0 if self.noise == "masking" else 100.0
        if not 0 < self.size < most:
            raise ConfigError(f"denoising: size = {self.size}; of {self.noise} it must be above 0 and below {most:g}")
