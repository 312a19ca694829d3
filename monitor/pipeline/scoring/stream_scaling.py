"""One family model for machines of different level and size: each stream is scaled by its own profile.

A profile is learned once, from the span a stream is trained or enrolled on: centre and scale per channel (median and
interquartile range, with floors) and the mean and standard deviation of the detector's scores on that stream.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from monitor.pipeline.state.columns import Columns, Spec, layout
from monitor.pipeline.state.segments import segments
from monitor.records.batches import NEVER, Bool, Float32, Float64, Int32, Int64

FLOAT32 = np.finfo(np.float32)
IQR_TO_STD = 1.349  # interquartile range of a normal distribution, in standard deviations
GARBAGE = 1e4  # scales: further out lies what a broken register sends; what 1 % of the readings reach is within 100
APART = 10  # scales, or usual ranges: the ends of a register that lie further out than that are no measurements
IMMEASURABLE = 1e18
REGISTER_ENDS = np.array(
    [2**15 - 1, -(2**15), 2**16 - 1, 2**31 - 1, -(2**31), 2**31, 2**32 - 1, 2**32, 2**63, -(2**63)], np.float64
)  # with what float32 makes of them
ABSURD = 1e3  # times its level: the same for a channel at rest, which has no scale


@dataclass(frozen=True, slots=True)
class Profile:
    """What is known of one stream: centre and scale (channels,), and its normal scores.

    Both are NaN of a channel that was not learned, as it hardly ever had a value; to the model it is missing for good.
    It was learned from `readings` readings, from `first` to `last`, ns, without `garbage` of them. `least` is what its
    limit never falls below, in the unit of the score. `rest` (channels,) is the longest time of equal values, ns; 0 or
    None = not known. `constants` are what the recipe's companions learned of it, by name.
    """

    center: Float32
    scale: Float32
    score_mean: float
    score_std: float
    score_count: int
    first: int = NEVER
    last: int = NEVER
    readings: int = 0
    garbage: int = 0
    least: float = 0.0
    rest: Int64 | None = None
    constants: Mapping[str, Float32] = field(default_factory=dict)

    @property
    def sound(self) -> bool:
        """Whether windows can be scaled by it and limits begin from it: finite, no scale of 0, nothing below 0."""
        learned = self.learned
        scales = bool(np.isfinite(self.center[learned]).all() and (self.scale[learned] > 0).all() and learned.any())
        scores = all(map(math.isfinite, (self.score_mean, self.score_std, self.least)))
        scores = scores and min(self.score_std, self.least, self.score_count) >= 0
        return scales and bool(np.isfinite(self.scale[learned]).all()) and scores

    @property
    def learned(self) -> Bool:
        """Which channels were learned."""
        return np.asarray(~(np.isnan(self.center) & np.isnan(self.scale)))


class StreamScale(NamedTuple):
    """Centre and scale of one stream, (channels,) each; `rests`: the channel hardly moved, and its scale is a floor."""

    center: Float32
    scale: Float32
    rests: Bool

    @classmethod
    def none(cls, channels: int) -> StreamScale:
        """Leaves readings as they are."""
        return cls(np.zeros(channels, np.float32), np.ones(channels, np.float32), np.zeros(channels, bool))

    def only(self, learned: Bool) -> StreamScale:
        """Without the channels that were not learned: they have NaN."""
        none = np.float32(np.nan)
        return self._replace(center=np.where(learned, self.center, none), scale=np.where(learned, self.scale, none))

    def garbage(self, readings: Float32) -> Bool:
        """Which values (..., channels) are what a broken register sends: absurdly far out, whatever is usual."""
        away = np.abs(readings.astype(np.float64) - self.center)
        scale = self.scale.astype(np.float64)
        return np.asarray((away > GARBAGE * scale) | (of_a_register(readings) & (away > APART * scale)))


def robust_scale(readings: Float32) -> StreamScale:
    """Centre and scale per channel of (n, channels), from quantiles alone: no single reading can lift them.

    The scale is IQR / 1.349, no smaller than a tenth of the std of the readings with the lowest and highest 1 % pulled
    in. Floors keep the last digit from counting as a fault: a channel that rested but for single readings has at least
    the smallest step it ever took (at most 10 % of its level), and one that never moved 1 % of its level (at least
    1e-6). NaN readings are left out, and the ends of registers that lie far from all others (see `of_a_register`); a
    channel that has no others gets NaN.
    """
    channels = [_scale_of(channel[~np.isnan(channel)]) for channel in readings.astype(np.float64).T]
    center, scale, rests = (np.array(column) for column in zip(*channels, strict=True))
    scale = np.clip(scale, FLOAT32.tiny, FLOAT32.max)  # readings may lie at both ends of float32, or all next to 0
    return StreamScale(center.astype(np.float32), scale.astype(np.float32), rests.astype(bool))


def of_a_register(values: Float32 | Float64) -> Bool:
    """Which values are the ends of the numbers that a register can hold, or larger than anything that is measured."""
    return np.asarray(np.isin(values, REGISTER_ENDS) | (np.abs(values) >= IMMEASURABLE))


def _measured(values: Float64) -> Float64:
    """Without the ends of registers, where the other values are most of them and lie far away from these."""
    ends = of_a_register(values)
    rest = values[~ends]
    if not ends.any() or 2 * len(rest) <= len(values):
        return values
    center = float(np.median(rest))
    usual = max(float(np.ptp(np.percentile(rest, [1, 99]))), 1e-2 * abs(center), 1e-6)
    return values[~(ends & (np.abs(values - center) > APART * usual))]


def _scale_of(values: Float64) -> tuple[float, float, bool]:
    """Centre, scale and whether it rests, of one channel's readings (n,)."""
    if not len(values):
        return math.nan, math.nan, False
    values = _measured(values)
    low, center, high = np.percentile(values, [25, 50, 75]).tolist()
    spread = max((high - low) / IQR_TO_STD, 0.1 * _usual_std(values, center))
    level = 1e-2 * abs(center)
    if high == low and spread > 0:
        floor = min(float(np.abs(values[values != center] - center).min()), 10 * level)
        return center, max(spread, floor), spread < floor
    still = max(level, 1e-6)
    return (center, spread, False) if spread > 1e-4 * still else (center, still, True)


