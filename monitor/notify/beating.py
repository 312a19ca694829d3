"""Reports of a process that only delivers: that it is alive, for `status` on any machine."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import structlog

from monitor.errors import MonitorError, SchemaChangedError
from monitor.ports.workers import Heartbeats
from monitor.records.workers import BEAT_S, WorkerReport

_STOP_S = 5.0  # for the last report

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


class Beating:
    """Reports every `BEAT_S` seconds until `stop`, on a separate thread."""

    def __init__(self, report: WorkerReport, heartbeats: Heartbeats) -> None:
        self._report, self._heartbeats = report, heartbeats
        self._failure: MonitorError | None = None
        self._written = True
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Report now, and then in the background."""
        self.beat()
        self._thread.start()

    def check(self) -> None:
        """Raise what keeps this process from going on: another version has upgraded the database."""
        if self._failure is not None:
            raise self._failure

    def stop(self, error: str = "") -> None:
        """Report the end, and why; where SQL does not answer soon, the process counts as lost later."""
        self._stopping.set()
        self._thread.join(_STOP_S)
        try:
            self._heartbeats.end(self._report.id, error)
        except MonitorError as failure:
            log.warning("heartbeat_not_written", error=str(failure))

    def beat(self) -> None:
        """Report once. Raises no MonitorError."""
        self._report = replace(self._report, at=time.time_ns())
        try:
            self._heartbeats.beat(self._report)
        except SchemaChangedError as error:
            self._failure = error
        except MonitorError as error:
            if self._written:
                log.warning("heartbeat_not_written", error=str(error))
            self._written = False
        else:
            if not self._written:
                log.info("heartbeat_written_again")
            self._written = True

    def _run(self) -> None:
        while not self._stopping.wait(BEAT_S):
            self.beat()
