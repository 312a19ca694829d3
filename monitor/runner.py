"""The loop of a worker: poll, process, commit; one thread.

What one commit interval brought (scores, alerts, outbox rows, evidence, stream states and next offsets) is written in
one transaction. When that fails the same commit is tried again until it works, while the worker stays in its group
without fetching; when a newer owner has taken a partition, the worker drops everything it holds in memory, leaves the
group and begins again from what the store says. There is no other recovery.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Protocol, TypeVar

import numpy as np
import structlog

from monitor.errors import FencedError, StoreError
from monitor.ownership import Partitions, Streams
from monitor.pipeline import Outcome, Pipeline
from monitor.ports import Assignments, Commit, HistoryBlock, ScoreBlock, Source, Store
from monitor.records import LIVE, Alert, Evidence, Poll, Readings, TopicPartition, Transition

log = structlog.get_logger()
T = TypeVar("T")

POLL_S = 1.0
BACKOFF_S = (0.5, 1.0, 2.0, 5.0)

Announce = Callable[[Transition, Alert, Evidence | None], list[tuple[str, str]]]  # to (channel, JSON payload) pairs


class Models(Protocol):
    """Where models come from. Called between commits, on the runner's thread."""

    def refresh(self, pipelines: Mapping[str, Pipeline]) -> None:
        """Give each pipeline its family's champion, if that has changed."""
        ...

    def request(self, pipeline: Pipeline, stream_ids: Mapping[str, int]) -> None:
        """These streams (name to store id) are ready: train the family's first model, or profile them for it."""
        ...

    @property
    def holding(self) -> bool:
        """Whether reading should pause until a model is there."""
        ...