def _usual_std(values: Float64, center: float) -> float:
    """Standard deviation with the rarest values pulled in; where only those differ, of all but absurd ones."""
    low, high = np.percentile(values, 1, method="higher"), np.percentile(values, 99, method="lower")
    if low < high:
        return float(np.clip(values, low, high).std())
    sane = values[np.abs(values - center) <= ABSURD * max(abs(center), 1.0)]
    return float(sane.std()) if len(sane) else 0.0


class Profiles:
    """The profiles of all streams of a family. `model` is empty for a stream that has none yet."""

    def __init__(self, channels: int) -> None:
        spec: dict[str, Spec] = {
            "model": ("S8", (), b""),  # first 8 hex digits of the artefact
            "seen": (np.int64, (), 0),  # readings kept to train or enrol on
            "center": (np.float32, (channels,), 0.0),
            "scale": (np.float32, (channels,), 1.0),
        }
        self.columns = Columns({**spec, "rest": (np.int64, (channels,), 0), "usual": (np.float32, (), 0.0)})
        self.earlier = (layout(spec),)

    def apply(self, stream: Int32, windows: Float32) -> Float32:
        """Windows (m, length, channels) in units of their stream's scale; infinite where that is beyond float32."""
        center, scale = self.columns["center"][stream], self.columns["scale"][stream]
        with np.errstate(over="ignore"):
            scaled = windows - center[:, None]
            scaled /= scale[:, None]
        return np.asarray(scaled)

    def undo(self, stream: Int32, windows: Float32) -> Float32:
        """Back to the units of the readings."""
        center, scale = self.columns["center"][stream], self.columns["scale"][stream]
        with np.errstate(over="ignore"):
            return np.asarray(windows * scale[:, None] + center[:, None])

    def put(self, code: int, model: bytes, profile: Profile) -> None:
        """Adopt a profile."""
        self.columns["model"][code] = model
        self.columns["center"][code] = profile.center
        self.columns["scale"][code] = profile.scale
        self.columns["usual"][code] = profile.score_mean
        self.columns["rest"][code] = 0 if profile.rest is None else profile.rest

    @property
    def middle(self) -> int:
        """Readings that streams with a model have been seen for, in the middle of them; 0 where there is none."""
        seen = self.columns["seen"][self.columns["model"] != b""]
        return int(np.sort(seen)[len(seen) // 2]) if len(seen) else 0

    def rows_until(self, stream: Int32, after: int) -> int:
        """How many of these readings it takes until one of the streams has been seen for `after` of them, or all."""
        order = np.argsort(stream, kind="stable")
        ordered = stream[order]
        rank = np.arange(len(ordered)) - np.repeat(*segments(ordered))
        enough = order[self.columns["seen"][ordered] + rank + 1 >= after]
        return int(enough.min()) + 1 if len(enough) else len(stream)
