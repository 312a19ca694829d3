"""Trainings without a database: a list under a lock. Part of `MemoryStore`."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import replace

from monitor.ports.trainings import LEASE_NS, Progress, Request, Training


class MemoryTrainings:
    """Keeps everything in public lists, for tests to look at; see `Trainings`."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.rows: list[Training] = []  # the one of id `i` is at `i - 1`
        self.alive: dict[int, int] = {}  # by id: when its worker was last seen

    def ask(self, request: Request) -> Training:
        """Ask for a training, unless one waits or runs; see `Trainings`."""
        with self.lock:
            newest = self._newest(request.family)
            if newest is not None and newest.progress in (Progress.WAITING, Progress.RUNNING):
                return newest
            made = Training(
                id=len(self.rows) + 1, request=request, at=time.time_ns(), progress=Progress.WAITING, free=True
            )
            self.rows.append(made)
            return made

    def newest(self, families: Collection[str]) -> Mapping[str, Training]:
        """The newest training of each family; see `Trainings`."""
        with self.lock:
            found = {family: self._newest(family) for family in families}
        return {family: training for family, training in found.items() if training is not None}

    def claim(self, id_: int, readings: int | None = None) -> bool:
        """Begin a training that is free; see `Trainings`."""
        with self.lock:
            found = self._now(id_)
            if not found.free:
                return False
            known = found.request.readings
            request = replace(found.request, readings=readings if known is None else known)
            self.rows[id_ - 1] = replace(found, progress=Progress.RUNNING, free=False, request=request)
            self.alive[id_] = time.time_ns()
            return True

    def renew(self, id_: int) -> None:
        """Its worker lives; see `Trainings`."""
        with self.lock:
            self.alive[id_] = time.time_ns()

    def end(self, id_: int, progress: Progress, model: str = "", outcome: str = "") -> None:
        """It has ended; see `Trainings`."""
        with self.lock:
            found = self.rows[id_ - 1]
            if found.ended is None:
                ended = replace(found, progress=progress, ended=time.time_ns(), model=model, outcome=outcome)
                self.rows[id_ - 1] = replace(ended, free=False)

    def measured(self, id_: int, readings: int) -> None:
        """Note how many readings a stream had; see `Trainings`."""
        with self.lock:
            found = self.rows[id_ - 1]
            if found.request.readings is None:
                self.rows[id_ - 1] = replace(found, request=replace(found.request, readings=readings))

    def recent(self, family: str, limit: int) -> list[Training]:
        """The newest trainings of a family; see `Trainings`."""
        with self.lock:
            return [self._now(row.id) for row in reversed(self.rows) if row.request.family == family][:limit]

    def _newest(self, family: str) -> Training | None:
        ids = [row.id for row in self.rows if row.request.family == family]
        return self._now(ids[-1]) if ids else None

    def _now(self, id_: int) -> Training:
        row = self.rows[id_ - 1]
        abandoned = row.progress is Progress.RUNNING and self.alive[id_] < time.time_ns() - LEASE_NS
        return replace(row, free=row.progress is Progress.WAITING or abandoned)
