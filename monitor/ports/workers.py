"""The seam for the heartbeats of workers: what each reports about itself, and reads about the others."""

from __future__ import annotations

from typing import Protocol

from monitor.records.workers import Heartbeat, WorkerReport


class Heartbeats(Protocol):
    """The workers of a store. Called on a thread that neither scores nor commits, over a separate connection.

    Each method is one short transaction, may block for the database, and raises StoreError; nothing is changed then.
    """

    def beat(self, report: WorkerReport) -> list[Heartbeat]:
        """Keep a worker's newest report, and return those of all workers of its run, also of dead and ended ones.

        Called every `BEAT_S` seconds, and when partitions come or go. Rows of workers that ended, or were heard last,
        more than a day ago are deleted.
        """
        ...

    def end(self, worker: str, error: str) -> None:
        """Note that a worker stops; called once, as its last call. `error` says why, "" = it was asked to."""
        ...

    def close(self) -> None:
        """Give connections back. May be called twice."""
        ...
