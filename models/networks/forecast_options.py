"""The options of the forecaster. Apart from the net, so that settings are checked without torch."""

from __future__ import annotations

from dataclasses import dataclass

from models.errors import ConfigError
from models.options import one_of

PREDICTORS = ("cnn", "linear")
MOST_PAST = 32
PLACES = 16  # of a window: so many steps as far as is foreseen make its length


def default_past(length: int) -> int:
    """A quarter of the window, from 1 to 32 readings: 140 -> 32, 24 -> 6."""
    return min(MOST_PAST, max(1, length // 4))


def default_ahead(length: int) -> int:
    """A sixteenth of the window, at least 1 reading: 140 -> 8, 24 -> 1."""
    return max(1, length // PLACES)


@dataclass(frozen=True)
class ForecastConfig:
    """`predictor` is what foresees, `past` from how many readings, `ahead` how far; 0 follows the window.

    See `default_past` and `default_ahead`.
    """

    predictor: str = "cnn"
    past: int = 0
    ahead: int = 0

    def __post_init__(self) -> None:
        one_of("forecast", "predictor", self.predictor, PREDICTORS)
        if min(self.past, self.ahead) < 0:
            raise ConfigError(
                f"forecast: past = {self.past}, ahead = {self.ahead}; both must be at least 1, "
                "or 0 to follow the window"
            )

    def check_length(self, length: int) -> None:
        """Raise ConfigError unless a reading of such windows is left to foresee."""
        past, ahead = self.past or default_past(length), self.ahead or default_ahead(length)
        if past + ahead > length:
            raise ConfigError(
                f"forecast: past = {past} and ahead = {ahead} leave no reading of a window of {length} to foresee"
            )
