"""Builds the next commit from the outcomes processed since the last one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from monitor.pipeline import loop
from monitor.pipeline.family import Pipeline
from monitor.pipeline.outcome import Outcome
from monitor.pipeline.scoring.sampling import Sample, Sampling
from monitor.ports.store import Announce, Commit, HistoryBlock, Position, ScoreBlock
from monitor.records import score_summaries
from monitor.records.alerts import Fact, FactKind
from monitor.records.batches import LIVE, Int64, Poll, Readings, Scores, TopicPartition
from monitor.records.incidents import Grouping
from monitor.records.late import LateBlock
from monitor.records.recorded_lives import RecordedLives
from monitor.records.totals import Totals
from monitor.worker.dead_letter_log import DeadLetterLog
from monitor.worker.drift import DriftWatch, NoDrifts
from monitor.worker.health_log import log_health
from monitor.worker.maintenance import Upkeep
from monitor.worker.options import WorkerOptions
from monitor.worker.partitions import Partitions
from monitor.worker.streams import Streams
from monitor.worker.training_sample import TrainingSample
from monitor.worker.unreadable import UnreadableRecords

MAX_SIZE = 400_000  # windows, late readings and training readings in a commit: bounds its memory and time
MAX_BYTES = 2**26  # of what came from outside: dead letters, evidence, late and training readings
DEAD_LETTER_SIZE = 10  # counted for a dead letter, which is one more row


class CommitBuilder:
    """Grows with every batch; `build` gives the commit, `reset` starts an empty one. `totals` counts what is in it."""

    def __init__(
        self,
        run: str,
        announce: Announce,
        pipelines: Mapping[str, Pipeline],
        scores: score_summaries.Policy = "all",
        max_age: int | None = None,
        drifts: DriftWatch | None = None,
    ) -> None:
        self.totals = Totals()
        self.partitions = Partitions()
        self.streams = {name: Streams(pipeline) for name, pipeline in pipelines.items()}
        self.ready: dict[str, set[int]] = {name: set() for name in pipelines}  # streams to train on, by family
        rules = {name: pipeline.family.alert_rule.timers for name, pipeline in pipelines.items()}
        self._empty, self.announce = partial(Commit, run, announce=announce, max_age=max_age, rules=rules), announce
        self.upkeep: Upkeep | None = None
        self._pipelines, self._scores, self._drifts = pipelines, scores, drifts or NoDrifts()
        self._unreadable, self._dead_letters = UnreadableRecords(run, pipelines), DeadLetterLog()
        self._size, self._bytes, self._urgent, self._collected = 0, 0, False, False
        self._summed: list[tuple[Int64, Scores]] = []  # (stream ids, scores) to roll up
        self._commit = self._empty()
        for pipeline in pipelines.values():
            family = pipeline.family
            pipeline.keeps = family.train_after
            if run == LIVE and family.train_every:
                pipeline.sampling = Sampling(family.train_after, max(1, family.train_every // family.train_after))
        self._samples = {name: TrainingSample() for name in pipelines}

    @classmethod
    def of(cls, options: WorkerOptions, pipelines: Mapping[str, Pipeline]) -> CommitBuilder:
        """As the options of a worker say."""
        made = cls(options.run, options.announce, pipelines, options.scores, options.max_age, options.drifts)
        made.upkeep = options.upkeep
        made.group_by(options.grouping)
        made.repeat(options.recorded)
        return made

    def group_by(self, grouping: Grouping) -> None:
        """Say which alerts make one incident, before anything is added."""
        self._empty = partial(self._empty, grouping=grouping)
        self._commit = self._empty()

    def repeat(self, recorded: RecordedLives | None) -> None:
        """Say which lives of alerts a replay repeats, before anything is added."""
        self._empty = partial(self._empty, recorded=recorded)
        self._commit = self._empty()

    @property
    def dirty(self) -> bool:
        """There is something to write."""
        return bool(self.partitions.next or self.partitions.unread or self._commit.scores or self._commit.dead)

    @property
    def full(self) -> bool:
        """It must not grow any more."""
        return self._size >= MAX_SIZE or self._bytes >= MAX_BYTES

    @property
    def has_history(self) -> bool:
        """It holds data of a first training, or an enrolment, that the store does not have yet."""
        return self._collected

    @property
    def has_ready(self) -> bool:
        """Some streams have become ready to be trained on."""
        return any(self.ready.values())

    @property
    def urgent(self) -> bool:
        """An alert is pending: it opened, worsened or cleared, and its notification waits for this commit."""
        return self._urgent

    def assign(self, positions: dict[TopicPartition, Position]) -> None:
        """Add partitions of which the store has made this worker the owner."""
        self.partitions.assign(positions)
        self._unreadable.assign(positions)

    def process(self, poll: Poll, now: int | None) -> None:
        """Run a poll through the pipelines; the state of its streams is loaded. No I/O: it cannot fail half-way."""
        for family, readings in poll.readings.items():
            self.streams[family].track(readings)
        for step in loop.process(poll, self._pipelines, now):
            self.add(step.family, step.outcome, step.readings)
        self.totals.records += poll.records
        self.totals.dead += len(poll.dead)
        self._dead_letters.note(poll.dead)
        self._commit.dead += poll.dead
        self._report(self._unreadable.judge(poll, now))
        self._size += DEAD_LETTER_SIZE * len(poll.dead)
        self._bytes += sum(letter.weight for letter in poll.dead)
        self._commit.gaps += poll.gaps
        self.partitions.next.update(poll.positions)

    def add(self, family: str, outcome: Outcome, readings: Readings | None = None) -> None:
        """Add the outcome of a batch; `readings` are those of the batch."""
        streams, commit, scores = self.streams[family], self._commit, outcome.scores
        if len(scores):
            if self._scores == "rollup":
                self._summed.append((streams.ids[scores.stream], scores))
            kept = score_summaries.chosen(scores, self._scores)
            commit.scores.append(ScoreBlock(kept, streams.ids[kept.stream], streams.pipeline.model, family))
        self._drifts.offer(family, streams.pipeline.index, outcome)
        self._report(outcome.facts + self._drifts.facts())
        log_health(outcome.facts)
        commit.evidence += outcome.evidence
        for code, block in outcome.history:
            commit.history.append(HistoryBlock(int(streams.ids[code]), block.time, block.values))
            self._collected = True
        if outcome.late is not None:
            names = map(streams.pipeline.index.name, outcome.late.readings.stream.tolist())
            commit.late.append(LateBlock(family, list(names), outcome.late))
            self._size += len(outcome.late.readings)
            self._bytes += outcome.late.readings.values.nbytes
        if outcome.sample is not None:
            self._keep(streams, self._samples[family], outcome.sample)
        self.ready[family].update(outcome.ready)
        self._touch(streams, outcome.touched)
        self._count(outcome, 0 if readings is None else len(readings))

    def _keep(self, streams: Streams, gathered: TrainingSample, sample: Sample) -> None:
        """Gather readings to train on again; what is enough for a row of each stream becomes part of the commit.

        So do the states of these streams: where a command has deleted one, the commit is refused as a whole.
        """
        gathered.add(streams.ids[sample.stream], sample)
        if gathered.due:
            self._touch(streams, gathered.streams)
            self._size += gathered.count
            self._bytes += gathered.weight
            self._commit.history += gathered.take()

    def build(self) -> Commit:
        """The commit with positions and states as they are now; the same object until `reset`."""
        self._commit.positions, self._commit.unread = self.partitions.moved(), self.partitions.unread
        self._commit.unreadable = self._unreadable.changes()
        self._commit.muting = None if self.upkeep is None else self.upkeep.muting
        self._commit.rollup = score_summaries.roll_up(self._summed) if self._summed else None
        self._commit.streams = [state for streams in self.streams.values() for state in streams.changes()]
        return self._commit

    def reset(self) -> None:
        """Start an empty commit: the one before is in flight, or given up."""
        self._commit, self.totals = self._empty(), Totals()
        self._summed, self._size, self._bytes, self._urgent, self._collected = [], 0, 0, False, False
        self.partitions.committed()
        self._unreadable.committed()
        for streams in self.streams.values():
            streams.committed()

    def drop(self, partitions: Sequence[TopicPartition]) -> None:
        """Unload partitions and their streams: another worker owns them."""
        self.partitions.drop(partitions)
        self._unreadable.drop(partitions)
        for family, streams in self.streams.items():
            topic = streams.pipeline.family.topic
            numbers = [partition for name, partition in partitions if name == topic]
            if numbers:
                streams.drop(numbers)
                self._samples[family].drop()
                self.ready[family].clear()

    def forget(self) -> None:
        """Unload everything; what is needed again is loaded from the store."""
        for family, streams in self.streams.items():
            streams.drop()
            self._samples[family].drop()
            self.ready[family].clear()
        self._unreadable.forget()
        self.partitions = Partitions()
        self.reset()

    def _touch(self, streams: Streams, codes: set[int]) -> None:
        """Save streams whose state has changed without a reading, and fence their partitions."""
        if codes:
            streams.mark_changed(codes)
            numbers = np.unique(streams.partition[list(codes)])
            self.partitions.fence((streams.pipeline.family.topic, number) for number in numbers.tolist())

    def _count(self, outcome: Outcome, readings: int) -> None:
        self._size += len(outcome.scores) + sum(len(block.time) for _, block in outcome.history)
        self._bytes += sum(block.values.nbytes for _, block in outcome.history)
        self._bytes += sum((3 if of.band is None else 8) * of.values.nbytes for of in outcome.evidence)
        totals = self.totals
        totals.readings += readings
        totals.windows += len(outcome.scores)
        totals.anomalies += int(np.count_nonzero(outcome.scores.ratio > 1))

    def _report(self, facts: list[Fact]) -> None:
        """Add facts about alerts."""
        self._commit.facts += facts
        kinds = [fact.kind for fact in facts]
        self.totals.opened += kinds.count(FactKind.OPENED)
        self.totals.resolved += kinds.count(FactKind.CLEARED)
        self._urgent |= any(kind is not FactKind.CONTINUED for kind in kinds)
