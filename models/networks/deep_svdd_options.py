"""The options of Deep SVDD. Apart from the net, so that settings are checked without torch."""

from __future__ import annotations

from dataclasses import dataclass

from models.errors import ConfigError
from models.options import layer_widths


@dataclass(frozen=True)
class DeepSVDDConfig:
    """`hidden` are the widths from the first layer to the code; empty follows the window.

    `nu` above 0 is the soft boundary, with that share of the windows outside the sphere; 0 draws all to its centre.
    """

    hidden: tuple[int, ...] = ()
    nu: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", layer_widths("deep_svdd", self.hidden))
        if not 0 <= self.nu < 1:
            raise ConfigError(f"deep_svdd: nu = {self.nu}; it must be at least 0 and below 1")
