"""One family, batch in, batch out: readings to grid, windows, scores, verdicts, alerts. Pure: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from monitor.config.families import Family
from monitor.pipeline.alerting.health_alerts import HealthFacts
from monitor.pipeline.alignment.believed import Believed
from monitor.pipeline.alignment.channel_joiner import aligner_of
from monitor.pipeline.alignment.counters import Counters
from monitor.pipeline.alignment.leaving_out import leave_out
from monitor.pipeline.alignment.long_fills import LongFills
from monitor.pipeline.health.changes import ChangeAlerts
from monitor.pipeline.health.closing import SWITCHED_OFF, ClosedAlerts
from monitor.pipeline.health.counted import Counted
from monitor.pipeline.health.no_beat import NoBeat
from monitor.pipeline.health.silence import Quiet
from monitor.pipeline.health.stream_health import Health
from monitor.pipeline.health.unscored import NOTHING, Arrived, Batch, Unscored
from monitor.pipeline.judging import Judging
from monitor.pipeline.maintenance import Switches
from monitor.pipeline.outcome import Outcome
from monitor.pipeline.overrides import Overrides
from monitor.pipeline.scoring.collecting import collect
from monitor.pipeline.scoring.recipe import Recipe
from monitor.pipeline.scoring.sampling import Sampling, sample
from monitor.pipeline.scoring.stream_scaling import Profile
from monitor.pipeline.state.codec import Section, StateCodec, signature
from monitor.pipeline.state.segments import Gridded
from monitor.pipeline.windowing.registry import windower
from monitor.ports.scorer import Scorer
from monitor.records.batches import NEVER, Bool, Float64, Int32, Int64, Readings, Windows
from monitor.records.counters import GRID
from monitor.records.streams import StreamIndex

EVERYTHING = 2**62  # readings
CELLS = 2**23  # numbers in the windows of one batch


class Pipeline:
    """The stages of one family and the state of its streams."""

    def __init__(self, name: str, family: Family, index: StreamIndex, recipe: Recipe, run: str) -> None:
        self.name, self.family, self.index, self.recipe = name, family, index, recipe
        self._grid, self._shape = family.grid, family.shape
        self._counters, self._aligner, self._fills = Counters(family), aligner_of(family), LongFills(family)
        self._windower = windower(family)
        self.judging = Judging(run, name, family, index, recipe)
        self.expected, self.overrides = self.judging.expected, Overrides(family, index)
        self.maintenance = Switches(name, index)
        self._health = Health(run, name, family, index, recipe.detector.profiles, self.overrides)
        self._unscored, self._counted = Unscored(family, index), Counted(family, self.has_model)
        self._no_beat = NoBeat(family, index)
        self._changes = ChangeAlerts(family.channels, index, watches=recipe.finds_changes)
        closable = (self.judging.alerter, *self._health.closable, self._unscored, self._no_beat, self._changes)
        self._closed = ClosedAlerts(run, name, closable)
        self._idle = (self._shape.length + self._grid.lateness) * (self._grid.interval or 0)  # ns; then it is flushed
        self._profiles = recipe.detector.profiles
        self._after, self._score = family.train_after, self.maintenance.score
        self.sampling = Sampling(self._after)  # of streams with a model nothing is kept but by a worker
        self.keeps = EVERYTHING  # readings to collect of a stream without a model; a worker needs no more than train on
        resolved = (*self._shape.window, self._grid.interval, self._grid.lateness, self._grid.max_gap)
        grid = (*resolved, *family.format.counters)  # rises are other values than totals
        cut = signature(grid, self._shape.hop, family.window.kind, family.window.rate)
        sections = {
            **self._counters.sections,
            **self._fills.sections,
            "aligner": Section(self._aligner.columns, signature(grid), self._aligner.earlier),
            "held": Section(self._aligner.held, signature("held")),
            "windower": Section(self._windower, cut, self._windower.earlier),
            **self.judging.sections,
            **self._health.sections,
            **self._unscored.sections,
            **self._counted.sections,
            **self._no_beat.sections,
            **self._changes.sections,
        }
        self._parts = {name: section.part for name, section in sections.items()}
        self._codec = StateCodec(sections)

    def process(self, readings: Readings, now: int | None = None) -> Outcome:
        """Run a batch through all stages. `now` (ns) is the wall clock where the readings are live."""
        self._grow()
        facts = self._closed.report(self._health.facts())
        self.judging.accept(readings, facts)
        self._health.heard(readings, now, facts)
        believed = self._aligner.clocks.believed(readings, now)
        gridded = self._place(believed, self._counters.rises(believed.readings), facts)
        outcome = self._finish(gridded, facts, Arrived(readings.stream, now))
        outcome.late = self._aligner.late
        return outcome

    def prime(self, gridded: Readings, learned: Pipeline) -> None:
        """Begin with readings that `learned`, another pipeline of this family and index, has put on the grid.

        The health of their streams goes on as it has left it, with open alerts.
        """
        self._grow()
        codes = np.unique(gridded.stream)
        self._counters.follow(learned._counters, codes)
        self._follow(self._aligner.clocks.believed(gridded))
        self._follow(self._aligner.clocks.settle())
        for name in self._health.sections:
            self._parts[name].load(codes, learned._parts[name].dump(codes))

    def flush(self) -> Outcome:
        """The source has ended: take what was held to be confirmed, and waited for earlier readings or later ones."""
        self._grow()
        facts, aligner = self._closed.report(self._health.facts()), self._aligner
        facts.touched.update(np.flatnonzero(aligner.held.columns["count"]).tolist())
        first = aligner.clocks.settle()
        checked = self._health.arrive(self._counters.rises(first.readings), facts, self._score)
        gridded = aligner.finish(first._replace(readings=checked))
        return self._finish(gridded, facts, Arrived(checked.stream, None, ended=True))

    def look(self, quiet: Quiet) -> Outcome:
        """Live only, with all streams of this worker: find silent ones; let go what waits in the grid of idle ones."""
        facts = self._closed.report(self._health.facts())
        self._health.look(quiet, self.clock(quiet.stream), facts, self._score)
        waits = self._aligner.columns["waiting"][quiet.stream] > 0
        idle = quiet.stream[waits & (self._health.silence.times(quiet) >= self._idle)]
        facts.touched.update(idle.tolist())
        return self._finish(self._aligner.flush(idle), facts)

    def adopt(self, model: str, scorer: Scorer, profiles: Mapping[str, Profile]) -> None:
        """Score with this model from now on. Streams without a profile go on under the bootstrap detector."""
        self._grow()
        self.judging.learned.both(lambda: self.recipe.adopt(model, scorer, profiles, self.index))

    def enrol(self, code: int, profile: Profile) -> None:
        """Score this stream with the family's model from now on."""
        self.judging.learned.both(lambda: self.recipe.enrol(code, profile))

    def collect_again(self, names: Sequence[str]) -> list[str]:
        """Those of these streams of which enough readings were kept to train on: collect others from now on."""
        codes = [self.index.codes[name] for name in names]
        full = self._profiles.columns["seen"][codes] >= self._after
        self._profiles.columns["seen"][np.array(codes, np.int64)[full]] = 0
        return [name for name, done in zip(names, full.tolist(), strict=True) if done]

    def load(self, codes: Int32, states: Sequence[bytes | None]) -> set[str]:
        """Resume streams from their saved states (None = new); returns the parts whose settings have changed."""
        self._grow()
        saved = [(code, state) for code, state in zip(codes.tolist(), states, strict=True) if state is not None]
        known, kept = np.array([code for code, _ in saved], np.int64), [state for _, state in saved]
        lost = self._codec.load(known, kept)
        self.judging.learned.take_from(known, kept)
        self.recipe.resume(codes, lost, self.index)
        self.expected.loaded(codes)
        off = codes[self.overrides.off(codes)]
        self._windower.clear(off)  # where it is switched on again, no window reaches over that time
        for code, at in zip(off.tolist(), self.clock(off).tolist(), strict=True):
            self._closed.close(code, at, SWITCHED_OFF)
        return set(lost)

    def drop_alerts(self, codes: Int32) -> None:
        """After `load`: the alerts of these streams were closed in the database, but no gateway alert."""
        for code, at in zip(codes.tolist(), self.clock(codes).tolist(), strict=True):
            self._closed.drop(code, at, self._health.silence.holding(code))

    def expect_nothing(self, codes: Sequence[int]) -> None:
        """These streams are retired: they are not silent until they send again."""
        self._health.silence.retired.update(codes)

    @property
    def model(self) -> str:
        """Id of the model that scores; empty before the first."""
        return self.recipe.detector.model

    @property
    def scorer(self) -> Scorer | None:
        """The model that scores."""
        return self.recipe.detector.scorer

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
        return self.judging.learned.add_to(codes, self._codec.dump(codes))

    def counters(self, codes: NDArray[np.integer]) -> Int64:
        """The `COUNTERS` of each stream since its state began, (n, len(COUNTERS)).

        A reading that is held counts as what it is if nothing confirms it.
        """
        grid = np.stack([self._aligner.columns[name][codes] for name in GRID], axis=1)
        for name, held in zip(("accepted", "future"), self._aligner.clocks.pending(codes), strict=True):
            grid[:, GRID.index(name)] += held
        return np.concatenate([grid, self._health.counters(codes)], axis=1)

    def training_readings(self, codes: NDArray[np.integer]) -> Int64:
        """Readings of each stream that were kept to train on while it had no model."""
        return np.asarray(self._profiles.columns["seen"][codes])

    @property
    def history_length(self) -> int:
        """See `Profiles.middle`."""
        return self._profiles.middle

    def has_model(self, codes: NDArray[np.integer]) -> Bool:
        """Which streams a model scores."""
        return np.asarray(self._profiles.columns["model"][codes] != b"")

    def clock(self, codes: NDArray[np.integer]) -> Int64:
        """Time of each stream's newest reading, ns; NEVER before the first."""
        slot = self._aligner.newest(codes)
        return np.where(slot == NEVER, self._aligner.held.columns["time"][codes], self._grid.times(slot))

    def forget(self, codes: Int32) -> None:
        """Drop streams that left this worker; their codes will be given to others."""
        self._grow()  # some may never have been processed
        for part in self._parts.values():
            part.clear(codes)
        self.overrides.forget(codes)
        self.maintenance.forget(codes)
        self.judging.learned.drop(codes.tolist())
        self._closed.forget(codes.tolist())
        self.index.forget(codes.tolist())

    @property
    def window_facts(self) -> Mapping[str, Float64]:
        """What is known of the last batch's windows beside their values, (m,) each; NaN = unknown."""
        return self._windower.facts

    @property
    def state_size(self) -> int:
        """Bytes saved per stream."""
        return self._codec.size

    def _grow(self) -> None:
        for part in self._parts.values():
            part.grow(len(self.index))
        self.overrides.follow()

    def _follow(self, believed: Believed) -> None:
        """Take in readings without an outcome."""
        facts = self._health.facts()
        self._finish(self._place(believed, believed.readings, facts), facts, Arrived(believed.readings.stream, None))

    def _place(self, believed: Believed, readings: Readings, facts: HealthFacts) -> Gridded:
        """Put believed readings on the grid; `readings` are the same ones with the values that they have there."""
        return self._aligner.place(believed._replace(readings=self._health.arrive(readings, facts, self._score)))

    def _finish(self, gridded: Gridded, facts: HealthFacts, arrived: Arrived = NOTHING) -> Outcome:
        gridded = self._fills.cut(gridded)
        self._health.count_gaps(gridded)
        gridded, aligner = leave_out(self.overrides, gridded, self._aligner), self._aligner
        windows = self._windower.finish(gridded) if arrived.ended else self._windower.add(gridded)
        if np.any(windows.stream[1:] < windows.stream[:-1]):
            windows = windows.take(np.argsort(windows.stream, kind="stable"))
        off, known = self.maintenance.off(windows), self.window_facts
        unlearned = self.maintenance.learn.at(gridded.stream, self._grid.times(gridded.slot))
        self._watch(gridded, windows, off.score, facts)
        learned = gridded if unlearned is None else gridded.take(~unlearned)
        history, ready = collect(learned, self._grid, self._profiles, self.keeps, self._after)
        limits = self.overrides.limits(windows.stream)
        judged = self.judging.judge(windows, self._windower.cold_start, limits, known, off)
        self._changes.take(windows, judged.shifts, facts, off.score)
        counts = self._counted.judged(judged.scores, windows, off.score)
        self._unscored.take(Batch(arrived, gridded, aligner, judged.scores, counts, self._no_beat.covers), facts)
        return Outcome(
            scores=judged.scores,
            facts=judged.facts + facts.facts,
            evidence=judged.evidence,
            history=history,
            ready=ready,
            touched=facts.touched,
            sample=sample(learned, self._grid, self._profiles, self.sampling),
            unlearned=off.learn,
        )

    def _watch(self, gridded: Gridded, windows: Windows, off: Bool | None, facts: HealthFacts) -> None:
        """Health of streams by what was released and cut; nothing of times and windows that are `off`."""
        at, rr = self._grid.times(gridded.slot), self.window_facts.get("rr_s")
        if off is not None:
            windows, rr = windows.take(~off), None if rr is None else rr[~off]
        self._health.watch(self._aligner.released, windows, facts, self._score)
        self._no_beat.take(gridded, at, windows, rr, facts, self._score.at(gridded.stream, at))
