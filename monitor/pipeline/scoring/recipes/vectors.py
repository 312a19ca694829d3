"""`vectors`: windows that stand for themselves, messages and heartbeats, each judged as a whole.

The error of the detector becomes surprise against the clean windows of the stream (see `shape_errors`), and stands
against a limit with a stated false-alarm rate, whatever the shape of the errors' distribution. Heartbeats have their
rhythm beside it, weight 1, and a higher limit: an ectopic beat is strange in shape and comes early, a beat that noise
has touched is one of the two. Half of their shape's surprise is that of the QRS complex, which noise moves least, or
all of it where the complex is the more surprising. Both errors are divided by what the noise beside the complex adds to
them. For the detector beats are smoothed over about 12 ms, against the tremor of muscles, the rhythm that their windows
draw is left out, and so is most of what lies before the QRS complex: P wave and the end of the beat before, which move
with the rhythm. Where the windower has left a beat without values, it does not stand out of the noise.
`docs/detection.md` shows what each part does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from monitor.config.families import Family
from monitor.config.windows import RHYTHM
from monitor.pipeline.scoring import cold_start
from monitor.pipeline.scoring.companions.qrs import Qrs
from monitor.pipeline.scoring.companions.rhythm import Intervals, Rhythm
from monitor.pipeline.scoring.companions.usual_noise import UsualNoise
from monitor.pipeline.scoring.false_alarms import deviations
from monitor.pipeline.scoring.mixture import DETECTOR, Components, Facts
from monitor.pipeline.scoring.recipe import Recipe
from monitor.pipeline.scoring.shape_errors import IN_TIME, Errors, ShapeErrors
from monitor.pipeline.scoring.stream_scaling import Profile
from monitor.pipeline.state.codec import StreamPart
from monitor.pipeline.thresholds.base import Threshold
from monitor.pipeline.thresholds.fixed import FixedThreshold
from monitor.records.batches import Float32, Float64, Windows

LIMIT = 2 * math.log2(1 + deviations() / 2)  # one clean window in 500 lies above it
BEAT_LIMIT = 4.6  # of shape and rhythm together
EARLY_LIMIT = 3.0  # of the rhythm alone, without a model: before 0.63 of the expected interval
SMOOTH = 1 / 60  # of a beat's points: the standard deviation of the filter
BEFORE, QRS, LESS = (
    0.16,
    0.24,
    0.3,
)  # shares of a beat's points: those up to the first count less, from the second on as 1
FEWEST_POINTS = 20  # of a beat's window
BEAT_BEFORE, BEAT = 0.25, 0.7  # s of a beat's window before its R-peak, and in all
EARLY = 0.15  # share of the expected interval: such a beat is not learned
HALF = np.float32(0.5)
FACTS = ("rr_s", "next_rr_s", "noise_share", "alike", "beside")  # of beats
RHYTHM_NAME, QRS_NAME, NEWEST = "rhythm", "QRS complex", "newest reading"


class Shapes:
    """The parts of `vectors`, and its score."""

    def __init__(self, family: Family) -> None:
        self._family, self._beats = family, family.window.rules.found
        self.limit = EARLY_LIMIT if self._beats else LIMIT
        self.judged_by = BEAT_LIMIT if self._beats else LIMIT
        self._errors, self._complexes = ShapeErrors(), ShapeErrors()
        points = _signal(max(family.shape.length, FEWEST_POINTS))  # messages have none
        self._noise, self._rhythm = UsualNoise(), Rhythm()
        self._qrs = Qrs(points, BEAT_BEFORE / BEAT * (points - 1), BEAT / (points - 1))

    @property
    def companions(self) -> Mapping[str, StreamPart]:
        """See `Mixture`."""
        parts: dict[str, StreamPart] = {"noise": self._noise, "rhythm": self._rhythm}
        parts |= {"qrs": self._qrs, "complexes": self._complexes.columns}
        return parts if self._beats else {}

    @property
    def calibration(self) -> Mapping[str, StreamPart]:
        """See `Mixture`."""
        return {"errors": self._errors.columns}

    def shown(self, windows: Windows) -> Windows:
        """Heartbeats as the detector learned them."""
        return replace(windows, values=shown(self._family, windows.values))

    def components(self, windows: Windows, detector: Float32, facts: Facts) -> Components:
        """Surprise by the shape, and by the rhythm of beats; without a model, by a message's last reading."""
        stream, none = windows.stream, np.full(len(windows), np.nan, np.float32)
        if not self._beats:
            shape = self._errors.surprise(Errors(stream, detector, none, none.astype(np.float64)), LIMIT)
            return {DETECTOR: shape, NEWEST: self._newest(windows)}
        lost = np.isnan(windows.values[:, 0, 0]) | (windows.imputed > self._family.align.max_imputed)
        noise = self._noise.ratio(stream, _known(facts, "noise", len(windows)))
        before, after, share, alike, beside = (_known(facts, name, len(windows)) for name in FACTS)
        early = self._rhythm.score(Intervals(stream, before, after, noise, share, alike, lost))
        signal = np.where(lost[:, None], np.float32(np.nan), windows.values[:, : _signal(windows.values.shape[1]), 0])
        residual, noisier = self._qrs.compare(stream, signal, beside, early <= IN_TIME)
        error: Float32 = np.where(lost, np.float32(np.nan), detector / noisier)
        shape = self._errors.surprise(Errors(stream, error, early, noise), BEAT_LIMIT)
        unlike = self._complexes.surprise(Errors(stream, residual / noisier, early, noise), BEAT_LIMIT)
        complex_ = np.where(unlike > shape, np.float32(1), HALF)  # its share of the two
        return {DETECTOR: (1 - complex_) * shape, QRS_NAME: complex_ * unlike, RHYTHM_NAME: early}

    def enrol(self, code: int, profile: Profile) -> None:
        """The errors begin with those of the training."""
        self._errors.seed(code, profile)

    def facts(self, row: int) -> Mapping[str, float]:
        """See `Mixture`."""
        return {}

    def accept(self, code: int, usual: Float32) -> None:
        """Windows that stand for themselves have no level."""

    def _newest(self, windows: Windows) -> Float32:
        """The cold-start score of messages whose stream has no model, on the scale of the limit; NaN of others."""
        score = np.full(len(windows), np.nan, np.float32)
        rows = np.flatnonzero(~self._errors.known(windows.stream))
        score[rows] = cold_start.score(windows.values[rows]) * np.float32(LIMIT / cold_start.LIMIT)
        return score


