"""The options of DAGMM. Apart from the net, so that settings are checked without torch."""

from __future__ import annotations

from dataclasses import dataclass

from models.errors import ConfigError
from models.options import layer_widths

MOST_CLUSTERS = 64


@dataclass(frozen=True)
class DAGMMConfig:
    """`hidden` are the widths from the first layer to the code; empty follows the window.

    `clusters` is how many Gaussians the mixture has.
    """

    hidden: tuple[int, ...] = ()
    clusters: int = 4

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", layer_widths("dagmm", self.hidden))
        if not 1 <= self.clusters <= MOST_CLUSTERS:
            raise ConfigError(f"dagmm: clusters = {self.clusters}; it must be from 1 to {MOST_CLUSTERS}")
