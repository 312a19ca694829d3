"""From windows to verdicts: detector and companions side by side, calibration, combination, limit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import NamedTuple
from uuid import UUID

import numpy as np

from monitor.config.families import Family
from monitor.pipeline.scoring import cold_start
from monitor.pipeline.scoring.companions.base import Calibrated
from monitor.pipeline.scoring.detector_path import ColdStart, DetectorPath
from monitor.pipeline.scoring.stream_scaling import Profile
from monitor.pipeline.state.codec import Codes, Section, signature
from monitor.pipeline.state.segments import segments
from monitor.pipeline.thresholds.base import Threshold, rounds
from monitor.ports.scorer import Scorer
from monitor.records.alerts import Evidence
from monitor.records.batches import Bool, Float32, Int32, Int64, Scores, State, Windows
from monitor.records.streams import StreamIndex

MOST_SCORE = np.float32(1e30)  # what a score and a ratio are at most: a window of absurd numbers, whose score would be
MOST_RATIO = np.float32(1e9)  # infinite, is an anomaly that SQL, JSON and people can read
DETECTOR = "detector"  # its name among the components of a score

Components = Mapping[str, Float32]
Alerting = Callable[[Int64, Float32], Bool]


def detector_only(detector: Float32, companions: Components) -> Components:
    """The combination of a recipe without companions."""
    del companions
    return {DETECTOR: detector}


@dataclass(frozen=True, slots=True)
class Mixture:
    """The companions of a recipe by name, and how their scores and the detector's become one.

    `combine` takes the detector's scores (m,) and the calibrated ones of each companion, NaN where it has none yet,
    and returns what each component adds to the score, (m,) each; their sum is the score.
    """

    companions: Mapping[str, Calibrated] = field(default_factory=dict)
    combine: Callable[[Float32, Components], Components] = detector_only


class Judged(NamedTuple):
    """Scores of windows, and what each component added to them (m,), where there are companions."""

    scores: Scores
    components: Components

    def shares(self, row: int) -> dict[str, float]:
        """Each component's share of the score at `row`; they sum to 1."""
        parts = {name: float(added[row]) for name, added in self.components.items()}
        total = sum(parts.values())
        return {name: part / total if total else 0.0 for name, part in parts.items() if not np.isnan(part)}


