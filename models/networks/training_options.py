"""The options of the epoch loop. Apart from it, so that settings are checked without torch."""

from __future__ import annotations

from dataclasses import dataclass, fields

from models.contract import HELD_OUT
from models.errors import ConfigError


@dataclass(frozen=True)
class TrainingConfig:
    """How to train. `validation` is the share held out at the end; `keep` 1.0 learns from every window alike."""

    epochs: int = 200  # at most, in each of the two runs
    batch_size: int = 64
    learning_rate: float = 2e-3
    patience: int = 20  # epochs without a better validation loss before a run stops
    validation: float = HELD_OUT
    keep: float = 0.6
    reach: float = 3.0

    def __post_init__(self) -> None:
        counts = min(self.epochs, self.batch_size, self.patience) >= 1
        shares = 0 < self.validation < 1 and 0 < self.keep <= 1
        if not (counts and shares and self.reach >= 1 and self.learning_rate > 0):
            raise ConfigError(
                f"{_written(self)}: epochs, batch_size, patience and reach must be at least 1, learning_rate above 0, "
                "validation between 0 and 1, keep above 0 and at most 1"
            )


def _written(config: TrainingConfig) -> str:
    """The options of the epoch loop as people write them."""
    return ", ".join(f"{field.name} = {getattr(config, field.name)}" for field in fields(TrainingConfig))
