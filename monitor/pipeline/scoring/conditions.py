"""Conditions that follow from the time of a reading: hour of day and day of week, as channels for the detector alone.

Each is a point on a circle, sine and cosine (-1 to 1), so that 23:59 is near 0:00; in UTC, to the minute. They stand
behind the channels of a window and are what the detector judges these by (its option `given`): no reading, no state and
no evidence has them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from monitor.config.families import Family
from monitor.pipeline.scoring.partial_windows import Units
from monitor.ports.scorer import Scorer
from monitor.records.batches import Float32, Int64

MINUTE = 60 * 10**9  # ns
PERIODS = {"hour_of_day": 24 * 60, "day_of_week": 7 * 24 * 60}  # minutes
THURSDAY = 3 * 24 * 60  # 1970 began on one; minutes since Monday


@lru_cache
def _circle(minutes: int) -> Float32:
    """Sine and cosine of each minute of a period, (minutes, 2): computed once, so that equal times have equal bits."""
    turn = 2 * np.pi * np.arange(minutes) / minutes
    return np.stack([np.sin(turn), np.cos(turn)], axis=1).astype(np.float32)


def of_times(names: tuple[str, ...], time: Int64) -> Float32:
    """The conditions (..., 2 x names) at times (...) in ns."""
    minute = time // MINUTE + THURSDAY
    return np.concatenate([_circle(PERIODS[name])[minute % PERIODS[name]] for name in names], axis=-1)


class Conditions:
    """Those of a family; without any, windows stay as they are."""

    def __init__(self, family: Family) -> None:
        self._names, self.count = family.window.derived, len(family.conditions)
        steps = np.arange(1 - family.shape.length, 1)
        self._before = steps * (family.interval or 0)  # of each reading of a window, from its end

    def beside(self, windows: Float32, end: Int64) -> Float32:
        """Windows (m, length, channels) that end then (m,), with the conditions behind their channels.

        Where no channel is complete, neither are these: the window has no score.
        """
        if not self._names:
            return windows
        known = of_times(self._names, end[:, None] + self._before)
        lacks = np.asarray(np.isnan(windows).any(axis=1))
        known[lacks.all(axis=1)] = np.nan
        return np.concatenate([windows, known], axis=2)

    def units(self, units: Units, end: Int64) -> Units:
        """The same of windows that may lack channels."""
        if not self._names:
            return units
        zero = np.zeros((len(end), self.count), np.float32)
        neutral, spread = (np.concatenate(pair, axis=1) for pair in ((units.neutral, zero), (units.spread, zero + 1)))
        windows = self.beside(units.windows, end)
        return units._replace(windows=windows, neutral=neutral, spread=spread, given=self.count)

    def still(self, channels: Float32) -> Float32:
        """A number of each channel (channels,), and 0 of each condition."""
        return np.append(channels, np.zeros(self.count, np.float32)) if self._names else channels


@dataclass(frozen=True)
class Conditioned:
    """A scorer of one window that ends at `end`: what it is asked for has the channels alone. A `Scorer`."""

    scorer: Scorer
    conditions: Conditions
    end: Int64  # (1,)

    def score(self, windows: Float32) -> Float32:
        """See `Scorer`."""
        return self.scorer.score(self.conditions.beside(windows, self.end))

    def reconstruct(self, windows: Float32) -> Float32 | None:
        """See `Scorer`."""
        found = self.scorer.reconstruct(self.conditions.beside(windows, self.end))
        return None if found is None else found[:, :, : windows.shape[2]]

    def explain(self, windows: Float32) -> Float32 | None:
        """See `Scorer`: a condition has no share."""
        found = self.scorer.explain(self.conditions.beside(windows, self.end))
        return None if found is None else found[:, :, : windows.shape[2]]
