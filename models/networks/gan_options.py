"""The options of the GAN. Apart from the net, so that settings are checked without torch."""

from __future__ import annotations

from dataclasses import dataclass

from models.networks.judged import JUDGED_BY
from models.options import one_of, refuse_given

LOSSES = ("bce", "wgan-gp")


@dataclass(frozen=True)
class GanConfig:
    """`loss` is the game that both nets play, binary cross-entropy or Wasserstein with a gradient penalty.

    `judged_by` says whether the discriminator scores by its `features`, or by its own word, `discriminator`: the
    published way.
    The last `given` channels are conditions: they are neither made nor scored. See `models.networks.given`.
    """

    loss: str = "bce"
    judged_by: str = "features"
    given: int = 0

    def __post_init__(self) -> None:
        one_of("gan", "loss", self.loss, LOSSES)
        one_of("gan", "judged_by", self.judged_by, JUDGED_BY)
        refuse_given("gan", self.given)
