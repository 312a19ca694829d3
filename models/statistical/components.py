"""The option that says which principal components are kept."""

from __future__ import annotations

from dataclasses import dataclass

from models.errors import ConfigError
from models.statistical.past import PastConfig


@dataclass(frozen=True)
class ComponentsConfig(PastConfig):
    """The largest components that hold the share `variance` of the variance are the major ones, the rest are minor."""

    variance: float = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.variance < 1:
            raise ConfigError(f"variance = {self.variance}: variance must be between 0 and 1")
