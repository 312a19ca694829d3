"""One family, batch in, batch out: readings to grid, windows, scores, verdicts, alerts. No I/O, no clock of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from monitor import bootstrap_detector
from monitor.alerts import Alerter, Changes
from monitor.aligner import COUNTERS, Aligner, Gridded, firsts
from monitor.beats.windower import Beats, BeatWindower, cover
from monitor.ports import HistoryBlock, Scorer
from monitor.records import (
    Alert,
    Bool,
    Evidence,
    Float32,
    Int32,
    Int64,
    Readings,
    Scores,
    State,
    StreamIndex,
    Transition,
    Windows,
)
from monitor.scaling import Profile, Profiles
from monitor.settings import Family
from monitor.state import StateCodec, signature
from monitor.thresholds.base import Threshold
from monitor.windows import MessageWindower, SlidingWindower


@dataclass(slots=True)
class Outcome:
    """What a batch led to. Stream columns are codes; `history` holds (code, block) of streams without a model."""

    scores: Scores
    alerts: list[Alert] = field(default_factory=list)
    transitions: list[tuple[Transition, Alert]] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    history: list[tuple[int, HistoryBlock]] = field(default_factory=list)
    ready: list[int] = field(default_factory=list)  # streams that have been seen long enough to be trained on


class Pipeline:
    """The stages of one family and the state of its streams."""

    def __init__(self, name: str, family: Family, index: StreamIndex, threshold: Threshold, run: str) -> None:
        self.name, self.family, self.index = name, family, index
        length, channels = family.length, len(family.channels)
        interval = None if family.window.kind == "message" else family.interval
        lateness = family.align.lateness.steps(interval, "align.lateness") if interval else 0
        max_gap = family.align.max_gap.steps(interval, "align.max_gap") if interval else 0
        self._aligner = Aligner(family.width, interval, lateness, max_gap, family.align.max_future_skew)
        self._windower: SlidingWindower | MessageWindower | BeatWindower
        if family.window.kind == "message":
            self._windower = MessageWindower(length, channels)
        elif family.window.kind == "beat":
            self._windower = BeatWindower(length, family.rate)
        else:
            self._windower = SlidingWindower(length, channels, family.hop, interval)
        self._threshold = threshold
        self._alerter = Alerter(run, name, index, family.alerts)
        self._profiles = Profiles(channels)
        self._after = family.train.after.steps(interval, "train.after")
        self.scorer: Scorer | None = None
        self._known: Mapping[str, Profile] = {}
        self.model = ""
        grid = (length, channels, interval, lateness, max_gap)
        self._codec = StateCodec(
            [
                ("aligner", self._aligner.columns, signature(grid)),
                ("windower", self._windower, signature(grid, family.hop, family.window.kind, family.window.rate)),
                ("profile", self._profiles.columns, signature(channels, family.scale)),
                ("threshold", threshold.columns, signature(length, channels, family.threshold)),
                ("alerts", self._alerter.columns, signature("alerts")),
            ]
        )

    def process(self, readings: Readings, now: int | None = None) -> Outcome:
        """Run a batch through all stages. `now` (ns) is the wall clock where the readings are live."""
        self._grow()
        return self._finish(self._aligner.add(readings, now))

    def flush(self) -> Outcome:
        """The source has ended: take what still waited for earlier readings."""
        self._grow()
        return self._finish(self._aligner.flush())

    def adopt(self, model: str, scorer: Scorer, profiles: Mapping[str, Profile]) -> None:
        """Score with this model from now on. Streams without a profile go on under the bootstrap detector."""
        self._grow()
        self.model, self.scorer, self._known = model, scorer, profiles
        codes = np.fromiter(self.index.codes.values(), np.int64, len(self.index.codes))
        self._profiles.columns["model"][codes] = b""
        for name, code in self.index.codes.items():
            if name in profiles:
                self.enrol(code, profiles[name])

    def enrol(self, code: int, profile: Profile) -> None:
        """Score this stream with the family's model from now on."""
        self._profiles.put(code, self._mark, profile)
        one = np.array([code], np.int32)
        mean, std = np.array([profile.score_mean]), np.array([profile.score_std])
        self._threshold.seed(one, mean, std, np.array([profile.score_count]))

    def load(self, codes: Int32, states: Sequence[bytes | None]) -> set[str]:
        """Resume streams from their saved states (None = new); returns the parts whose settings have changed."""
        self._grow()
        saved = [(code, state) for code, state in zip(codes.tolist(), states, strict=True) if state is not None]
        lost = self._codec.load(np.array([code for code, _ in saved], np.int64), [state for _, state in saved])
        model = self._profiles.columns["model"]
        other = model[codes] != self._mark
        stale = codes[other | np.isin(codes, lost.get("threshold", []))]  # a threshold begins from the profile's scores
        self._profiles.columns.clear(codes[other & (model[codes] != b"")])  # one that still waits keeps its count
        for code in stale.tolist():
            profile = self._known.get(self.index.name(code))
            if profile is not None:
                self.enrol(code, profile)
            else:
                model[code] = b""
        return set(lost)

    def rows_until_ready(self, readings: Readings) -> int:
        """How many of these readings to take before the family's first training must begin; all, where it need not.

        Only a family that is to wait for its model (`train.wait`) asks for that.
        """
        if self.scorer is not None or not self.family.train.wait or len(readings) == 0:
            return len(readings)
        self._grow()
        order = np.argsort(readings.stream, kind="stable")
        stream = readings.stream[order]
        first = firsts(stream)
        rank = np.arange(len(stream)) - np.repeat(first, np.diff(np.append(first, len(stream))))
        enough = order[self._profiles.columns["seen"][stream] + rank + 1 >= self._after]
        return int(enough.min()) + 1 if len(enough) else len(readings)

    def dump(self, codes: Int32) -> list[bytes]:
        """State of each stream, to be saved."""
        return self._codec.dump(codes)

    def counters(self, codes: NDArray[np.integer]) -> Int64:
        """`COUNTERS` of each stream since its state began, (n, 5)."""
        return np.stack([self._aligner.columns[name][codes] for name in COUNTERS], axis=1)

    def clock(self, codes: NDArray[np.integer]) -> Int64:
        """Time of each stream's newest reading, ns."""
        return self._aligner.times(self._aligner.columns["clock"][codes])

    def forget(self, codes: Int32) -> None:
        """Drop streams that left this worker; their codes will be given to others."""
        for part in (self._aligner.columns, self._windower, self._profiles.columns, self._threshold.columns):
            part.clear(codes)
        self._alerter.columns.clear(codes)
        self.index.forget(codes.tolist())

    @property
    def beats(self) -> Beats:
        """What is known of the last batch's windows, if these are heartbeats of one stream."""
        assert isinstance(self._windower, BeatWindower)  # noqa: S101 (nobody else asks)
        return self._windower.beats

    @property
    def state_size(self) -> int:
        """Bytes saved per stream."""
        return self._codec.size

    @property
    def _mark(self) -> bytes:
        return self.model[:8].encode()

    def _grow(self) -> None:
        rows = len(self.index)
        self._windower.grow(rows)
        for columns in (self._aligner.columns, self._profiles.columns, self._threshold.columns, self._alerter.columns):
            columns.grow(rows)

    def _finish(self, gridded: Gridded) -> Outcome:
        windows = self._windower.add(gridded, self._aligner)
        if np.any(windows.stream[1:] < windows.stream[:-1]):
            windows = windows.take(np.argsort(windows.stream, kind="stable"))
        history, ready = self._collect(gridded)
        enrolled = self._profiles.columns["model"][windows.stream] != b""
        scores, changes = self._judge(windows, self._score(windows, enrolled), enrolled)
        return Outcome(
            scores=scores,
            alerts=self._alerter.settle(changes),
            transitions=changes.transitions,
            evidence=[self._evidence(alert, windows.take(np.array([row]))) for alert, row in changes.opened],
            history=history,
            ready=ready,
        )

    def _collect(self, gridded: Gridded) -> tuple[list[tuple[int, HistoryBlock]], list[int]]:
        """Readings of streams that have no model yet, kept to train on."""
        first = firsts(gridded.stream)
        streams = gridded.stream[first]
        new = np.flatnonzero(self._profiles.columns["model"][streams] == b"")
        ends = np.append(first[1:], len(gridded))
        blocks, ready = [], []
        for i in new.tolist():
            code, part = int(streams[i]), slice(first[i], ends[i])
            times = self._aligner.times(gridded.slot[part])
            blocks.append((code, HistoryBlock(-1, times, gridded.values[part])))
            self._profiles.columns["seen"][code] += len(times)
            if self._profiles.columns["seen"][code] >= self._after:
                ready.append(code)
        return blocks, ready

    def _score(self, windows: Windows, enrolled: Bool) -> Float32:
        """Score of each window, by the model or, where the stream has none yet, by the bootstrap detector."""
        if self.scorer is not None and enrolled.all():
            return self.scorer.score(self._scaled(windows))
        score = np.empty(len(windows), np.float32)
        watch = cover if self.family.window.kind == "beat" else bootstrap_detector.score
        score[~enrolled] = watch(windows.values[~enrolled])
        if self.scorer is not None and enrolled.any():
            score[enrolled] = self.scorer.score(self._scaled(windows.take(enrolled)))
        return score

    def _scaled(self, windows: Windows) -> Float32:
        if self.family.scale == "none":
            return windows.values
        return self._profiles.apply(windows.stream, windows.values)

    def _judge(self, windows: Windows, score: Float32, enrolled: Bool) -> tuple[Scores, Changes]:
        """Limits, ratios and alerts, one round for each bucket that a stream passes through in this batch."""
        changes = Changes()
        limit, ratio = np.full((2, len(windows)), np.nan, np.float32)
        poor = (windows.imputed > self.family.align.max_imputed) | ~np.isfinite(score)
        bucket = np.zeros(len(windows), np.int64)
        bucket[enrolled] = self._threshold.buckets(windows.stream[enrolled], windows.end[enrolled])
        for rows in _rounds(windows.stream, bucket):
            stream, model = windows.stream[rows], enrolled[rows]
            limit[rows] = self._limits(stream, bucket[rows], model)
            ratio[rows] = np.where(poor[rows], np.nan, score[rows] / limit[rows])
            alerting = self._alerter.step(windows, ratio[rows], rows, changes)
            normal = model & ~poor[rows] & ~(ratio[rows] > 1) & ~alerting
            self._threshold.learn(stream[normal], score[rows][normal].astype(np.float64))
        state = np.where(ratio > 1, State.ANOMALY, State.OK)
        state = np.where(enrolled, state, State.BOOTSTRAP)
        state = np.where(poor, State.INSUFFICIENT, state).astype(np.uint8)
        scores = Scores(windows.stream, windows.start, windows.end, score, limit, ratio, windows.imputed, state)
        return scores, changes

    def _limits(self, stream: Int32, bucket: Int64, model: Bool) -> Float32:
        """Limit of each window; all windows of a stream are in one bucket here."""
        limit = np.full(len(stream), bootstrap_detector.LIMIT, np.float32)
        if model.any():
            of_model = stream[model]
            first = firsts(of_model)
            limits = self._threshold.limits(of_model[first], bucket[model][first])
            limit[model] = np.repeat(limits, np.diff(np.append(first, len(of_model))))
        return limit

    def _evidence(self, alert: Alert, window: Windows) -> Evidence:
        """Why the window (one row) opened the alert."""
        values = window.values[0]
        if self.scorer is not None and self._profiles.columns["model"][window.stream[0]] != b"":
            scaled = self._scaled(window)
            expected = self.scorer.reconstruct(scaled)
            if self.family.scale != "none":
                expected = self._profiles.undo(window.stream, expected)
            contribution = self.scorer.explain(scaled)[0]
        else:
            expected = np.broadcast_to(np.median(window.values, axis=1, keepdims=True), window.values.shape)
            contribution = np.abs(values - expected[0])
            contribution = contribution / max(float(contribution.sum()), 1e-12)
        return Evidence(
            alert=alert.id,
            start=int(window.start[0]),
            end=int(window.end[0]),
            channels=self.family.channels,
            values=values,
            reconstruction=np.asarray(expected[0], dtype=np.float32),
            contribution=np.asarray(contribution, dtype=np.float32),
        )


def _rounds(stream: Int32, bucket: Int64) -> list[Int64]:
    """Row numbers grouped so that each group has one bucket per stream, in time order. Sorted by stream."""
    if len(stream) == 0:
        return []
    first = firsts(stream)
    step = np.zeros(len(stream), np.int64)
    step[1:] = bucket[1:] != bucket[:-1]
    step[first] = 0
    passed = np.cumsum(step)
    round_ = passed - np.repeat(passed[first], np.diff(np.append(first, len(stream))))
    if not round_.any():
        return [np.arange(len(stream))]
    return [np.flatnonzero(round_ == r) for r in range(int(round_.max()) + 1)]
