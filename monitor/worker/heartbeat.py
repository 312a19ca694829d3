"""Heartbeats of a worker: it reports what it owns and how far behind it is, and logs troubles of the broker and others.

On a separate thread with separate connections to SQL and Kafka: nothing here can delay or stop reading, scoring or
committing, and the reports go on while these wait for something.
"""

from __future__ import annotations

import os
import platform
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from uuid import uuid4

import structlog

from monitor.errors import MonitorError, SourceError
from monitor.ports.workers import Heartbeats
from monitor.records.batches import TopicPartition
from monitor.records.workers import BEAT_S, Lag, OwnedPartition, WorkerReport
from monitor.worker.progress import Progress
from monitor.worker.troubles import BrokerAway, LagGrowth, LostWorkers

STOP_S = 5.0  # for the last report, while the worker stops
SOONEST_S = 1.0  # between two reports when partitions keep coming and going

log = structlog.get_logger()

ReadLag = Callable[[Mapping[TopicPartition, int | None]], Mapping[TopicPartition, Lag]]  # may raise SourceError


def new_report(run: str, families: Mapping[str, str]) -> WorkerReport:
    """The first report of this process for a run; `families` has the topic of each."""
    return WorkerReport(
        id=uuid4().hex, run=run, host=platform.node(), pid=os.getpid(), version=version("watchkeeper"),
        started=time.time_ns(), families=families,
    )  # fmt: skip


class HeartbeatThread:
    """Reports every `BEAT_S` seconds until `stop`.

    `read_lag` asks the broker; `trainings` names the families for which a training runs.
    """

    def __init__(
        self,
        report: WorkerReport,
        progress: Progress,
        heartbeats: Heartbeats,
        read_lag: ReadLag,
        trainings: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        self._report, self._progress, self._heartbeats = report, progress, heartbeats
        self._read_lag, self._trainings = read_lag, trainings
        self._broker, self._growth, self._lost = BrokerAway(), LagGrowth(), LostWorkers()
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

    def beat(self) -> None:
        """Report once. Raises no MonitorError."""
        lags = self._lags()
        now = time.time_ns()
        self._growth.look(list(lags.values()), now)
        owned = tuple(
            OwnedPartition(topic, number, epoch, offset, lags.get((topic, number)))
            for (topic, number), (epoch, offset) in sorted(self._progress.owned.items())
        )
        self._report = replace(
            self._report, at=now, partitions=owned, trainings=tuple(self._trainings()),
            idle=round(self._progress.idle * 1e9), committed=self._progress.committed,
            broker_away=self._broker.since, lag_grows=self._growth.since,
        )  # fmt: skip
        try:
            heartbeats = self._heartbeats.beat(self._report)
        except MonitorError as error:
            self._not_written(error)
            return
        self._written()
        self._lost.look(heartbeats, self._report.id)

    def _lags(self) -> Mapping[TopicPartition, Lag]:
        positions = {partition: offset for partition, (_, offset) in self._progress.owned.items()}
        try:
            lags = self._read_lag(positions)
        except SourceError as error:
            self._broker.look(str(error), time.time_ns())
            return {}
        self._broker.look(None, time.time_ns())
        return lags

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._progress.changed.clear()
            self._try_beat()
            self._stopping.wait(SOONEST_S)
            if not self._stopping.is_set():
                self._progress.changed.wait(BEAT_S - SOONEST_S)
        self._try_beat()
        try:
            self._heartbeats.end(self._report.id, self._error)
        except MonitorError as error:
            self._not_written(error)
        self._heartbeats.close()

    def _try_beat(self) -> None:
        try:
            self.beat()
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
