"""From windows to verdicts: detector and companions side by side, calibration, combination, limit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

import numpy as np

from monitor.config.families import Family
from monitor.pipeline.scoring import cold_start, opening_evidence
from monitor.pipeline.scoring.detector_path import ColdStart, DetectorPath
from monitor.pipeline.scoring.fault_scores import FaultScores, leads
from monitor.pipeline.scoring.mixture import (
    DETECTOR,
    Components,
    Continued,
    Facts,
    Locating,
    Mixture,
    Trained,
    total,
)
from monitor.pipeline.scoring.opening_evidence import Opened
from monitor.pipeline.scoring.stream_scaling import Profile
from monitor.pipeline.state.codec import Codes, Section, signature
from monitor.pipeline.state.segments import segments
from monitor.pipeline.thresholds.base import Revisable, Threshold, rounds
from monitor.ports.scorer import Scorer
from monitor.records.alerts import Evidence
from monitor.records.batches import NEVER, Bool, Float32, Int32, Int64, Scores, State, UInt8, Windows
from monitor.records.shifts import Shifts
from monitor.records.streams import StreamIndex

if TYPE_CHECKING:
    from monitor.pipeline.scoring.beside import Beside

MOST_SCORE = np.float32(1e30)  # what a score and a ratio are at most: a window of absurd numbers, whose score would be
MOST_RATIO = np.float32(1e9)  # infinite, is an anomaly that SQL, JSON and people can read
MEANING = 1  # of what mixtures keep: the same in all versions of a recipe, whose layouts may differ
RAISED = 6  # standard deviations above the mean of the scores at a level that is expected


class Open(NamedTuple):
    """At which of some windows an alert is open, (n,), and at which of them one opens."""

    now: Bool
    opens: Bool


Alerting = Callable[[Int64, Float32], Open]


class Judged(NamedTuple):
    """Scores of windows, the windows as the detector saw them, and what each component added, where there are some.

    `shifts` are change points, where the recipe finds them.
    """

    scores: Scores
    shown: Windows
    components: Components
    shifts: Shifts | None = None

    def shares(self, row: int) -> dict[str, float]:
        """Each component's share of the score at `row`; they sum to 1."""
        parts = {name: min(float(added[row]), float(MOST_SCORE)) for name, added in self.components.items()}
        total = sum(part for part in parts.values() if not np.isnan(part))
        return {name: part / total if total else 0.0 for name, part in parts.items() if not np.isnan(part)}


