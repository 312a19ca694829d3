"""What the worker's thread publishes for its heartbeats: what it owns, and when its loop last came round."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from threading import Event

from monitor.errors import MonitorError
from monitor.records.batches import TopicPartition
from monitor.worker.partitions import Partitions

PUBLISH_S = 1.0  # between two snapshots while nothing is assigned or taken away

Owned = Mapping[TopicPartition, tuple[int, int | None]]  # epoch, and the next offset to process


class Progress:
    """Each snapshot replaces the one before as a whole, so that another thread may read it at any time.

    `clock` gives monotonic seconds. `changed` is set when partitions have come or gone.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.owned: Owned = {}
        self.committed: int | None = None  # wall clock, ns
        self.changed = Event()
        self._failure: MonitorError | None = None
        self._clock = clock
        self._turned = clock()
        self._next = self._turned

    @property
    def idle(self) -> float:
        """Seconds since the loop last came round."""
        return self._clock() - self._turned

    def fail(self, error: MonitorError) -> None:
        """End the worker with this error, in its next turn; called by the thread of the heartbeats."""
        self._failure = error

    def turned(self, partitions: Partitions) -> None:
        """The loop came round; called in every turn, and while reading waits for a training.

        Raises what `fail` was given.
        """
        if self._failure is not None:
            raise self._failure
        self._turned = self._clock()
        if self._turned >= self._next or partitions.epochs.keys() != self.owned.keys():
            self.publish(partitions)

    def publish(self, partitions: Partitions) -> None:
        """Replace the snapshot now; also called at the end."""
        self._next = self._clock() + PUBLISH_S
        before, self.owned = self.owned, partitions.owned()
        if {p: epoch for p, (epoch, _) in before.items()} != partitions.epochs:
            self.changed.set()

    def commit_durable(self) -> None:
        """A commit became durable."""
        self.committed = time.time_ns()
