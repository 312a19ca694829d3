"""The partitions that a worker owns: epoch and next offset of each."""

from __future__ import annotations

from collections.abc import Iterable

from monitor.ports.store import Position
from monitor.records.batches import TopicPartition


class Partitions:
    """Epoch and next offset of each owned partition."""

    def __init__(self) -> None:
        self.epochs: dict[TopicPartition, int] = {}
        self.next: dict[TopicPartition, int] = {}
        self._durable: dict[TopicPartition, int] = {}  # next offsets in the store or in the commit in flight
        self._unread: set[TopicPartition] = set()  # fenced, without an offset

    def assign(self, positions: dict[TopicPartition, Position]) -> None:
        """Add partitions of which the store has made this worker the owner."""
        for partition, position in positions.items():
            self.epochs[partition] = position.epoch
            if position.next_offset is not None:
                self._durable[partition] = position.next_offset

    def drop(self, partitions: Iterable[TopicPartition]) -> None:
        """Remove partitions that another worker owns now."""
        for partition in partitions:
            self.epochs.pop(partition, None)
            self.next.pop(partition, None)
            self._durable.pop(partition, None)
            self._unread.discard(partition)

    def fence(self, partitions: Iterable[TopicPartition]) -> None:
        """Include the epochs of these partitions in the next commit although no offset moved."""
        for partition in partitions:
            if partition in self._durable:
                self.next.setdefault(partition, self._durable[partition])
            elif partition in self.epochs:
                self._unread.add(partition)

    @property
    def unread(self) -> dict[TopicPartition, int]:
        """Epoch of every fenced partition that has no offset, neither in the store nor in the next commit."""
        return {p: self.epochs[p] for p in self._unread - self.next.keys()}

    def owned(self) -> dict[TopicPartition, tuple[int, int | None]]:
        """Epoch and next offset to process of every partition; None where nothing was read yet."""
        return {p: (epoch, self.next.get(p, self._durable.get(p))) for p, epoch in self.epochs.items()}

    def moved(self) -> dict[TopicPartition, tuple[int, int]]:
        """(epoch, next offset) of every partition read since the last `committed`."""
        return {p: (self.epochs[p], offset) for p, offset in self.next.items() if p in self.epochs}

    def committed(self) -> None:
        """A commit with these positions is in flight: begin the next one."""
        self._durable |= self.next
        self.next.clear()
        self._unread.clear()
