"""The options of the variational autoencoder. Apart from the net, so that settings are checked without torch."""

from __future__ import annotations

from dataclasses import dataclass

from models.errors import ConfigError
from models.options import MOST_UNITS, layer_widths, refuse_given

MOST_SAMPLES = 128


@dataclass(frozen=True)
class VAEConfig:
    """`hidden` are the widths of the layers before the latent one and `latent` its size; empty and 0 follow the window.

    `samples` is how many codes are drawn for each window that is scored, `beta` the weight of the divergence. The
    last `given` channels are conditions: they are neither rebuilt nor scored. See `models.networks.given`.
    """

    hidden: tuple[int, ...] = ()
    latent: int = 0
    samples: int = 8
    beta: float = 1.0
    given: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", layer_widths("vae", self.hidden))
        if not 0 <= self.latent <= MOST_UNITS:
            raise ConfigError(
                f"vae: latent = {self.latent}; it must be from 1 to {MOST_UNITS}, or 0 for a size that follows "
                "the window"
            )
        refuse_given("vae", self.given)
        if not (1 <= self.samples <= MOST_SAMPLES and self.beta >= 0):
            raise ConfigError(
                f"vae: samples = {self.samples}, beta = {self.beta}; samples must be from 1 to {MOST_SAMPLES}, "
                "beta at least 0"
            )
