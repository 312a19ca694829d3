"""What a recipe with companions is made of: they score beside the detector, and all scores become one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import numpy as np

from monitor.pipeline.scoring.stream_scaling import Profile
from monitor.pipeline.scoring.usual_band import Usual
from monitor.pipeline.state.codec import StreamPart
from monitor.records.batches import Bool, Float32, Float64, Int32, Windows
from monitor.records.shifts import Shifts

DETECTOR = "detector"  # its name among the components of a score

Components = Mapping[str, Float32]
Facts = Mapping[str, Float64]  # what is known of windows beside their values, (m,) each; NaN = unknown


def total(components: Components) -> Float32:
    """The sum of what the components add, NaN where none of them knows enough."""
    parts = list(components.values())
    score, unknown = np.zeros(len(parts[0]), np.float32), np.ones(len(parts[0]), bool)
    for added in parts:
        lacks = np.isnan(added)
        score += np.where(lacks, np.float32(0), added) if lacks.any() else added
        unknown &= lacks
    score[unknown] = np.nan
    return score


class Mixture(Protocol):
    """The companions of a recipe, and how their scores and the detector's become one.

    `limit` is that of streams without a model. `shown` is called first, then `components`, for every batch of windows,
    sorted by stream and time; the results are the same to the bit however the windows are cut into calls.
    """

    limit: float

    @property
    def companions(self) -> Mapping[str, StreamPart]:
        """What the companions keep of each stream, by name."""
        ...

    @property
    def calibration(self) -> Mapping[str, StreamPart]:
        """What is kept of the detector's scores of each stream, by name."""
        ...

    def shown(self, windows: Windows) -> Windows:
        """The windows as the detector is to see them."""
        ...

    def components(self, windows: Windows, detector: Float32, facts: Facts) -> Components:
        """What each component adds to the score, (m,) each, NaN where it knows too little; their sum is the score.

        `detector` (m,) is NaN for streams without a model.
        """
        ...

    def enrol(self, code: int, profile: Profile) -> None:
        """The model scores this stream from now on."""
        ...

    def facts(self, row: int) -> Mapping[str, float]:
        """What is to be said in evidence of `row` of the newest windows, as known there. Asked after `components`."""
        ...

    def accept(self, code: int, usual: Float32) -> None:
        """A person expects the stream's new level: `usual` is it by hour of the day (24, channels), NaN = not known."""
        ...


@runtime_checkable
class Locating(Protocol):
    """A mixture whose companions know when and where something has changed. Both are asked after `components`."""

    @property
    def shifts(self) -> Shifts:
        """Change points of the newest windows, (m,) each."""
        ...

    def blame(self, row: int) -> Float32:
        """What each channel added to the score at `row` of the newest windows by the companions, (channels,)."""
        ...


@runtime_checkable
class Banded(Protocol):
    """A mixture whose companions know where the readings of a stream usually lie. Asked after `components`."""

    def usual(self, code: int, row: int) -> Usual:
        """Of this stream, as it was known at `row` of the newest windows."""
        ...


@runtime_checkable
class Continued(Protocol):
    """A mixture some of whose parts were saved in other layouts by earlier versions, which are read on."""

    @property
    def earlier(self) -> Mapping[str, tuple[np.dtype[np.void], ...]]:
        """Those layouts, by the name of the part."""
        ...


@runtime_checkable
class Trained(Protocol):
    """A mixture that judges by what was learned of each stream in training."""

    def lacks(self, codes: Int32) -> Bool:
        """Which of these streams were never enrolled in it: their states are of another recipe."""
        ...
