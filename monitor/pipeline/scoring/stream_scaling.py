"""One family model for machines of different level and size: each stream is scaled by its own profile.

A profile is learned once, from the span a stream is trained or enrolled on: centre and scale per channel (median and
interquartile range, with floors) and the mean and standard deviation of the detector's scores on that stream.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from monitor.pipeline.state.columns import Columns
from monitor.pipeline.state.segments import segments
from monitor.records.batches import NEVER, Float32, Int32

IQR_TO_STD = 1.349  # interquartile range of a normal distribution, in standard deviations


@dataclass(frozen=True, slots=True)
class Profile:
    """What is known of one stream: centre and scale (channels,), and its normal scores.

    It was learned from `readings` readings, from `first` to `last`, ns.
    """

    center: Float32
    scale: Float32
    score_mean: float
    score_std: float
    score_count: int
    first: int = NEVER
    last: int = NEVER
    readings: int = 0

    @property
    def sound(self) -> bool:
        """Whether windows can be scaled by it and limits begin from it: finite, and no scale of 0."""
        numbers = (*self.center.tolist(), *self.scale.tolist(), self.score_mean, self.score_std)
        return all(map(math.isfinite, numbers)) and bool((self.scale > 0).all()) and self.score_std >= 0


def robust_scale(readings: Float32) -> tuple[Float32, Float32]:
    """Centre and scale per channel of (n, channels): median and IQR / 1.349, no smaller than a tenth of the std.

    A channel that never moved gets a scale of 1 % of its level (at least 1e-6), so that the first small change
    counts as large but not as infinite. NaN readings are left out; a channel that has no others gets NaN.
    """
    wide = readings.astype(np.float64)
    empty = np.isnan(wide).all(axis=0)
    wide = np.where(empty, 0.0, wide)
    low, center, high = np.where(empty, np.nan, np.nanpercentile(wide, [25, 50, 75], axis=0))
    spread = np.maximum((high - low) / IQR_TO_STD, 0.1 * np.nanstd(wide, axis=0))
    floor = np.maximum(1e-2 * np.abs(center), 1e-6)
    scale = np.where(spread > 1e-4 * floor, spread, floor)
    return center.astype(np.float32), scale.astype(np.float32)


class Profiles:
    """The profiles of all streams of a family. `model` is empty for a stream that has none yet."""

    def __init__(self, channels: int) -> None:
        self.columns = Columns(
            {
                "model": ("S8", (), b""),  # first 8 hex digits of the artefact
                "seen": (np.int64, (), 0),  # readings kept to train or enrol on
                "center": (np.float32, (channels,), 0.0),
                "scale": (np.float32, (channels,), 1.0),
            }
        )

    def apply(self, stream: Int32, windows: Float32) -> Float32:
        """Windows (m, length, channels) in units of their stream's scale."""
        center, scale = self.columns["center"][stream], self.columns["scale"][stream]
        return np.asarray((windows - center[:, None]) / scale[:, None])

    def undo(self, stream: Int32, windows: Float32) -> Float32:
        """Back to the units of the readings."""
        center, scale = self.columns["center"][stream], self.columns["scale"][stream]
        return np.asarray(windows * scale[:, None] + center[:, None])

    def put(self, code: int, model: bytes, profile: Profile) -> None:
        """Adopt a profile."""
        self.columns["model"][code] = model
        self.columns["center"][code] = profile.center
        self.columns["scale"][code] = profile.scale

    def rows_until(self, stream: Int32, after: int) -> int:
        """How many of these readings it takes until one of the streams has been seen for `after` of them, or all."""
        order = np.argsort(stream, kind="stable")
        ordered = stream[order]
        rank = np.arange(len(ordered)) - np.repeat(*segments(ordered))
        enough = order[self.columns["seen"][ordered] + rank + 1 >= after]
        return int(enough.min()) + 1 if len(enough) else len(stream)
