"""`default`: a detector on windows without their day, with companions, one fixed limit and an alert budget.

The detector sees windows of residuals: readings less what is usual at their hour. Its score, the newest residual and
records become surprise, each on the stream's history, and are added with weight 1. A reading that stands apart decides
alone: a stream that has many spikes has a high scale, and yet each of them is one. Streams without a model are judged
by the companions alone, against the same limit. `docs/detection.md` shows what each part does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from monitor.config.families import Family
from monitor.pipeline.scoring.companions.isolated import Isolated
from monitor.pipeline.scoring.companions.record import Record
from monitor.pipeline.scoring.companions.time_of_day import TimeOfDay, residuals
from monitor.pipeline.scoring.mixture import DETECTOR, Components, Facts, total
from monitor.pipeline.scoring.recipe import Recipe
from monitor.pipeline.scoring.stream_scaling import Profile
from monitor.pipeline.scoring.surprise import Deviations, Surprise
from monitor.pipeline.scoring.usual_band import Usual
from monitor.pipeline.state.codec import StreamPart
from monitor.pipeline.thresholds.base import Threshold
from monitor.pipeline.thresholds.fixed import FixedThreshold
from monitor.records.batches import Float32, Int64, Windows

LIMIT = 4.1
MOST_APART = np.float32(1e6)  # ratio
TIME_OF_DAY, RECORD, SPIKE = "time of day", "record", "spike"


class Sum:
    """The companions of `default`, and its score."""

    limit = LIMIT

    def __init__(self, family: Family) -> None:
        length, channels = family.shape.window
        self._channels = family.channels
        self._day = TimeOfDay(length, channels, family.grid.interval or 0)
        self._day_surprise = Surprise(3)
        self._record, self._isolated = Record(channels), Isolated(channels)
        self._deviations, self._surprise = Deviations(), Surprise(5)
        self._away, self._usual = np.empty(0, np.float32), np.empty((0, channels))

    @property
    def companions(self) -> Mapping[str, StreamPart]:
        """See `Mixture`."""
        return {
            "time-of-day": self._day,
            "time-of-day.surprise": self._day_surprise.columns,
            "record": self._record,
            "isolated": self._isolated,
        }

    @property
    def calibration(self) -> Mapping[str, StreamPart]:
        """See `Mixture`."""
        return {"deviations": self._deviations.columns, "surprise": self._surprise.columns}

    @property
    def earlier(self) -> Mapping[str, tuple[np.dtype[np.void], ...]]:
        """See `Continued`: version 1 knew neither the band of a channel nor the hours of scores."""
        return {"isolated": (self._isolated.earlier,), "deviations": (self._deviations.earlier,)}

    def shown(self, windows: Windows) -> Windows:
        """The residuals."""
        values, self._away, self._usual = self._day.follow(windows)
        return replace(windows, values=values)

    def components(self, windows: Windows, detector: Float32, facts: Facts) -> Components:
        """Surprise by the detector and by each companion, and what a reading that stands apart adds to their sum."""
        stream = windows.stream
        parts = {
            DETECTOR: self._surprise.apply(stream, self._deviations.apply(stream, windows.end, detector)),
            TIME_OF_DAY: self._day_surprise.apply(stream, self._away),
            RECORD: self._record.score(windows),
        }
        others = np.nan_to_num(total(parts))
        apart = np.float32(LIMIT) * np.minimum(self._isolated.score(windows), MOST_APART)
        return parts | {SPIKE: np.maximum(apart - others, np.float32(0))}

    def enrol(self, code: int, profile: Profile) -> None:
        """The detector's scores have the scale of the training's from now on."""
        self._deviations.seed(code, profile.score_mean, profile.score_std, profile.score_count)

    def facts(self, row: int) -> Mapping[str, float]:
        """How far a reading usually is from what its hour lets expect."""
        usual = self._usual[row]
        if len(usual) == 1:
            return {"usual_deviation": float(usual[0])}
        return {f"usual_deviation_{name}": float(size) for name, size in zip(self._channels, usual, strict=True)}

    def usual(self, code: int, row: int) -> Usual:
        """See `Banded`: around what is usual of the hour."""
        del code
        return Usual(np.zeros(len(self._channels)), self._usual[row])

    def accept(self, code: int, usual: Float32) -> None:
        """What is usual by hour of the day is at the new level."""
        self._day.accept(code, usual)


def history(time: Int64, values: Float32, interval: int) -> Float32:
    """What the detector learns of a stream's readings (n, channels), every `interval` ns: their residuals."""
    return residuals(time, values, interval)


def default(family: Family, threshold: Threshold) -> Recipe:
    """Version 2, without streams or model."""
    del threshold  # it has one limit for all streams
    return Recipe("default", 2, family, FixedThreshold(LIMIT), Sum(family))
