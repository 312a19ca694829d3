"""The options of the autoregressive detector. Apart from the net, so that settings are checked without torch."""

from __future__ import annotations

from dataclasses import dataclass

from models.errors import ConfigError
from models.options import one_of

TRUNKS = ("conv", "rnn")
LIKELIHOODS = ("gaussian", "discretised")
MOST_UNITS = 512


@dataclass(frozen=True)
class AutoregressiveConfig:
    """`units` is the width of each layer; 0 follows the window (`models.networks.autoregressive.default_units`).

    `trunk` reads the past by causal dilated convolutions or by an LSTM; `likelihood` is that of a reading.
    """

    units: int = 0
    trunk: str = "conv"
    likelihood: str = "gaussian"

    def __post_init__(self) -> None:
        one_of("autoregressive", "trunk", self.trunk, TRUNKS)
        one_of("autoregressive", "likelihood", self.likelihood, LIKELIHOODS)
        if not 0 <= self.units <= MOST_UNITS:
            raise ConfigError(
                f"autoregressive: units = {self.units}; it must be from 1 to {MOST_UNITS}, or 0 for a size that "
                "follows the window"
            )
