"""Heartbeats of a worker: it reports what it owns and how far behind it is, and logs troubles of the broker and others.

On a separate thread with separate connections to SQL and Kafka: nothing here can delay or stop reading, scoring or
committing, and the reports go on while these wait for something.
"""

from __future__ import annotations

import math
import os
import platform
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from uuid import uuid4

import structlog

from monitor.errors import MonitorError, SchemaChangedError, SourceError
from monitor.ports.workers import Heartbeats
from monitor.records.batches import TopicPartition
from monitor.records.workers import BEAT_S, Lag, OwnedPartition, WorkerReport
from monitor.worker.progress import Owned, Progress
from monitor.worker.troubles import BrokerAway, LagGrowth, LostWorkers, ReadElsewhere

STOP_S = 5.0  # for the last report, while the worker stops
COUNT_S = 60.0  # between two looks at how many partitions topics have
SOONEST_S = 1.0  # between two reports when partitions keep coming and going

log = structlog.get_logger()

Counts = Callable[[Collection[str]], Mapping[str, int]]  # partitions of topics; may raise SourceError
ReadLag = Callable[[Mapping[TopicPartition, int | None]], Mapping[TopicPartition, Lag]]  # may raise SourceError


def new_report(run: str, families: Mapping[str, str], delivers: tuple[str, ...] = ()) -> WorkerReport:
    """The first report of this process for a run; `families` has the topic of each, `delivers` the channels."""
    return WorkerReport(
        id=uuid4().hex, run=run, host=platform.node(), pid=os.getpid(), version=version("watchkeeper"),
        started=time.time_ns(), families=families, delivers=delivers,
    )  # fmt: skip


class HeartbeatThread:
    """Reports every `BEAT_S` seconds until `stop`.

    `read_lag` and `count` ask the broker; `trainings` names the families for which a training runs.
    """

    def __init__(
        self,
        report: WorkerReport,
        progress: Progress,
        heartbeats: Heartbeats,
        read_lag: ReadLag,
        trainings: Callable[[], Sequence[str]] = tuple,
        count: Counts = lambda _: {},
    ) -> None:
        self._report, self._progress, self._heartbeats = report, progress, heartbeats
        self._read_lag, self._trainings, self._count = read_lag, trainings, count
        self._elsewhere = ReadElsewhere()
        self._counted: tuple[float, Mapping[str, int]] = (-math.inf, {})  # when, by the monotonic clock
        self._broker, self._growth, self._lost = BrokerAway(), LagGrowth(), LostWorkers()
        self._asked: Owned = {}  # positions at the newest answer, and that answer
        self._lags: Mapping[TopicPartition, Lag] = {}
        self._unwritten_since: float | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._error = ""

    @property
    def broker_away(self) -> float:
        """Seconds since the broker stopped to answer; 0 while it answers."""
        since = self._broker.since
        return 0.0 if since is None else (time.time_ns() - since) / 1e9

    def start(self) -> None:
        """Report in the background."""
        self._thread.start()

    def stop(self, error: str = "") -> None:
        """Report the end and stop; where SQL does not answer within `STOP_S`, the worker counts as lost later."""
        self._error = error
        self._stopping.set()
        self._progress.changed.set()
        self._thread.join(STOP_S)

    def beat(self, *, ask: bool = True) -> None:
        """Report once; without asking the broker, lag is what is left of the newest answer. Raises no MonitorError."""
        owned = self._progress.owned
        lags = self._ask(owned) if ask else self._left(owned)
        now = time.time_ns()
        partitions = tuple(
            OwnedPartition(topic, number, epoch, offset, lags.get((topic, number)))
            for (topic, number), (epoch, offset) in sorted(owned.items())
        )
        self._report = replace(
            self._report, at=now, partitions=partitions, trainings=tuple(self._trainings()),
            idle=round(self._progress.idle * 1e9), committed=self._progress.committed,
            broker_away=self._broker.since, lag_grows=self._growth.since,
            elsewhere=self._elsewhere.partitions, elsewhere_since=self._elsewhere.since,
        )  # fmt: skip
        try:
            heartbeats = self._heartbeats.beat(self._report)
        except SchemaChangedError as error:  # a worker without readings commits nothing, and would go on for ever
            self._progress.fail(error)
            return
        except MonitorError as error:
            self._not_written(error)
            return
        self._written()
        self._lost.look(heartbeats, self._report.id)
        self._elsewhere.look(self._counts(ask=ask), heartbeats, self._report.id, time.monotonic())

    def _ask(self, owned: Owned) -> Mapping[TopicPartition, Lag]:
        try:
            self._lags = self._read_lag({partition: offset for partition, (_, offset) in owned.items()})
        except SourceError as error:
            self._broker.look(str(error), time.time_ns())
            return {}
        self._asked = owned
        self._broker.look(None, time.time_ns())
        self._growth.look(list(self._lags.values()), time.time_ns())
        return self._lags

    def _counts(self, *, ask: bool) -> Mapping[str, int]:
        """Partitions of the topics, asked now and then where the broker may be; {} where that is not known."""
        at, counts = self._counted
        if self._broker.since is not None:
            return {}
        if ask and time.monotonic() - at >= COUNT_S:
            try:
                counts = self._count(sorted({*self._report.families.values()}))
            except SourceError:  # the next question about lag says so
                counts = {}
            self._counted = time.monotonic(), counts
        return counts

    def _left(self, owned: Owned) -> dict[TopicPartition, Lag]:
        """The newest answer of the broker, less what was processed since."""
        left = {}
        for partition in owned.keys() & self._asked.keys() & self._lags.keys():
            before, now, lag = self._asked[partition][1], owned[partition][1], self._lags[partition]
            records = max(0, lag.records + (before or 0) - (now or 0))
            left[partition] = Lag(records, lag.behind if records else 0)
        return left

    def _run(self) -> None:
        self._try_beat(ask=False)  # a worker that starts is seen, and can be stopped, at once
        while not self._stopping.wait(SOONEST_S):
            self._progress.changed.clear()
            self._try_beat()
            if not self._stopping.is_set():
                self._progress.changed.wait(BEAT_S - SOONEST_S)
        self._try_beat(ask=False)  # a broker that is away delays no end
        try:
            self._heartbeats.end(self._report.id, self._error)
        except MonitorError as error:
            self._not_written(error)
        self._heartbeats.close()

    def _try_beat(self, *, ask: bool = True) -> None:
        try:
            self.beat(ask=ask)
        except Exception as error:  # the worker goes on, and so do its reports
            log.exception("heartbeat_failed", error=str(error))

    def _not_written(self, error: MonitorError) -> None:
        if self._unwritten_since is None:
            self._unwritten_since = time.monotonic()
            log.warning("heartbeat_not_written", error=str(error), note="others take this worker for lost meanwhile")

    def _written(self) -> None:
        if self._unwritten_since is not None:
            log.info("heartbeat_written_again", after_s=round(time.monotonic() - self._unwritten_since))
            self._unwritten_since = None
