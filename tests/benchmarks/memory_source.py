"""A source that makes what it is asked for: the product without Kafka."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from monitor.ports.source import Assignments
from monitor.records.batches import Poll, TopicPartition


class MemorySource:
    """One partition. `polls` is called with the offset to begin at; when it gives no more, the source has ended."""

    def __init__(self, place: TopicPartition, polls: Callable[[int], Iterator[Poll]], listener: Assignments) -> None:
        self._place, self._polls, self._listener = place, polls, listener
        self._running: Iterator[Poll] | None = None

    def poll(self, timeout: float) -> Poll:
        """See `monitor.ports.source.Source`. Never waits."""
        if self._running is None:
            self._running = self._polls(self._listener.assigned([self._place]).get(self._place, 0))
        return next(self._running, Poll({}, at_end=True, finished=True))

    def commit(self, positions: Mapping[TopicPartition, int]) -> None:
        """Nobody to tell."""

    def hold(self, seconds: float) -> None:
        """Nothing to hold."""

    def close(self) -> None:
        """Nothing to free."""
