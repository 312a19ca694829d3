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
from monitor.worker.commit_builder import CommitBuilder
from monitor.worker.committer import Committer, Wait
from monitor.worker.idle_detection import IdleDetector
from monitor.worker.model_provider import Models
from monitor.worker.options import WorkerOptions
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
        options: WorkerOptions,
    ) -> None:
        self._connect, self._store, self._models, self._options = connect, store, models, options
        self._pipelines = pipelines
        self._builder = CommitBuilder(options.run, options.announce, pipelines, options.scores)
        self._idle_detector = IdleDetector(self._builder, store, options.run)
        self._committer = Committer(store, lambda: self._stop())  # noqa: PLW0108 (`run` sets another one)
        self._look = 0.0  # when models are looked after again, at the latest
        self._due = 0.0  # when the interval of what is pending is over
        self._landed = -math.inf  # when the last commit was durable
        self._prepared = 0.0  # seconds that it took to make it
        self._caught_up = False  # the newest poll brought all that there was
        self._loading = False  # a poll is being held back whose streams are not open yet
        self._rest: Poll | None = None  # the rest of a poll that was cut
        self._stop: Callable[[], bool] = lambda: False

    @property
    def totals(self) -> Totals:
        """What was done so far."""
        self._builder.totals.commits = self._committer.commits
        return self._builder.totals

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
                if self._committer.fenced:
                    source.close()
                    self._step_down()
                    source = self._connect(self)
                elif over:
                    break
                if watch is not None:
                    watch(self.totals)
            self._commit(source, wait=True)
            if self._committer.fenced:
                log.warning("stopped_fenced", note="the last interval is left to the worker that took over")
        finally:
            source.close()
            self._committer.abandon()
        return self.totals

    # Assignments: called by the source, inside poll

    def assigned(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Take ownership in SQL and say where to go on.

        While SQL is away the rebalance waits; after that the worker leaves the group rather than read from a guess.
        """
        began = time.monotonic()
        taken = (
            self._committer.call(partial(self._store.take, self._options.run, partitions), self._rebalance_wait()) or {}
        )
        self._builder.partitions.assign(taken)
        log.info("partitions_assigned", partitions=_names(taken), took_s=_since(began))
        return {p: at.next_offset for p, at in taken.items() if at.next_offset is not None}

    def revoked(self, partitions: Sequence[TopicPartition]) -> None:
        """Commit what was processed, then let go. If SQL stays away, the next owner does it again.

        A poll that is being held back may have readings of these partitions: then the worker begins again.
        """
        began = time.monotonic()
        patience = self._rebalance_wait()
        self._committer.drain(patience)
        self._launch()
        self._committer.drain(patience)
        self._committer.fenced |= self._loading or self._rest is not None
        self._builder.drop(partitions)
        log.info("partitions_revoked", partitions=_names(partitions), took_s=_since(began))

    def lost(self, partitions: Sequence[TopicPartition]) -> None:
        """Somebody else owns them already: what was not committed is theirs to do again."""
        log.warning("partitions_lost", partitions=_names(partitions))
        self._committer.fenced = True
        self._builder.drop(partitions)

    # One turn

    def _turn(self, source: Source) -> bool:
        """Poll once and do what is due; true when the work is over."""
        poll, self._rest = self._rest or source.poll(min(POLL_S, max(0.0, self._until_commit()))), None
        self._caught_up = poll.at_end
        if self._committer.fenced or not self._open(poll, source):
            return False
        poll = self._process(poll)
        if poll.finished:
            for family, pipeline in self._pipelines.items():
                self._builder.add(family, pipeline.flush())
        if self._options.live and not self._options.until_end and self._rest is None:
            self._idle_detector.check(poll.caught_up, partial(self._committer.call, wait=self._hold(source)))
        if self._committer.finished:
            self._land(source)
        over = poll.finished or (self._options.until_end and poll.at_end and not poll.records)
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
            for family, ready in self._builder.ready.items()
        )

    def _open(self, poll: Poll, source: Source) -> bool:
        """Fetch the states of streams seen for the first time; false when the worker was fenced meanwhile."""
        self._loading = True
        for family, readings in poll.readings.items():
            streams = self._builder.streams[family]
            if streams.has_unloaded(readings):
                open_streams = partial(streams.load, readings, self._store, self._options.run)
                rebuilt = self._committer.call(open_streams, self._hold(source))
                if rebuilt:
                    log.warning("state_rebuilt", family=family, parts=sorted(rebuilt))
        self._loading = False
        return not self._committer.fenced

    def _process(self, poll: Poll) -> Poll:
        """Process a poll up to where families must be trained first, or it gets too much; returns that part."""
        limits = {}
        for family, readings in poll.readings.items():
            pipeline = self._pipelines[family]
            ready = pipeline.rows_until_ready(readings) if self._models.trains(family) else len(readings)
            limits[pipeline.family.topic] = (family, min(ready, pipeline.most))
        poll, self._rest = split(poll, limits)
        if poll.records and not self._builder.dirty:
            self._due = time.monotonic() + self._options.commit_interval
        self._builder.process(poll, time.time_ns() if self._options.live else None)
        return poll

    # Commits

    def _until_commit(self) -> float:
        """Seconds; while one is on its way, the next is only due when it cannot grow any more."""
        if not self._builder.dirty:
            return POLL_S
        if self._builder.full:
            return 0.0
        took = 0.0 if self._caught_up else min(self._prepared + self._committer.took, LONGEST_S)
        due = self._landed + HURRY * took if self._builder.urgent else max(self._due, self._landed + REST * took)
        seconds = due - time.monotonic()
        return max(seconds, GLANCE_S) if self._committer.busy and not self._committer.finished else seconds

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
        if self._builder.dirty and not self._committer.fenced:
            began = time.monotonic()
            commit = self._builder.build()
            self._builder.reset()
            self._prepared = time.monotonic() - began
            self._committer.start(commit)

    def _land(self, source: Source) -> None:
        self._committer.drain(self._hold(source))
        if not self._committer.fenced and (landed := self._committer.take_durable()):
            self._landed = time.monotonic()
            source.commit(landed)

    def _hold(self, source: Source) -> Wait:
        """Wait inside the group, without fetching."""

        def hold(seconds: float) -> bool:
            source.hold(seconds)
            return True

        return hold

    def _rebalance_wait(self) -> Wait:
        """Wait inside a rebalance, which others are waiting for: not for ever."""
        end = time.monotonic() + self._options.rebalance_timeout

        def sleep(seconds: float) -> bool:
            if time.monotonic() + seconds > end:
                return False
            time.sleep(seconds)
            return True

        return sleep

    def _step_down(self) -> None:
        log.warning("stepping_down", run=self._options.run)
        self._committer.abandon()
        self._builder.forget()
        self._loading = False
        self._rest = None
        self._landed = -math.inf

    # Models and settings

    def _models_call(self) -> bool:
        """Whether models are to be looked after right behind a commit: what was kept to train on must be there."""
        due = time.monotonic() >= self._look and self._builder.has_history
        return due or any(self._builder.ready.values())

    def _models_can_be_served(self) -> bool:
        """Whether the store is free, and has all that was kept to train on."""
        if self._committer.busy:
            return False
        due = time.monotonic() >= self._look and not self._builder.has_history
        return due or not self._builder.dirty

    def _serve_models(self, source: Source) -> None:
        """Between commits: adopt new models, ask for missing ones, and wait for them where that is wanted."""
        if self._committer.fenced:
            return
        self._look = time.monotonic() + LOOK_S
        try:
            for family, ready in self._builder.ready.items():
                streams = self._builder.streams[family]
                names = {streams.pipeline.index.name(code): int(streams.ids[code]) for code in ready}
                if names:
                    self._models.request(streams.pipeline, names)
                    ready.clear()
            self._models.refresh(self._pipelines)
            while self._models.holding and not self._stop() and not self._committer.fenced:
                source.hold(0.2)
                self._models.refresh(self._pipelines)
        except StoreError as error:
            if not error.transient:
                raise
            log.warning("models_unavailable", error=str(error))  # asked again after the next commit

    def _note_settings(self) -> None:
        """Keep what this run works with; a change from what it worked with before is a row, and said."""
        for family, pipeline in self._pipelines.items():
            for change in self._store.note_settings(self._options.run, family, pipeline.family.model_dump_json()):
                log.warning("settings_changed", family=family, change=change)


def _names(partitions: Iterable[TopicPartition]) -> list[str]:
    return [f"{topic}/{partition}" for topic, partition in partitions]


def _since(began: float) -> float:
    return round(time.monotonic() - began, 3)
