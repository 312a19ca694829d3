"""The loop of a worker: poll, process, commit.

What one commit interval brought (scores, alerts, outbox rows, evidence, stream states and next offsets) is written in
one transaction, while the next interval is being read. When SQL is away the same commit is tried again until it works,
while the worker stays in its group without fetching; when a newer owner has taken a partition, the worker drops
everything it holds in memory, leaves the group and begins again from what the store says. There is no other recovery.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import structlog

from monitor.errors import StoreError
from monitor.pipeline.family import Pipeline
from monitor.ports.source import Assignments, Source
from monitor.ports.store import Store
from monitor.records.batches import Poll, TopicPartition
from monitor.records.totals import Totals
from monitor.worker.commit_builder import Pending
from monitor.worker.committer import Wait, Writer
from monitor.worker.idle_detection import Vigil
from monitor.worker.model_provider import Models
from monitor.worker.options import Plan
from monitor.worker.poll_split import split

log = structlog.get_logger()

POLL_S = 1.0
GLANCE_S = 0.005  # between looks at a commit on its way that another one waits for
LOOK_S = 5.0  # how often models are looked after while readings never pause
REST = 4  # in a backlog there is none for 4 t after a commit that took t: at most a fifth of the time goes into commits
LONGEST_S = 10.0  # a process that was stopped in the middle of a commit need not rest for as long
HURRY = 1  # the same where an alert is to be told: however many there are, reading goes on


class Runner:
    """One worker. `connect` opens the source and is called again after the worker had to step down."""

    def __init__(
        self,
        connect: Callable[[Assignments], Source],
        store: Store,
        pipelines: Mapping[str, Pipeline],
        models: Models,
        plan: Plan,
    ) -> None:
        self._connect, self._store, self._models, self._plan = connect, store, models, plan
        self._pipelines = pipelines
        self._pending = Pending(plan.run, plan.announce, pipelines, plan.scores)
        self._vigil = Vigil(self._pending, store, plan.run)
        self._writer = Writer(store, lambda: self._stop())  # noqa: PLW0108 (`run` sets another one)
        self._look = 0.0  # when models are looked after again, at the latest
        self._due = 0.0  # when the interval of what is pending is over
        self._landed = -math.inf  # when the last commit was durable
        self._prepared = 0.0  # seconds that it took to make it
        self._caught_up = False  # the newest poll brought all that there was
        self._in_hand = False  # a poll is being held back whose streams are not open yet
        self._later: Poll | None = None  # the rest of a poll that was cut
        self._stop: Callable[[], bool] = lambda: False

    @property
    def totals(self) -> Totals:
        """What was done so far."""
        self._pending.totals.commits = self._writer.commits
        return self._pending.totals

    def run(self, stop: Callable[[], bool] = lambda: False, watch: Callable[[Totals], None] | None = None) -> Totals:
        """Work until `stop`, or until the source has ended; everything processed is committed at return.

        `watch` is called after every turn. Raises SourceError or StoreError when going on makes no sense.
        """
        self._stop = stop
        self._note_settings()
        self._models.refresh(self._pipelines)
        source = self._connect(self)
        try:
            while not stop():
                over = self._turn(source)
                if self._writer.fenced:
                    source.close()
                    self._begin_again()
                    source = self._connect(self)
                elif over:
                    break
                if watch is not None:
                    watch(self.totals)
            self._commit(source, wait=True)
            if self._writer.fenced:
                log.warning("stopped_fenced", note="the last interval is left to the worker that took over")
        finally:
            source.close()
            self._writer.abandon()
        return self.totals

    # Assignments: called by the source, inside poll

    def assigned(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Take ownership in SQL and say where to go on.

        While SQL is away the rebalance waits; after that the worker leaves the group rather than read from a guess.
        """
        began = time.monotonic()
        taken = self._writer.ask(partial(self._store.take, self._plan.run, partitions), self._patience()) or {}
        self._pending.partitions.taken(taken)
        log.info("partitions_assigned", partitions=_names(taken), took_s=_since(began))
        return {p: at.next_offset for p, at in taken.items() if at.next_offset is not None}

    def revoked(self, partitions: Sequence[TopicPartition]) -> None:
        """Commit what was processed, then let go. If SQL stays away, the next owner does it again.

        A poll that is being held back may have readings of these partitions: then the worker begins again.
        """
        began = time.monotonic()
        patience = self._patience()
        self._writer.land(patience)
        self._launch()
        self._writer.land(patience)
        self._writer.fenced |= self._in_hand or self._later is not None
        self._pending.drop(partitions)
        log.info("partitions_revoked", partitions=_names(partitions), took_s=_since(began))

    def lost(self, partitions: Sequence[TopicPartition]) -> None:
        """Somebody else owns them already: what was not committed is theirs to do again."""
        log.warning("partitions_lost", partitions=_names(partitions))
        self._writer.fenced = True
        self._pending.drop(partitions)

    # One turn

    def _turn(self, source: Source) -> bool:
        """Poll once and do what is due; true when the work is over."""
        poll, self._later = self._later or source.poll(min(POLL_S, max(0.0, self._until_commit()))), None
        self._caught_up = poll.at_end
        if self._writer.fenced or not self._open(poll, source):
            return False
        poll = self._take_in(poll)
        if poll.finished:
            for family, pipeline in self._pipelines.items():
                self._pending.add(family, pipeline.flush())
        if self._plan.live and not self._plan.until_end and self._later is None:
            self._vigil.look(poll.ends, partial(self._writer.ask, wait=self._hold(source)))
        if self._writer.arrived:
            self._land(source)
        over = poll.finished or (self._plan.until_end and poll.at_end and not poll.records)
        if over or self._model_is_due():
            self._commit(source, wait=True)
        elif self._until_commit() <= 0:
            self._commit(source, wait=self._models_call())
        if self._models_can_be_served():
            self._serve_models(source)
        return over

    def _model_is_due(self) -> bool:
        """Whether a family waits for its first model and can be trained now."""
        return any(
            ready
            and self._pipelines[family].scorer is None
            and self._pipelines[family].family.train.wait
            and self._models.trains(family)
            for family, ready in self._pending.ready.items()
        )

    def _open(self, poll: Poll, source: Source) -> bool:
        """Fetch the states of streams seen for the first time; false when the worker was fenced meanwhile."""
        self._in_hand = True
        for family, readings in poll.readings.items():
            streams = self._pending.streams[family]
            if streams.strangers(readings):
                open_streams = partial(streams.open, readings, self._store, self._plan.run)
                rebuilt = self._writer.ask(open_streams, self._hold(source))
                if rebuilt:
                    log.warning("state_rebuilt", family=family, parts=sorted(rebuilt))
        self._in_hand = False
        return not self._writer.fenced

    def _take_in(self, poll: Poll) -> Poll:
        """Process a poll up to where families must be trained first, or it gets too much; returns that part."""
        limits = {}
        for family, readings in poll.readings.items():
            pipeline = self._pipelines[family]
            ready = pipeline.rows_until_ready(readings) if self._models.trains(family) else len(readings)
            limits[pipeline.family.topic] = (family, min(ready, pipeline.most))
        poll, self._later = split(poll, limits)
        if poll.records and not self._pending.dirty:
            self._due = time.monotonic() + self._plan.interval
        self._pending.process(poll, time.time_ns() if self._plan.live else None)
        return poll

    # Commits

    def _until_commit(self) -> float:
        """Seconds; while one is on its way, the next is only due when it cannot grow any more."""
        if not self._pending.dirty:
            return POLL_S
        if self._pending.full:
            return 0.0
        took = 0.0 if self._caught_up else min(self._prepared + self._writer.took, LONGEST_S)
        due = self._landed + HURRY * took if self._pending.urgent else max(self._due, self._landed + REST * took)
        seconds = due - time.monotonic()
        return max(seconds, GLANCE_S) if self._writer.busy and not self._writer.arrived else seconds

    def _commit(self, source: Source, *, wait: bool) -> None:
        """Send off what is pending, and `wait` for its arrival or not; models are looked after in between, if due."""
        self._land(source)
        if time.monotonic() >= self._look and self._models_can_be_served():
            self._serve_models(source)
        self._launch()
        if wait:
            self._land(source)

    def _launch(self) -> None:
        """Put what is pending on its way; afterwards there is nothing pending."""
        if self._pending.dirty and not self._writer.fenced:
            began = time.monotonic()
            commit = self._pending.complete()
            self._pending.settle()
            self._prepared = time.monotonic() - began
            self._writer.launch(commit)

    def _land(self, source: Source) -> None:
        self._writer.land(self._hold(source))
        if not self._writer.fenced and (landed := self._writer.landed()):
            self._landed = time.monotonic()
            source.commit(landed)

    def _hold(self, source: Source) -> Wait:
        """Wait inside the group, without fetching."""

        def hold(seconds: float) -> bool:
            source.hold(seconds)
            return True

        return hold

    def _patience(self) -> Wait:
        """Wait inside a rebalance, which others are waiting for: not for ever."""
        end = time.monotonic() + self._plan.patience

        def sleep(seconds: float) -> bool:
            if time.monotonic() + seconds > end:
                return False
            time.sleep(seconds)
            return True

        return sleep

    def _begin_again(self) -> None:
        log.warning("stepping_down", run=self._plan.run)
        self._writer.abandon()
        self._pending.forget()
        self._in_hand = False
        self._later = None
        self._landed = -math.inf

    # Models and settings

    def _models_call(self) -> bool:
        """Whether models are to be looked after right behind a commit: what was kept to train on must be there."""
        due = time.monotonic() >= self._look and self._pending.keeps_history
        return due or any(self._pending.ready.values())

    def _models_can_be_served(self) -> bool:
        """Whether the store is free, and has all that was kept to train on."""
        if self._writer.busy:
            return False
        due = time.monotonic() >= self._look and not self._pending.keeps_history
        return due or not self._pending.dirty

    def _serve_models(self, source: Source) -> None:
        """Between commits: adopt new models, ask for missing ones, and wait for them where that is wanted."""
        if self._writer.fenced:
            return
        self._look = time.monotonic() + LOOK_S
        try:
            for family, ready in self._pending.ready.items():
                streams = self._pending.streams[family]
                names = {streams.pipeline.index.name(code): int(streams.ids[code]) for code in ready}
                if names:
                    self._models.request(streams.pipeline, names)
                    ready.clear()
            self._models.refresh(self._pipelines)
            while self._models.holding and not self._stop() and not self._writer.fenced:
                source.hold(0.2)
                self._models.refresh(self._pipelines)
        except StoreError as error:
            if not error.transient:
                raise
            log.warning("models_unavailable", error=str(error))  # asked again after the next commit

    def _note_settings(self) -> None:
        """Keep what this run works with; a change from what it worked with before is a row, and said."""
        for family, pipeline in self._pipelines.items():
            for change in self._store.note_settings(self._plan.run, family, pipeline.family.model_dump_json()):
                log.warning("settings_changed", family=family, change=change)


def _names(partitions: Iterable[TopicPartition]) -> list[str]:
    return [f"{topic}/{partition}" for topic, partition in partitions]


def _since(began: float) -> float:
    return round(time.monotonic() - began, 3)
