"""The loop of a worker: poll, process, commit.

The results of one commit interval (scores, alerts, outbox rows, evidence, stream states and next offsets) are written
in one transaction while the next interval is being read. While SQL is unavailable the same commit is retried, and the
worker stays in its group without fetching. When a newer owner has taken a partition, the worker steps down: it drops
everything in memory, leaves the group, and resumes from the store. It stays where people have changed streams.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import structlog

from monitor.errors import FencedError, ModelError, StoreError
from monitor.pipeline import loop
from monitor.pipeline.family import Pipeline
from monitor.ports.source import Assignments, Rewindable, Source
from monitor.ports.store import Store
from monitor.records.batches import Poll, TopicPartition
from monitor.records.totals import Totals
from monitor.worker.commit_builder import CommitBuilder
from monitor.worker.committer import Committer, given_up
from monitor.worker.idle_detection import IdleDetector
from monitor.worker.model_provider import Models
from monitor.worker.options import WorkerOptions
from monitor.worker.pacing import CommitPacer
from monitor.worker.poll_split import split
from monitor.worker.progress import Progress
from monitor.worker.scoring_retries import ScoringRetries
from monitor.worker.stream_limit import StreamLimit
from monitor.worker.waits import at_most, in_group

log = structlog.get_logger()

MODEL_WAIT_S = 0.2  # between looks whether a training has ended that reading waits for


class Runner:
    """One worker. `connect` opens the source, and again each time the worker has stepped down.

    `clock` gives monotonic seconds, for the pace of commits, model checks and retries. `progress` is for other threads.
    """

    def __init__(
        self,
        connect: Callable[[Assignments], Source],
        store: Store,
        pipelines: Mapping[str, Pipeline],
        models: Models,
        options: WorkerOptions,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connect, self._store, self._models, self._options = connect, store, models, options
        self._pipelines = pipelines
        self._builder = CommitBuilder.of(options, pipelines)
        self._idle_detector = IdleDetector(self._builder, store, options.run)
        self._committer = Committer(store, lambda: self._stop(), clock)  # noqa: PLW0108 (`run` sets another one)
        self._clock, self.progress = clock, Progress(clock)
        self._pacer = CommitPacer(self._builder, self._committer, options.commit_interval, clock)
        self._loading = False  # the state of a poll's streams is being loaded: none of it is processed yet
        self._rest: Poll | None = None  # of a poll that was split: processed in the next turn
        self._scoring_retries = ScoringRetries(clock)
        self._stop: Callable[[], bool] = lambda: False
        self._limit = StreamLimit(self._committer, store, options, self._builder.streams)

    @property
    def totals(self) -> Totals:
        """Counts of what is committed, in flight or part of the next commit; what was given up does not count."""
        return self._committer.totals + self._builder.totals

    def run(self, stop: Callable[[], bool] = lambda: False, watch: Callable[[Totals], None] | None = None) -> Totals:
        """Work until `stop`, or until the source has ended; everything processed is committed at return.

        `watch` is called after every turn. Raises SourceError, StoreError or ModelError when going on makes no
        sense, and FencedError where the last commit was refused: the new owner of its partitions does that part again.
        """
        self._stop = stop
        self._note_settings()
        self._models.refresh(self._pipelines)
        source = self._connect(self)
        try:
            while not stop():
                over = self._try_turn(source)
                self.progress.turned(self._builder.partitions)
                if self._committer.fenced:
                    source = self._step_down(source)
                elif over:
                    break
                if watch is not None:
                    watch(self.totals)
            self._commit(source, wait=True)
            self.progress.publish(self._builder.partitions)
        finally:
            source.close()
            outdated = self._committer.outdated
            whole = self._committer.abandon() and not self._builder.dirty
        if not whole:
            self._builder.forget()
            raise FencedError(given_up(outdated=outdated))
        return self.totals

    # Assignments: called by the source, inside poll

    def assigned(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Take ownership in SQL; returns the offsets to resume from.

        The rebalance waits while SQL is unavailable, up to its timeout. After that the worker steps down: it never
        reads from a guessed offset.
        """
        began = time.monotonic()
        take = partial(self._store.take, self._options.run, partitions)
        taken = self._committer.call(take, at_most(self._options.rebalance_timeout)) or {}
        self._builder.assign(taken)
        self._limit.refresh()
        log.info("partitions_assigned", partitions=_names(taken), took_s=round(time.monotonic() - began, 3))
        return {p: at.next_offset for p, at in taken.items() if at.next_offset is not None}

    def revoked(self, partitions: Sequence[TopicPartition]) -> None:
        """Commit what was processed, then drop the partitions. If SQL stays unavailable, the next owner redoes it.

        A poll that is not fully processed may hold readings of these partitions: then the worker steps down.
        """
        began = time.monotonic()
        wait = at_most(self._options.rebalance_timeout)
        self._committer.drain(wait)
        self._start_commit()
        self._committer.drain(wait)
        self._committer.fenced |= self._loading or self._rest is not None
        self._builder.drop(partitions)
        log.info("partitions_revoked", partitions=_names(partitions), took_s=round(time.monotonic() - began, 3))

    def lost(self, partitions: Sequence[TopicPartition]) -> None:
        """Step down: another worker owns them already, and redoes what was not committed."""
        log.warning("partitions_lost", partitions=_names(partitions))
        self._committer.fenced = True
        self._builder.drop(partitions)

    # One turn

    def _try_turn(self, source: Source) -> bool:
        """A turn; when a model fails while scoring, step down, as nothing of that batch may be committed."""
        try:
            return self._turn(source)
        except ModelError as error:
            if not self._options.live or (delay := self._scoring_retries.failed()) is None:
                raise
            log.error("scoring_failed", error=str(error), retry_in_s=delay)  # noqa: TRY400 (the message says it all)
            self._committer.fenced = True
            return False

    def _await_models(self) -> None:
        """After a model has failed: wait, out of the group, then ask for another champion before reading again."""
        if not self._scoring_retries.pending:
            return
        self._scoring_retries.wait(self._stop)
        try:
            self._models.refresh(self._pipelines)
        except StoreError as error:
            if not error.transient:
                raise
            log.warning("models_unavailable", error=str(error))

    def _turn(self, source: Source) -> bool:
        """Poll once and do what is due; true when the work is over."""
        poll, self._rest = self._rest or source.poll(self._pacer.poll_timeout()), None
        if self._committer.fenced or not self._load(poll, source):
            return False
        poll = self._process(poll)
        if poll.finished:
            for step in loop.flush(self._pipelines):
                self._builder.add(step.family, step.outcome)
        if self._options.live and not self._options.until_end and self._rest is None:
            self._idle_detector.check(poll.caught_up, partial(self._committer.call, wait=in_group(source)))
        if self._committer.finished:
            self._drain(source)
        over = poll.finished or (self._options.until_end and poll.at_end and not poll.records)
        if over or self._must_train():
            self._commit(source, wait=True)
        elif self._pacer.commit_due():
            self._commit(source, wait=self._pacer.model_check_follows())
        if self._pacer.model_check_possible():
            self._serve_models(source)
        return over

    def _must_train(self) -> bool:
        """Whether a family waits for its first model, and its training can begin."""
        return any(
            ready
            and self._pipelines[family].scorer is None
            and self._pipelines[family].family.train.wait
            and self._models.trains(family)
            for family, ready in self._builder.ready.items()
        )

    def _load(self, poll: Poll, source: Source) -> bool:
        """Load the state of streams that are not in memory; false when the worker was fenced meanwhile."""
        self._loading = True
        for family, readings in poll.readings.items():
            streams = self._builder.streams[family]
            if streams.has_unloaded(readings):
                load = partial(streams.load, readings, self._store, self._options.run)
                rebuilt = self._committer.call(load, in_group(source))
                if rebuilt:
                    log.warning("state_rebuilt", family=family, parts=sorted(rebuilt))
        self._loading = False
        return not self._committer.fenced

    def _process(self, poll: Poll) -> Poll:
        """Process as much of the poll as fits, or up to the reading where a family must train; the rest waits."""
        caught_up, limits = poll.at_end, {}
        for family, readings in poll.readings.items():
            pipeline = self._pipelines[family]
            ready = pipeline.rows_until_ready(readings) if self._models.trains(family) else len(readings)
            limits[pipeline.family.topic] = (family, min(ready, pipeline.most))
        poll, self._rest = split(poll, limits)
        self._pacer.polled(caught_up=caught_up, records=poll.records)
        self._builder.process(poll, time.time_ns() if self._options.live else None)
        return poll

    # Commits

    def _commit(self, source: Source, *, wait: bool) -> None:
        """Start the next commit; block until it is durable when `wait`. Checks for new models first if that is due."""
        self._drain(source)
        if self._pacer.model_check_due() and self._pacer.model_check_possible():
            self._serve_models(source)
        self._start_commit()
        if wait:
            self._drain(source)

    def _start_commit(self) -> None:
        """Put the commit that was built in flight and begin an empty one."""
        if self._builder.dirty and not self._committer.fenced:
            began = self._clock()
            commit, totals = self._builder.build(), self._builder.totals
            self._builder.reset()
            self._pacer.commit_started(prepared=self._clock() - began)
            self._committer.start(commit, totals)

    def _drain(self, source: Source) -> None:
        """Block until the commit in flight is durable; then commit its offsets to the source, for lag tools."""
        self._committer.drain(in_group(source))
        if not self._committer.fenced and (durable := self._committer.take_durable()) is not None:
            self._pacer.commit_durable()
            self.progress.commit_durable()
            source.commit(durable)

    def _step_down(self, source: Source) -> Source:
        """Read on from what is stored: in the group where the partitions are ours and only streams have changed."""
        stays = self._committer.outdated and not self._scoring_retries.pending  # the latter waits out of the group
        ours = source if stays and isinstance(source, Rewindable) else None
        log.warning("stepping_down", run=self._options.run, leaves_group=ours is None)
        if ours is None:
            source.close()
        self._committer.abandon()
        self._builder.forget()
        self._loading, self._rest = False, None
        self._pacer.restart()
        self._await_models()
        if ours is None:
            return self._connect(self)
        ours.rewind()
        return source

    # Models and settings

    def _serve_models(self, source: Source) -> None:
        """Adopt new models, request missing ones, and wait for those of `train.wait`; no commit is in flight."""
        if self._committer.fenced:
            return
        self._pacer.models_checked()
        try:
            for family, ready in self._builder.ready.items():
                streams = self._builder.streams[family]
                if names := {streams.pipeline.index.name(code): int(streams.ids[code]) for code in ready}:
                    self._models.request(streams.pipeline, names)
                    ready.clear()
            self._models.refresh(self._pipelines)
            while self._models.holding and not self._stop() and not self._committer.fenced:
                source.hold(MODEL_WAIT_S)
                self.progress.turned(self._builder.partitions)
                self._models.refresh(self._pipelines)
        except StoreError as error:
            if not error.transient:
                raise
            log.warning("models_unavailable", error=str(error))  # retried after the next commit

    def _note_settings(self) -> None:
        """Save the settings of this run; each change since the last run is a row and a log line."""
        for family, pipeline in self._pipelines.items():
            for change in self._store.note_settings(self._options.run, family, pipeline.family.noted()):
                log.warning("settings_changed", family=family, change=change)


def _names(partitions: Iterable[TopicPartition]) -> list[str]:
    return [f"{topic}/{partition}" for topic, partition in partitions]