@dataclass(slots=True)
class Totals:
    """What a run has done so far."""

    records: int = 0
    dead: int = 0
    readings: int = 0
    windows: int = 0
    anomalies: int = 0
    opened: int = 0
    resolved: int = 0
    commits: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """How to run: `interval` seconds between commits; `live` compares times with the wall clock."""

    run: str = LIVE
    interval: float = 1.0
    live: bool = True
    until_end: bool = False  # stop when everything that is there has been read
    announce: Announce = field(default=lambda transition, alert, evidence: [])


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
        self._streams = {name: Streams(pipeline) for name, pipeline in pipelines.items()}
        self._partitions = Partitions()
        self._pending = Commit(plan.run)
        self._ready: dict[str, set[int]] = {name: set() for name in pipelines}
        self._due = 0.0
        self._fenced = False
        self._holding = False
        self.totals = Totals()

    def run(self, stop: Callable[[], bool] = lambda: False, watch: Callable[[Totals], None] | None = None) -> Totals:
        """Work until `stop`, or until the source has ended; everything processed is committed at return.

        `watch` is called after every commit. Raises SourceError or StoreError when going on makes no sense.
        """
        self._models.refresh(self._pipelines)
        source = self._connect(self)
        try:
            while not stop():
                if self._turn(source, stop):
                    break
                if self._fenced:
                    source.close()
                    self._begin_again()
                    source = self._connect(self)
                if watch is not None:
                    watch(self.totals)
            self._commit(source, stop)
        finally:
            source.close()
        return self.totals

    # Assignments: called by the source, inside poll

    def assigned(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Take ownership in SQL and say where to go on."""
        positions = self._store.take(self._plan.run, partitions)
        self._partitions.taken(positions)
        log.info("partitions_assigned", partitions=_names(partitions))
        return {p: at.next_offset for p, at in positions.items() if at.next_offset is not None}

    def revoked(self, partitions: Sequence[TopicPartition]) -> None:
        """Commit what was processed, then let go. If the store cannot be reached now, the next owner does it again.

        A batch that is being held back may have readings of these partitions: then the worker begins again.
        """
        log.info("partitions_revoked", partitions=_names(partitions))
        self._fenced = self._fenced or self._holding
        try:
            self._write()
        except StoreError as error:
            log.warning("commit_failed_at_revoke", error=str(error))
            self._fenced = True
        self._drop(partitions)

    def lost(self, partitions: Sequence[TopicPartition]) -> None:
        """Somebody else owns them already: what was not committed is theirs to do again."""
        log.warning("partitions_lost", partitions=_names(partitions))
        self._fenced = True
        self._drop(partitions)

    # One turn

    def _turn(self, source: Source, stop: Callable[[], bool]) -> bool:
        """Poll once and do what is due; true when the work is over."""
        wait = max(0.0, min(POLL_S, self._due - time.monotonic())) if self._dirty else POLL_S
        poll = source.poll(wait)
        if self._fenced:
            return False
        self._process(poll, source, stop)
        over = poll.finished or (self._plan.until_end and poll.at_end and not poll.records)
        if over and poll.finished:
            self._flush()
        if over or self._pending.transitions or (self._dirty and time.monotonic() >= self._due):
            self._commit(source, stop)
            self._serve_models(source, stop)
        return over

    @property
    def _dirty(self) -> bool:
        return bool(self._partitions.next or self._pending.scores or self._pending.dead)

    def _process(self, poll: Poll, source: Source, stop: Callable[[], bool]) -> None:
        now = time.time_ns() if self._plan.live else None
        if poll.records and not self._dirty:
            self._due = time.monotonic() + self._plan.interval
        for family, readings in poll.readings.items():
            streams = self._streams[family]
            lost = self._insist(partial(streams.open, readings, self._store, self._plan.run), source, stop)
            if self._fenced:
                return
            if lost:
                log.warning("settings_changed", family=family, rebuilt=sorted(lost))
            streams.seen(readings)
            self._add(family, streams.pipeline.process(readings, now), readings)
        self.totals.records += poll.records
        self.totals.dead += len(poll.dead)
        self._pending.dead += poll.dead
        self._partitions.next.update(poll.positions)

    def _flush(self) -> None:
        for family, streams in self._streams.items():
            self._add(family, streams.pipeline.flush(), None)

    def _add(self, family: str, outcome: Outcome, readings: Readings | None) -> None:
        """Put an outcome into the pending commit."""
        streams, pending, totals = self._streams[family], self._pending, self.totals
        scores = outcome.scores
        if len(scores):
            pending.scores.append(ScoreBlock(scores, streams.ids[scores.stream], streams.pipeline.model))
        pending.alerts += outcome.alerts
        pending.evidence += outcome.evidence
        evidence = {item.alert: item for item in outcome.evidence}
        for transition, alert in outcome.transitions:
            pending.transitions.append(transition)
            for channel, payload in self._plan.announce(transition, alert, evidence.get(alert.id)):
                pending.outbox.append((transition, channel, payload))
        for code, block in outcome.history:
            pending.history.append(HistoryBlock(int(streams.ids[code]), block.time, block.values))
        self._ready[family].update(outcome.ready)
        totals.readings += 0 if readings is None else len(readings)
        totals.windows += len(scores)
        totals.anomalies += int(np.count_nonzero(scores.ratio > 1))
        totals.opened += len(outcome.evidence)
        totals.resolved += sum(alert.resolved_at is not None for alert in outcome.alerts)

    # Commits

    def _commit(self, source: Source, stop: Callable[[], bool]) -> None:
        if not self._dirty:
            return
        positions = dict(self._partitions.next)
        self._insist(self._write, source, stop)
        if not self._fenced:
            source.commit(positions)

    def _write(self) -> None:
        """Write the pending commit; afterwards there is nothing pending."""
        self._pending.positions = self._partitions.moved()
        self._pending.streams = [state for streams in self._streams.values() for state in streams.changes()]
        self._store.commit(self._pending)
        self._clear()
        self.totals.commits += 1

    def _clear(self) -> None:
        self._pending = Commit(self._plan.run)
        self._partitions.settled()
        for streams in self._streams.values():
            streams.settled()

    def _insist(self, action: Callable[[], T], source: Source, stop: Callable[[], bool]) -> T | None:
        """Try until it works, staying in the group without fetching; None when fenced."""
        for attempt in count():
            try:
                return action()
            except FencedError as error:
                log.warning("fenced", error=str(error))
                self._fenced = True
            except StoreError as error:
                if stop():
                    raise
                delay = BACKOFF_S[min(attempt, len(BACKOFF_S) - 1)]
                log.warning("store_unavailable", error=str(error), retry_in_s=delay)
                self._hold(source, delay)
            if self._fenced:
                return None
        raise AssertionError  # pragma: no cover (the loop does not end)

    def _hold(self, source: Source, seconds: float) -> None:
        self._holding = True
        source.hold(seconds)
        self._holding = False

    def _drop(self, partitions: Sequence[TopicPartition]) -> None:
        self._partitions.dropped(partitions)
        for streams in self._streams.values():
            topic = streams.pipeline.family.topic
            numbers = [partition for name, partition in partitions if name == topic]
            if numbers:
                streams.drop(numbers)
                self._ready[streams.pipeline.name].clear()

    def _begin_again(self) -> None:
        """Forget everything that is only in memory; the store has the truth."""
        log.warning("stepping_down", run=self._plan.run)
        for streams in self._streams.values():
            streams.drop()
            self._ready[streams.pipeline.name].clear()
        self._clear()
        self._partitions = Partitions()
        self._fenced = False

    # Models

    def _serve_models(self, source: Source, stop: Callable[[], bool]) -> None:
        """Between commits: adopt new models, ask for missing ones, and wait for them where that is wanted."""
        for family, ready in self._ready.items():
            if ready:
                streams = self._streams[family]
                names = {streams.pipeline.index.name(code): int(streams.ids[code]) for code in ready}
                self._models.request(streams.pipeline, names)
                ready.clear()
        self._models.refresh(self._pipelines)
        while self._models.holding and not stop() and not self._fenced:
            self._hold(source, 0.2)
            self._models.refresh(self._pipelines)


def _names(partitions: Sequence[TopicPartition]) -> list[str]:
    return [f"{topic}/{partition}" for topic, partition in partitions]
