"""What every detector has to beat: how far a window is from the median window."""

from __future__ import annotations

from typing import Final

import numpy as np

from models.artefacts.data import Float32, Scaler, split
from models.artefacts.scores import ScoreSummary
from models.contract import HELD_OUT


class MedianWindow:
    """Root mean square of the difference to the median of the windows, in scaled units."""

    def __init__(self, length: int, channels: int, seed: int) -> None:
        self.parameters = length * channels

    def fit(self, windows: Float32) -> MedianWindow:
        """Learn from windows (n, length, channels), the newest ones held out as by every detector."""
        learn, held_out = split(windows, HELD_OUT)
        self._scaler = Scaler.robust(learn)
        self._median = np.median(self._scaler.forward(learn), axis=0)
        self.training_scores = ScoreSummary.of(self.score(held_out))
        return self

    def score(self, windows: Float32) -> Float32:
        """(n,), higher is worse."""
        far: Float32 = np.sqrt(np.square(self._scaler.forward(windows) - self._median).mean(axis=(1, 2)))
        return far


BASELINES: Final = {"median window": MedianWindow}
