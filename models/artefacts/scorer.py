"""A trained detector at work: numpy in, numpy out, without torch."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.artefacts.data import Float32, Scaler, as_windows
from models.artefacts.scores import ScoreSummary
from models.contract import CODE, CONTRIBUTION, RECONSTRUCTION, SCORE, Capabilities, Engine
from models.errors import ArtefactError


class Scorer:
    """Scores windows (n, length, channels) of one shape. `models.load` makes it; a fitted `Detector` has one inside.

    A score is >= 0, in the unit of its kind; higher is worse. It is equal to the bit however the windows are
    cut into batches. A window that holds NaN or infinity scores NaN, and so are its reconstruction and explanation;
    the windows beside it are not affected. Scoring runs on one CPU thread: more workers scale it, not more threads.

    `training_scores` are those of the clean ones among the windows held out from training. `capabilities` says whether
    windows are reconstructed and scores explained; what is not is None.
    """

    def __init__(
        self,
        kind: str,
        capabilities: Capabilities,
        shape: tuple[int, int],
        engine: Engine,
        scaler: Scaler,
        training_scores: ScoreSummary,
    ) -> None:
        self.kind = kind
        self.capabilities = capabilities
        self.length, self.channels = shape
        self.training_scores = training_scores
        self._engine = engine
        self._scaler = scaler
        if not engine.fits(shape, capabilities.outputs):
            outputs = ", ".join(sorted(capabilities.outputs))
            raise ArtefactError(
                f"the graph is not for windows of {self.length} x {self.channels} with the outputs {outputs}; "
                "retrain the model"
            )
        if not scaler.fits(self.channels):
            raise ArtefactError(f"the scaler is not one for {self.channels} channels; retrain the model")
        if not (np.isfinite(training_scores.mean) and np.isfinite(training_scores.std)):
            raise ArtefactError(
                "the training scores are NaN or infinite: no limit can begin from them; retrain the model"
            )

    def score(self, windows: ArrayLike) -> Float32:
        """How badly each window is explained, float32 (n,): >= 0, higher is worse; NaN for incomplete windows."""
        given = as_windows(windows, self.length, self.channels)
        if len(given) == 0:
            return np.empty(0, np.float32)
        scores = self._engine.run(SCORE, given)
        odd = np.flatnonzero(~np.isfinite(scores))  # incomplete windows, or values too large for a square
        scores[odd] = np.where(_incomplete(given[odd]), np.float32(np.nan), np.float32(np.inf))
        return scores

    def reconstruct(self, windows: ArrayLike) -> Float32 | None:
        """What the detector expected to see, float32 (n, length, channels), in the units of the input.

        None where the kind reconstructs nothing.
        """
        rebuilt = self._cells(RECONSTRUCTION, windows)
        return None if rebuilt is None else self._scaler.backward(rebuilt)

    def explain(self, windows: ArrayLike) -> Float32 | None:
        """Share of each cell in its window's score, float32 (n, length, channels), summing to 1 per window.

        None where the score of the kind is not a sum over cells.
        """
        blame = self._cells(CONTRIBUTION, windows)
        if blame is None:
            return None
        total = blame.sum(axis=(1, 2), keepdims=True, dtype=np.float64)
        even = 1 / (self.length * self.channels)  # nothing is to blame for a perfect reconstruction
        with np.errstate(invalid="ignore"):  # values too large for a square: their shares are NaN
            return np.where(total == 0, even, blame / np.where(total == 0, 1, total)).astype(np.float32)

    def encode(self, windows: ArrayLike) -> Float32 | None:
        """The latent vector of each window, float32 (n, width); NaN for incomplete windows.

        None where the kind has none to give.
        """
        given = as_windows(windows, self.length, self.channels)
        if CODE not in self.capabilities.outputs:
            return None
        asked = given if len(given) else np.zeros((1, self.length, self.channels), np.float32)  # says the width
        found = self._engine.run(CODE, asked)[: len(given)]
        found[_incomplete(given)] = np.nan
        return found

    def _cells(self, output: str, windows: ArrayLike) -> Float32 | None:
        given = as_windows(windows, self.length, self.channels)
        if output not in self.capabilities.outputs:
            return None
        if len(given) == 0:
            return given
        found = self._engine.run(output, given).reshape(given.shape)
        found[_incomplete(given)] = np.nan
        return found


def _incomplete(windows: Float32) -> NDArray[np.bool_]:
    return ~np.asarray(np.isfinite(windows).all(axis=(1, 2)))
