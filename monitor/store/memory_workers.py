"""The in-memory twin of the heartbeats of workers."""

from __future__ import annotations

import time
from collections.abc import Callable

from monitor.records.workers import Heartbeat, WorkerReport
from monitor.store.workers import KEPT


class MemoryHeartbeats:
    """Workers in a dict. `clock` gives wall time in ns; `errors` are raised first, one per call."""

    def __init__(self, clock: Callable[[], int] = time.time_ns) -> None:
        self.errors: list[Exception] = []
        self._clock = clock
        self._rows: dict[str, tuple[WorkerReport, int, int | None, str]] = {}  # report, beat, ended, error

    def beat(self, report: WorkerReport) -> list[Heartbeat]:
        """Keep a worker's newest report; returns those of all; see `Heartbeats`."""
        self._fail()
        now = self._clock()
        self._rows[report.id] = report, now, None, ""
        self._rows = {
            id_: row for id_, row in self._rows.items() if now - row[1] <= KEPT and now - (row[2] or now) <= KEPT
        }
        rows = sorted(self._rows.values(), key=lambda row: (row[0].started, row[0].id))
        return [
            Heartbeat(kept, now - beat, None if ended is None else now - ended, error)
            for kept, beat, ended, error in rows
            if kept.run == report.run
        ]

    def end(self, worker: str, error: str) -> None:
        """Note that a worker stops; see `Heartbeats`."""
        self._fail()
        if worker in self._rows:
            report, beat, _, _ = self._rows[worker]
            self._rows[worker] = report, beat, self._clock(), error

    def close(self) -> None:
        """Nothing to give back."""

    def _fail(self) -> None:
        if self.errors:
            raise self.errors.pop(0)