def shown(family: Family, windows: Float32) -> Float32:
    """Windows (m, length, channels) as the detector is to see them."""
    if not family.window.rules.found:
        return windows
    from scipy.ndimage import gaussian_filter1d  # slow to import: not where no beats are found

    signal = _signal(windows.shape[1])
    seen = np.zeros_like(windows)
    seen[:, :signal] = gaussian_filter1d(windows[:, :signal], SMOOTH * signal, axis=1, mode="nearest")
    weight = np.interp(np.arange(signal) / (signal - 1), (BEFORE, QRS), (LESS, 1))
    seen[:, :signal] *= weight.astype(np.float32)[:, None]
    seen[np.isnan(windows[:, 0, 0])] = np.nan
    return seen


def learned(family: Family, windows: Float32) -> Float32:
    """What the detector learns of a stream's past windows: as `shown`, premature beats without values.

    They are the faults that an unlabelled past is known to hold, unless there are more of them than of the others.
    """
    seen = shown(family, windows)
    if family.window.rules.found and len(windows):
        signal = _signal(windows.shape[1])
        usual = np.nanmedian(np.abs(windows[:, :signal, 0]).max(axis=1))
        early = windows[:, -1, 0] > EARLY * usual  # the windower draws how early they came, in this height
        if 2 * np.count_nonzero(early) < len(early):
            seen[early] = np.nan
    return seen


def vectors(family: Family, threshold: Threshold) -> Recipe:
    """Version 3, without streams or model."""
    del threshold  # the recipe has its limit
    shapes = Shapes(family)
    return Recipe("vectors", 3, family, FixedThreshold(shapes.judged_by), shapes)


def _signal(length: int) -> int:
    """Points of a beat's window of this length that are its signal; the others draw its rhythm."""
    return length - -(-length // RHYTHM)


def _known(facts: Facts, name: str, count: int) -> Float64:
    """What is known of each window, (count,); NaN where nothing is."""
    return facts.get(name, np.full(count, np.nan))
