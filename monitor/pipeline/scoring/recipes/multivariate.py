"""`multivariate`: several channels of one machine, judged by the channel that is furthest out.

Four parts see each reading: the detector (windows that fit no pattern), `level` (a channel is not where it was),
`shift` (it has just moved) and `spike` (a single reading). Each has its limit, learned from the stream's training
readings and never moved by later ones; its ratio is 1 there. The largest ratio is the score, against a limit of 1.

The detector and `level` are means of the last readings. Once one of them is beyond its limit, the anomaly lasts until
both have fallen below half of it. Shifts are also reported as change points, whether or not an anomaly is open.
Before a stream is learned, spikes alone are judged. `docs/detection.md` shows what each part does.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from monitor.config.families import Family
from monitor.pipeline.scoring.companions import shift, spike
from monitor.pipeline.scoring.companions.level import Level, Scale
from monitor.pipeline.scoring.companions.shift import Shift
from monitor.pipeline.scoring.companions.spike import Spike
from monitor.pipeline.scoring.learned_limits import learned_columns, learned_of
from monitor.pipeline.scoring.mixture import DETECTOR, Components, Facts
from monitor.pipeline.scoring.recipe import MOST_RATIO, Recipe
from monitor.pipeline.scoring.smoothed import Smoothed
from monitor.pipeline.scoring.stream_scaling import Profile
from monitor.pipeline.scoring.usual_band import Usual
from monitor.pipeline.state.codec import StreamPart
from monitor.pipeline.state.columns import Columns
from monitor.pipeline.thresholds.base import Threshold
from monitor.pipeline.thresholds.fixed import FixedThreshold
from monitor.records.batches import Bool, Float32, Float64, Int32, Windows
from monitor.records.compiled import compiled
from monitor.records.shifts import Shifts

LEVEL, SHIFT, SPIKE = "level", "shift", "spike"
LASTS = 20  # windows whose scores by the detector are averaged
MOST = np.float32(
    1.5
)  # ratio: what one counts in that mean at most, so that a spike, which twelve hold, is no lasting one
LEAVES = 0.5  # ratio below which an anomaly is over
LASTING = np.float32(1.0001)  # the ratio of one that is not over, at least


class Largest:
    """The companions of `multivariate`, and its score."""

    limit = 1.0

    def __init__(self, family: Family) -> None:
        channels = family.shape.channels
        self._n_std = family.threshold.n_std
        self._level, self._shift, self._spike = Level(channels), Shift(channels), Spike(channels)
        self._learned = learned_columns(channels)
        self._smoothed = Smoothed(LASTS)
        self._held = Columns({"held": (np.bool_, (), False)})
        none = np.zeros(0, np.float32)
        self._blame = np.zeros((0, channels), np.float32)
        self.shifts = Shifts(none, none.astype(np.int32), none, none)

    @property
    def companions(self) -> Mapping[str, StreamPart]:
        """See `Mixture`."""
        return {
            LEVEL: self._level.columns,
            SHIFT: self._shift.columns,
            SPIKE: self._spike.columns,
        }

    @property
    def earlier(self) -> Mapping[str, tuple[np.dtype[np.void], ...]]:
        """See `Continued`: versions 1 and 2 did not count absurd distances."""
        return {SPIKE: (self._spike.earlier,)}

    @property
    def calibration(self) -> Mapping[str, StreamPart]:
        """See `Mixture`."""
        return {"limits": self._learned, "smoothed": self._smoothed.columns, "held": self._held}

    def shown(self, windows: Windows) -> Windows:
        """The readings as they are."""
        return windows

    def components(self, windows: Windows, detector: Float32, facts: Facts) -> Components:
        """The score, shared out in proportion to the ratios of the parts."""
        del facts
        stream, newest = windows.stream, np.ascontiguousarray(windows.values[:, -1])
        known = self._learned
        scale = Scale(known["center"], known["scale"], known["weight"])
        level, level_channel = self._level.score(stream, newest, scale)
        self.shifts = self._shift.find(stream, newest, scale, known["shift"])
        spiked, spike_channel = self._spike.score(stream, newest, known["spike"], known["learned"])
        with np.errstate(over="ignore", invalid="ignore"):
            of_detector = self._smoothed.apply(stream, np.minimum(_ratio(detector, known, "detector", stream), MOST))
            of_level = _ratio(level, known, "level", stream)
        ratios = np.minimum(np.stack([of_detector, of_level, self.shifts.ratio, spiked]), MOST_RATIO)
        channels = np.stack([level_channel, self.shifts.channel, spike_channel])
        parts = self._shared(stream, ratios)
        self._blame = _by_channel(parts[1:], channels, windows.values.shape[2])
        return dict(zip((DETECTOR, LEVEL, SHIFT, SPIKE), parts, strict=True))

    def blame(self, row: int) -> Float32:
        """What each channel added to the score of the newest windows' `row` by the companions, (channels,)."""
        return np.asarray(self._blame[row], np.float32)

    def facts(self, row: int) -> Mapping[str, float]:
        """None: what decided is in the components."""
        return {}

    def usual(self, code: int, row: int) -> Usual:
        """See `Banded`: as in the training readings; a channel that rested then has no band."""
        del row
        return Usual(self._learned["center"][code], self._learned["scale"][code])

    def accept(self, code: int, usual: Float32) -> None:
        """No-op: its limits were learned, and are learned again by training."""

    def enrol(self, code: int, profile: Profile) -> None:
        """What was learned of the stream counts from now on."""
        self._learned.clear(np.array([code]))
        for name, value in learned_of(profile, self._n_std).items():
            self._learned[name][code] = value

    def lacks(self, codes: Int32) -> Bool:
        """See `Trained`."""
        return np.asarray(np.isnan(self._learned["detector_usual"][codes]))

    def _shared(self, stream: Int32, ratios: Float32) -> Float32:
        """What each part adds (4, m) to the largest ratio; those of the first two last."""
        lasting = np.fmax(ratios[0], ratios[1])
        _hold(stream, lasting, self._held["held"])
        score = np.fmax(np.fmax(lasting, ratios[2]), ratios[3])
        positive = np.maximum(ratios, np.float32(1e-9))
        with np.errstate(invalid="ignore"):
            share = positive / np.nansum(positive, axis=0, dtype=np.float64)
            return np.asarray(np.maximum(score, 0) * share, np.float32)


