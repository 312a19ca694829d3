"""The options of the dense autoencoder. Apart from the net, so that settings are checked without torch."""

from __future__ import annotations

from dataclasses import dataclass

from models.options import layer_widths, one_of, refuse_given


@dataclass(frozen=True)
class DenseConfig:
    """Widths from the first hidden layer to the latent one; empty follows `models.networks.stacks.default_widths`.

    `error` is what the score is of the errors: their root mean square (`rms`) or their mean absolute value (`mae`).
    The last `given` channels are conditions: they are neither rebuilt nor scored. See `models.networks.given`.
    """

    hidden: tuple[int, ...] = ()
    error: str = "rms"
    given: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", layer_widths("dense", self.hidden))
        one_of("dense", "error", self.error, ("rms", "mae"))
        refuse_given("dense", self.given)