class Recipe:
    """How the windows of one family are scored and judged. `name` and `version` say which; the file of that name, how.

    Windows of streams without a model are scored by cold start alone, against its fixed limit; companions already
    learn from them.
    """

    def __init__(
        self, name: str, version: int, family: Family, threshold: Threshold, mixture: Mixture | None = None
    ) -> None:
        self.name, self.version = name, version
        self.detector = DetectorPath(family)
        self._mixture = mixture
        self._locating: Locating | None = mixture if isinstance(mixture, Locating) else None
        self._trained: Trained | None = mixture if isinstance(mixture, Trained) else None
        self._beside = _beside(family)
        self._threshold, self._max_imputed = threshold, family.align.max_imputed
        windows = family.shape.window
        self._faults = FaultScores()
        faults = Section(self._faults.columns, signature(*windows))
        self.sections = {"profile": self.detector.section, "faults": faults}
        if threshold.columns.spec:
            meaning = signature(*windows, family.threshold)
            self.sections["threshold"] = Section(threshold.columns, meaning, threshold.EARLIER)
        if mixture is not None:
            meaning = signature(name, MEANING, *windows, family.shape.hop, family.grid)
            earlier = mixture.earlier if isinstance(mixture, Continued) else {}
            kept = {f"companion.{part}": of for part, of in mixture.companions.items()}
            kept |= {f"detector.{part}": of for part, of in mixture.calibration.items()}
            layouts = {part: earlier.get(part.split(".", 1)[1], ()) for part in kept}
            self.sections |= {part: Section(of, meaning, layouts[part]) for part, of in kept.items()}
        if self._beside is not None:
            meaning = signature(*windows, family.grid)
            self.sections |= {f"companion.{part}": Section(of, meaning) for part, of in self._beside.parts.items()}

    def adopt(self, model: str, scorer: Scorer, profiles: Mapping[str, Profile], index: StreamIndex) -> None:
        """Score with this model from now on. Streams without a profile go on under cold start."""
        self.detector.adopt(model, scorer, profiles)
        self.detector.withdraw(np.fromiter(index.codes.values(), np.int64, len(index.codes)))
        self._enrol([(code, profiles[name]) for name, code in index.codes.items() if name in profiles])

    def enrol(self, code: int, profile: Profile) -> None:
        """Score this stream with the family's model from now on, and begin its limit from the profile's scores."""
        self._enrol([(code, profile)])

    def _enrol(self, streams: Sequence[tuple[int, Profile]]) -> None:
        if not streams:
            return
        for code, profile in streams:
            self.detector.enrol(code, profile)
            if self._mixture is not None:
                self._mixture.enrol(code, profile)
        codes = np.array([code for code, _ in streams], np.int32)
        self._faults.columns["raised"][codes] = 1
        scores = [(each.score_mean, each.score_std, each.least) for _, each in streams]
        mean, std, least = np.array(scores, np.float64).T
        self._threshold.seed(codes, mean, std, np.array([each.score_count for _, each in streams]), least)

    def accept(self, code: int, usual: Float32 | None) -> None:
        """A person expects the stream's level: the limit is that of the scores since its alert opened.

        `usual` is the level by hour of the day, where that is known, and a mixture learns it: see there.
        """
        one = np.array([code], np.int32)
        seen = self._faults.take(code)
        if seen.number:
            mean, std, count = (np.array([of_all]) for of_all in seen)
            self._threshold.seed(one, mean, std, count, np.zeros(1))
        if self._mixture is not None and usual is not None:
            self._mixture.accept(code, usual)
        elif seen.number:
            limit = self._threshold.limits(one, np.array([NEVER]))[0]  # NaN: it begins from these scores
            self._faults.columns["raised"][code] = np.fmax((seen.mean + RAISED * seen.std) / limit, 1)

    @property
    def finds_changes(self) -> bool:
        """Whether it reports change points beside anomalies."""
        return self._locating is not None

    def resume(self, codes: Int32, lost: Mapping[str, Codes], index: StreamIndex) -> None:
        """After the states of streams were loaded: enrol those of another model, or of a lost limit, once more."""
        renewed = [lost[name] for name in lost if name == "threshold" or name.startswith("detector.")]
        unknown = np.isin(codes, np.concatenate([[], *renewed]))
        if self._trained is not None:
            unknown |= self._trained.lacks(codes)
        stale = codes[self.detector.resume(codes) | unknown]
        for code in stale.tolist():
            profile = self.detector.known.get(index.name(code))
            if profile is not None:
                self.enrol(code, profile)
            else:
                self.detector.withdraw(np.array([code]))

    def judge(
        self,
        windows: Windows,
        cold: ColdStart,
        alerting: Alerting,
        factor: Float32 | None = None,
        facts: Facts | None = None,
        off: Bool | None = None,
    ) -> Judged:
        """Scores, limits and ratios of windows, sorted by stream and time; the limit then learns from normal ones.

        One round for each bucket of its limit that a stream passes through. In each, `alerting` is called with the rows
        and their ratios and says at which of them an alert is open: nothing is learned there, nor of what led to it.
        Each limit is multiplied by the window's `factor` (m,), None = 1. `facts` are what else is known of the windows.
        Those that are `off` (m,) are scored and not judged.
        """
        enrolled = self.detector.enrolled(windows.stream)
        shown, score, components = self._score(windows, enrolled, cold, facts or {})
        modelled = enrolled if self._mixture is None else enrolled & ~np.isnan(components[DETECTOR])
        limit, ratio = np.full((2, len(windows)), np.nan, np.float32)
        score = np.minimum(score, MOST_SCORE)
        poor, others = self._poor(windows, score, off), self._others(windows, factor, off)
        bucket = np.zeros(len(windows), np.int64)
        bucket[modelled] = self._threshold.buckets(windows.stream[modelled], windows.end[modelled])
        for rows in rounds(windows.stream, bucket):
            stream, model = windows.stream[rows], modelled[rows]
            limit[rows] = self._limits(stream, bucket[rows], model)
            limit[rows] *= self._faults.columns["raised"][stream]
            if factor is not None:
                limit[rows] *= factor[rows]
            own = np.where(poor[rows], np.float32(np.nan), np.minimum(score[rows] / limit[rows], MOST_RATIO))
            ratio[rows] = _largest(own, others[:, rows], limit[rows])
            judged, open_ = model & ~poor[rows], alerting(rows, ratio[rows])
            normal = judged & ~(ratio[rows] > 1) & ~open_.now
            self._faults.follow(stream[judged], score[rows][judged], open_.now[judged])
            if open_.opens.any() and isinstance(self._threshold, Revisable):
                self._threshold.drop_newest(np.unique(stream[open_.opens]))
                normal &= ~leads(stream, open_.opens)
            self._threshold.learn(stream[normal], score[rows][normal].astype(np.float64))
        if self._beside is not None:
            score, components = self._beside.whole(components, score, limit, ratio, others)
        unread = poor if self._mixture is None else np.isnan(windows.values[:, -1]).all(axis=1)
        state = _states(ratio, poor | ~np.isfinite(limit), ~enrolled & ~unread, off)
        scores = Scores(windows.stream, windows.start, windows.end, score, limit, ratio, windows.imputed, state)
        return Judged(scores, shown, components, self._shifts(factor))

    def evidence(self, alert: UUID, windows: Windows, row: int, facts: Mapping[str, float], judged: Judged) -> Evidence:
        """Why the window at `row` opened the alert."""
        return opening_evidence.evidence(self.detector, self._mixture, Opened(alert, windows, row, facts), judged)

    def _score(
        self, windows: Windows, enrolled: Bool, cold: ColdStart, facts: Facts
    ) -> tuple[Windows, Float32, Components]:
        """The windows as the detector saw them, their scores, and what each component added."""
        mixture = self._mixture
        if mixture is None:
            return windows, self.detector.score(windows, enrolled, cold), {}
        shown = mixture.shown(windows)
        detector = self.detector.score(shown, enrolled, _unknown)
        detector[windows.imputed > self._max_imputed] = np.nan  # companions judge the newest reading for itself
        components = mixture.components(windows, detector, facts)
        return shown, total(components), components

    def _poor(self, windows: Windows, score: Float32, off: Bool | None) -> Bool:
        """Which windows are not judged, (m,)."""
        filled = windows.imputed > self._max_imputed
        poor = np.isnan(score) if self._mixture is not None else filled | np.isnan(score)
        return poor if off is None else poor | off

    def _others(self, windows: Windows, factor: Float32 | None, off: Bool | None) -> Float32:
        """Ratios of the companions that the family adds, (k, m)."""
        if self._beside is None:
            return np.zeros((0, len(windows)), np.float32)
        raised = self._faults.columns["raised"][windows.stream]
        found = self._beside.ratios(windows, raised if factor is None else raised * factor)
        return found if off is None else np.where(off, np.float32(np.nan), found)

    def _shifts(self, factor: Float32 | None) -> Shifts | None:
        """Change points of the newest windows, against limits multiplied by `factor`."""
        found = None if self._locating is None else self._locating.shifts
        return found if found is None or factor is None else found._replace(ratio=found.ratio / factor)

    def _limits(self, stream: Int32, bucket: Int64, model: Bool) -> Float32:
        """Limit of each window; all windows of a stream are in one bucket here."""
        covered = cold_start.LIMIT if self._mixture is None else self._mixture.limit
        limit = np.full(len(stream), covered, np.float32)
        if model.any():
            of_model = stream[model]
            first, size = segments(of_model)
            limits = self._threshold.limits(of_model[first], bucket[model][first])
            limit[model] = np.repeat(limits, size)
        return limit


def _beside(family: Family) -> Beside | None:
    """The companions that the family adds to its recipe."""
    if not family.companions:
        return None
    from monitor.pipeline.scoring.beside import Beside  # numba is slow to import: not where it is not used

    return Beside(family)


def _largest(ratio: Float32, others: Float32, limit: Float32) -> Float32:
    """The largest of a window's ratios; NaN where the recipe has none, its own where there is no limit."""
    if not len(others):
        return ratio
    return np.maximum(ratio, np.where(np.isfinite(limit), others.max(axis=0), np.float32(0)))


def _unknown(windows: Float32) -> Float32:
    """Scores (m,) of windows that no detector sees."""
    return np.full(len(windows), np.nan, np.float32)


def _states(ratio: Float32, insufficient: Bool, young: Bool, off: Bool | None) -> UInt8:
    """What became of each window (m,): off before that its stream is `young`, without a model, before the others."""
    state = np.where(insufficient, State.INSUFFICIENT, np.where(ratio > 1, State.ANOMALY, State.OK))
    state = np.where(young, State.BOOTSTRAP, state)
    return (state if off is None else np.where(off, State.MAINTENANCE, state)).astype(np.uint8)
