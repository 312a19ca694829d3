"""The options of the dense autoencoder. Apart from the net, so that settings are checked without torch."""

from __future__ import annotations

from dataclasses import dataclass

from models.errors import ConfigError


@dataclass(frozen=True)
class DenseConfig:
    """Widths from the first hidden layer to the latent one; empty follows `models.networks.dense.default_widths`."""

    hidden: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", tuple(self.hidden))  # JSON and TOML give lists
        if any(type(width) is not int or width < 1 for width in self.hidden):
            raise ConfigError(f"dense: hidden = {list(self.hidden)}; every width must be a whole number of at least 1")