def _ratio(score: Float32, known: Columns, part: str, stream: Int32) -> Float32:
    """How far scores are from what is usual, 1 = at the limit."""
    away = (score - known[f"{part}_usual"][stream]) / known[f"{part}_margin"][stream]
    return np.asarray(away, np.float32)


def _by_channel(parts: Float32, channels: Int32, width: int) -> Float32:
    """What the parts (k, m) added, by the channels (k, m) that decided them: (m, width)."""
    blame = np.zeros((parts.shape[1], width), np.float32)
    for part, channel in zip(parts, channels, strict=True):
        rows = np.flatnonzero((channel >= 0) & ~np.isnan(part))
        blame[rows, channel[rows]] += part[rows]
    return blame


@compiled
def _hold(stream: Int32, ratio: Float32, held: Bool) -> None:
    """Keep ratios just beyond 1 from one beyond 1 on until one below `LEAVES`, in place."""
    for row in range(len(stream)):
        of = stream[row]
        if ratio[row] > 1:
            held[of] = True
        elif ratio[row] < LEAVES:
            held[of] = False
        if held[of] and not ratio[row] > 1 and not np.isnan(ratio[row]):
            ratio[row] = LASTING


def learn(values: Float32) -> dict[str, Float32]:
    """What is kept of a stream's training readings (n, channels): the constants of each companion."""
    scale = Scale.of(values)
    one, level = np.zeros(len(values), np.int32), Level(values.shape[1])
    level.columns.grow(1)
    rows = Scale(*(column[None] for column in scale))
    scores = level.score(one, values, rows)[0]
    return {
        **scale._asdict(),
        "shift": shift.limits(values, scale),
        "spike": spike.limits(values),
        "level": _summary(scores.astype(np.float64)),
    }


def _summary(scores: Float64) -> Float32:
    """Mean and standard deviation; 0 of none: no channel has a level."""
    known = scores[~np.isnan(scores)]
    return np.array([known.mean(), known.std()] if len(known) else [0, 0], np.float32)


def multivariate(family: Family, threshold: Threshold) -> Recipe:
    """Version 3, without streams or model."""
    del threshold  # its limits come from the training
    return Recipe("multivariate", 3, family, FixedThreshold(1.0), Largest(family))
