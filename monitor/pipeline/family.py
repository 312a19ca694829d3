"""One family, batch in, batch out: readings to grid, windows, scores, verdicts, alerts. No I/O, no clock of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from monitor.config.families import Family
from monitor.pipeline.alerting.anomaly_alerts import Alerter, Changes
from monitor.pipeline.alerting.health_alerts import News
from monitor.pipeline.alignment.aligner import COUNTERS as GRID_COUNTERS
from monitor.pipeline.alignment.channel_joiner import aligner_of
from monitor.pipeline.health.silence import Quiet
from monitor.pipeline.health.stream_health import COUNTERS as HEALTH_COUNTERS
from monitor.pipeline.health.stream_health import Health
from monitor.pipeline.scoring import cold_start
from monitor.pipeline.scoring.explanation import explain
from monitor.pipeline.scoring.stream_scaling import Profile, Profiles
from monitor.pipeline.state.codec import Section, StateCodec, signature
from monitor.pipeline.state.segments import Gridded, firsts
from monitor.pipeline.thresholds.base import Threshold, rounds
from monitor.pipeline.windowing.registry import windower
from monitor.ports.scorer import Scorer
from monitor.ports.store import HistoryBlock
from monitor.records.alerts import Alert, Evidence, Transition
from monitor.records.batches import NEVER, Bool, Float32, Float64, Int32, Int64, Readings, Scores, State, Windows
from monitor.records.late import Late
from monitor.records.streams import StreamIndex

COUNTERS = (*GRID_COUNTERS, *HEALTH_COUNTERS)


CELLS = 2**23  # numbers in the windows of one batch


@dataclass(slots=True)
class Outcome:
    """What a batch led to. Stream columns are codes; `history` holds (code, block) of streams without a model.

    `touched` are streams whose state has changed without a reading of theirs.
    """

    scores: Scores
    alerts: list[Alert] = field(default_factory=list)
    transitions: list[tuple[Transition, Alert]] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    history: list[tuple[int, HistoryBlock]] = field(default_factory=list)
    ready: list[int] = field(default_factory=list)  # streams that have been seen long enough to be trained on
    touched: set[int] = field(default_factory=set)
    late: Late | None = None


class Pipeline:
    """The stages of one family and the state of its streams."""

    def __init__(self, name: str, family: Family, index: StreamIndex, threshold: Threshold, run: str) -> None:
        self.name, self.family, self.index = name, family, index
        self._grid, self._shape = family.grid, family.shape
        self._aligner = aligner_of(family)
        self._windower = windower(family)
        self._threshold = threshold
        self._alerter = Alerter(run, name, index, family.alerts)
        self._health = Health(run, name, family, index)
        self._idle = (self._shape.length + self._grid.lateness) * (self._grid.interval or 0)  # ns; then it is flushed
        self._profiles = Profiles(self._shape.channels)
        self._after = family.train_after
        self.scorer: Scorer | None = None
        self._known: Mapping[str, Profile] = {}
        self.model = ""
        length, channels = self._shape.window
        grid = (length, channels, self._grid.interval, self._grid.lateness, self._grid.max_gap)
        cut = signature(grid, self._shape.hop, family.window.kind, family.window.rate)
        sections = {
            "aligner": Section(self._aligner.columns, signature(grid)),
            "windower": Section(self._windower, cut),
            "profile": Section(self._profiles.columns, signature(channels, family.scale)),
            "threshold": Section(threshold.columns, signature(length, channels, family.threshold)),
            "alerts": Section(self._alerter.columns, signature("alerts")),
            **self._health.sections,
        }
        self._parts = {name: section.part for name, section in sections.items()}
        self._codec = StateCodec(sections)

    def process(self, readings: Readings, now: int | None = None) -> Outcome:
        """Run a batch through all stages. `now` (ns) is the wall clock where the readings are live."""
        self._grow()
        news = self._health.news()
        readings = self._health.arrive(readings, now, news)
        outcome = self._finish(self._aligner.add(readings, now), news)
        outcome.late = self._aligner.late
        return outcome

    def flush(self) -> Outcome:
        """The source has ended: take what still waited for earlier readings, or for later ones."""
        self._grow()
        return self._finish(self._aligner.flush(), self._health.news(), ended=True)

    def look(self, quiet: Quiet) -> Outcome:
        """Live only, with all streams of this worker: find silent ones; let go what waits in the grid of idle ones."""
        news = self._health.news()
        self._health.look(quiet, self.clock(quiet.stream), news)
        waits = self._aligner.columns["waiting"][quiet.stream] > 0
        idle = quiet.stream[waits & (self._health.silence.times(quiet) >= self._idle)]
        news.touched.update(idle.tolist())
        return self._finish(self._aligner.flush(idle), news)

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

    @property
    def most(self) -> int:
        """Readings to take in at once: bounds the memory for windows, whatever a poll brings."""
        return max(1, CELLS // self._shape.numbers) * self._shape.hop

    def rows_until_ready(self, readings: Readings) -> int:
        """How many of these readings to take before the family's first training must begin; all, where it need not.

        Only a family that is to wait for its model (`train.wait`) asks for that.
        """
        if self.scorer is not None or not self.family.train.wait or len(readings) == 0:
            return len(readings)
        self._grow()
        return self._profiles.rows_until(readings.stream, self._after)

    def dump(self, codes: Int32) -> list[bytes]:
        """State of each stream, to be saved."""
        return self._codec.dump(codes)

    def counters(self, codes: NDArray[np.integer]) -> Int64:
        """`COUNTERS` of each stream since its state began, (n, 7)."""
        grid = np.stack([self._aligner.columns[name][codes] for name in GRID_COUNTERS], axis=1)
        return np.concatenate([grid, self._health.counters(codes)], axis=1)

    def seen(self, codes: NDArray[np.integer]) -> Int64:
        """Readings kept of each stream to train on; -1 for those that a model scores."""
        columns = self._profiles.columns
        return np.where(columns["model"][codes] == b"", columns["seen"][codes], -1)

    def clock(self, codes: NDArray[np.integer]) -> Int64:
        """Time of each stream's newest reading, ns; NEVER before the first."""
        slot = self._aligner.newest(codes)
        return np.where(slot == NEVER, NEVER, self._grid.times(slot))

    def forget(self, codes: Int32) -> None:
        """Drop streams that left this worker; their codes will be given to others."""
        for part in self._parts.values():
            part.clear(codes)
        self.index.forget(codes.tolist())

    @property
    def window_facts(self) -> Mapping[str, Float64]:
        """What is known of the last batch's windows beside their values, (m,) each; NaN = unknown."""
        return self._windower.facts

    @property
    def state_size(self) -> int:
        """Bytes saved per stream."""
        return self._codec.size

    @property
    def _mark(self) -> bytes:
        return self.model[:8].encode()

    def _grow(self) -> None:
        for part in self._parts.values():
            part.grow(len(self.index))

    def _finish(self, gridded: Gridded, news: News, *, ended: bool = False) -> Outcome:
        self._health.count_gaps(gridded)
        windows = self._windower.finish(gridded) if ended else self._windower.add(gridded)
        if np.any(windows.stream[1:] < windows.stream[:-1]):
            windows = windows.take(np.argsort(windows.stream, kind="stable"))
        history, ready = self._collect(gridded)
        enrolled = self._profiles.columns["model"][windows.stream] != b""
        scores, changes = self._judge(windows, self._score(windows, enrolled), enrolled)
        return Outcome(
            scores=scores,
            alerts=self._alerter.settle(changes) + news.alerts,
            transitions=changes.transitions + news.transitions,
            evidence=[self._evidence(alert, windows, row) for alert, row in changes.opened],
            history=history,
            ready=ready,
            touched=news.touched,
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
            times = self._grid.times(gridded.slot[part])
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
        score[~enrolled] = self._windower.cold_start(windows.values[~enrolled])
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
        for rows in rounds(windows.stream, bucket):
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
        limit = np.full(len(stream), cold_start.LIMIT, np.float32)
        if model.any():
            of_model = stream[model]
            first = firsts(of_model)
            limits = self._threshold.limits(of_model[first], bucket[model][first])
            limit[model] = np.repeat(limits, np.diff(np.append(first, len(of_model))))
        return limit

    def _evidence(self, alert: Alert, windows: Windows, row: int) -> Evidence:
        """Why the window at `row` opened the alert."""
        window = windows.take(np.array([row]))
        facts = {name: float(fact[row]) for name, fact in self.window_facts.items() if not np.isnan(fact[row])}
        enrolled = self._profiles.columns["model"][window.stream[0]] != b""
        profiles = None if self.family.scale == "none" else self._profiles
        return explain(alert, window, self.family.channels, self.scorer if enrolled else None, profiles, facts)
