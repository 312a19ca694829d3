"""The options of the recursive autoencoder. Apart from the net, so that settings are checked without torch."""

from __future__ import annotations

from dataclasses import dataclass

from models.errors import ConfigError

MOST = 1024


@dataclass(frozen=True)
class RecursiveConfig:
    """The numbers of a node's `code`; 0 follows the window: `models.networks.recursive.default_code`."""

    code: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.code <= MOST:
            raise ConfigError(
                f"recursive: code = {self.code}; write 1 to {MOST}, or 0 for a size that follows the window"
            )