class Recipe:
    """How the windows of one family are scored and judged. `name` and `version` say which; the file of that name, how.

    Windows of streams without a model are scored by cold start alone, against its fixed limit; companions already
    learn from them.
    """

    def __init__(self, name: str, version: int, family: Family, threshold: Threshold, mixture: Mixture) -> None:
        self.name, self.version = name, version
        self.detector = DetectorPath(family)
        self._mixture = mixture
        self._threshold, self._max_imputed = threshold, family.align.max_imputed
        windows = family.shape.window
        self.sections = {
            "profile": self.detector.section,
            "threshold": Section(threshold.columns, signature(*windows, family.threshold), threshold.EARLIER),
        }
        for companion, part in self._mixture.companions.items():
            meaning = signature(companion, *windows, family.shape.hop, family.grid)
            self.sections[f"companion.{companion}"] = Section(part.companion, meaning)
            self.sections[f"companion.{companion}.calibration"] = Section(part.calibration, meaning)

    def adopt(self, model: str, scorer: Scorer, profiles: Mapping[str, Profile], index: StreamIndex) -> None:
        """Score with this model from now on. Streams without a profile go on under cold start."""
        self.detector.adopt(model, scorer, profiles)
        self.detector.withdraw(np.fromiter(index.codes.values(), np.int64, len(index.codes)))
        for name, code in index.codes.items():
            if name in profiles:
                self.enrol(code, profiles[name])

    def enrol(self, code: int, profile: Profile) -> None:
        """Score this stream with the family's model from now on, and begin its limit from the profile's scores."""
        self.detector.enrol(code, profile)
        one = np.array([code], np.int32)
        mean, std = np.array([profile.score_mean]), np.array([profile.score_std])
        self._threshold.seed(one, mean, std, np.array([profile.score_count]), np.array([profile.least]))

    def resume(self, codes: Int32, lost: Mapping[str, Codes], index: StreamIndex) -> None:
        """After the states of streams were loaded: enrol those of another model, or of a lost limit, once more."""
        stale = codes[self.detector.resume(codes) | np.isin(codes, lost.get("threshold", []))]
        for code in stale.tolist():
            profile = self.detector.known.get(index.name(code))
            if profile is not None:
                self.enrol(code, profile)
            else:
                self.detector.withdraw(np.array([code]))

    def judge(self, windows: Windows, cold: ColdStart, alerting: Alerting, factor: Float32 | None = None) -> Judged:
        """Scores, limits and ratios of windows, sorted by stream and time; the limit then learns from normal ones.

        One round for each bucket of its limit that a stream passes through. In each, `alerting` is called with the rows
        and their ratios and says at which of them an alert is open: nothing is learned there. Each limit is multiplied
        by the window's `factor` (m,), None = 1.
        """
        enrolled = self.detector.enrolled(windows.stream)
        score = self.detector.score(windows, enrolled, cold)
        components: Components = {}
        if self._mixture.companions:
            score, components = self._combined(windows, score, enrolled)
        limit, ratio = np.full((2, len(windows)), np.nan, np.float32)
        score = np.minimum(score, MOST_SCORE)
        poor = (windows.imputed > self._max_imputed) | np.isnan(score)
        bucket = np.zeros(len(windows), np.int64)
        bucket[enrolled] = self._threshold.buckets(windows.stream[enrolled], windows.end[enrolled])
        for rows in rounds(windows.stream, bucket):
            stream, model = windows.stream[rows], enrolled[rows]
            limit[rows] = self._limits(stream, bucket[rows], model)
            if factor is not None:
                limit[rows] *= factor[rows]
            ratio[rows] = np.where(poor[rows], np.nan, np.minimum(score[rows] / limit[rows], MOST_RATIO))
            normal = model & ~poor[rows] & ~(ratio[rows] > 1) & ~alerting(rows, ratio[rows])
            self._threshold.learn(stream[normal], score[rows][normal].astype(np.float64))
        state = np.where(ratio > 1, State.ANOMALY, State.OK)
        state = np.where(enrolled, state, State.BOOTSTRAP)
        state = np.where(poor | ~np.isfinite(limit), State.INSUFFICIENT, state).astype(np.uint8)
        scores = Scores(windows.stream, windows.start, windows.end, score, limit, ratio, windows.imputed, state)
        return Judged(scores, components)

    def evidence(self, alert: UUID, windows: Windows, row: int, facts: Mapping[str, float], judged: Judged) -> Evidence:
        """Why the window at `row` opened the alert."""
        found = self.detector.explain(alert, windows.take(np.array([row])), facts)
        return replace(found, components=judged.shares(row)) if judged.components else found

    def _combined(self, windows: Windows, score: Float32, enrolled: Bool) -> tuple[Float32, Components]:
        """The score of all components, and what each adds to it."""
        calibrated = {
            name: calibration.apply(windows.stream, companion.score(windows))
            for name, (companion, calibration) in self._mixture.companions.items()
        }
        components = {
            name: np.where(enrolled, added, score if name == DETECTOR else np.float32(0))
            for name, added in self._mixture.combine(score, calibrated).items()
        }
        return reduce(np.add, components.values()), components

    def _limits(self, stream: Int32, bucket: Int64, model: Bool) -> Float32:
        """Limit of each window; all windows of a stream are in one bucket here."""
        limit = np.full(len(stream), cold_start.LIMIT, np.float32)
        if model.any():
            of_model = stream[model]
            first, size = segments(of_model)
            limits = self._threshold.limits(of_model[first], bucket[model][first])
            limit[model] = np.repeat(limits, size)
        return limit
