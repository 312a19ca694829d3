"""The options of the sparse autoencoder. Apart from the net, so that settings are checked without torch."""

from __future__ import annotations

from dataclasses import dataclass

from models.errors import ConfigError
from models.options import layer_widths, one_of


@dataclass(frozen=True)
class SparseConfig:
    """Widths as those of `dense`; empty follows `models.networks.sparse.default_sparse_widths`.

    `penalty` is "l1", the mean absolute value of the code, or "kl", the divergence of its mean activity from `RATE`;
    `weight` is how much it counts beside the squared error.
    """

    hidden: tuple[int, ...] = ()
    penalty: str = "l1"
    weight: float = 1e-3

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", layer_widths("sparse", self.hidden))
        one_of("sparse", "penalty", self.penalty, ("l1", "kl"))
        if self.weight < 0:
            raise ConfigError(f"sparse: weight = {self.weight}; it must be at least 0, which is no penalty")
