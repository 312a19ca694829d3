"""The options of the GAN. Apart from the net, so that settings are checked without torch."""

from __future__ import annotations

from dataclasses import dataclass

from models.options import one_of, refuse_given

LOSSES = ("bce", "wgan-gp")


@dataclass(frozen=True)
class GanConfig:
    """`loss` is the game that both nets play, binary cross-entropy or Wasserstein with a gradient penalty.

    The last `given` channels are conditions: they are neither made nor scored. See `models.networks.given`.
    """

    loss: str = "bce"
    given: int = 0

    def __post_init__(self) -> None:
        one_of("gan", "loss", self.loss, LOSSES)
        refuse_given("gan", self.given)
