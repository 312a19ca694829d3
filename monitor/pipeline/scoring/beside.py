"""Online detectors that a family adds to its recipe: the window's ratio is the largest of theirs and the recipe's.

The score of each becomes surprise on the stream's history, as in the recipe `default`: standard deviations above the
mean of its scores before, the mean of the last three, compressed. At `n_std` deviations the ratio is 1. What the recipe
finds stays found, and its limit learns from its scores alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, cast

import numpy as np

from monitor.config.families import Family
from monitor.config.references import resolve
from monitor.pipeline.scoring.companions.base import Companion
from monitor.pipeline.scoring.mixture import DETECTOR, Components
from monitor.pipeline.scoring.surprise import Deviations, Surprise
from monitor.pipeline.state.codec import StreamPart
from monitor.records.batches import Float32, Windows

SMOOTHED = 3  # scores
_COMPANIONS: Final = {
    "half_space_trees": "monitor.pipeline.scoring.companions.half_space_trees:HalfSpaceTrees",
    "gaussian_scorer": "monitor.pipeline.scoring.companions.gaussian_scorer:GaussianScorer",
}


class _Judge:
    """One of them, and the scale of its scores."""

    def __init__(self, name: str, family: Family) -> None:
        self.companion = cast("Companion", resolve(_COMPANIONS[name])(*family.shape.window))
        self.deviations, self.surprise = Deviations(), Surprise(SMOOTHED)
        self._limit = np.float32(2 * math.log2(1 + family.threshold.n_std / 2))

    def ratio(self, windows: Windows) -> Float32:
        """Of each window, (m,); 0 while too little is known."""
        away = self.deviations.apply(windows.stream, windows.end, self.companion.score(windows))
        return np.nan_to_num(self.surprise.apply(windows.stream, away)) / self._limit


class Beside:
    """The companions of a family, in the order in which it names them."""

    def __init__(self, family: Family) -> None:
        self._judges = {name: _Judge(name, family) for name in family.companions}

    @property
    def parts(self) -> Mapping[str, StreamPart]:
        """What is kept of each stream, by name."""
        parts: dict[str, StreamPart] = {}
        for name, judge in self._judges.items():
            scale = {"deviations": judge.deviations.columns, "surprise": judge.surprise.columns}
            parts |= {name: judge.companion, **{f"{name}.{part}": of for part, of in scale.items()}}
        return parts

    def ratios(self, windows: Windows, raised: Float32) -> Float32:
        """Of each companion (k, m), where limits are multiplied by `raised` (m,). Called once for each batch."""
        return np.stack([judge.ratio(windows) / raised for judge in self._judges.values()])

    def whole(
        self, components: Components, score: Float32, limit: Float32, ratio: Float32, ratios: Float32
    ) -> tuple[Float32, Components]:
        """The recipe's score (m,), raised to what the largest ratio is, and its components with what each adds to that.

        `ratio` (m,) is the largest one, NaN of windows that are not judged.
        """
        parts, raised = dict(components) or {DETECTOR: score}, np.where(ratio > score / limit, ratio * limit, score)
        whole = score
        for name, of_one in zip(self._judges, ratios, strict=True):
            added = np.minimum(np.maximum(of_one * limit, whole), raised) - whole
            parts[name.replace("_", " ")] = np.nan_to_num(added, posinf=0)
            whole = whole + parts[name.replace("_", " ")]
        return raised, parts
