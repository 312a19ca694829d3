"""Which partitions a worker owns, under which epoch, and how far each has been read."""

from __future__ import annotations

from collections.abc import Iterable

from monitor.ports.store import Position
from monitor.records.batches import TopicPartition


class Partitions:
    """Epoch and next offset of each owned partition."""

    def __init__(self) -> None:
        self.epochs: dict[TopicPartition, int] = {}
        self.next: dict[TopicPartition, int] = {}
        self._durable: dict[TopicPartition, int] = {}  # next offsets, as the store has them or will have them soon
        self._unread: set[TopicPartition] = set()  # guarded, without an offset

    def assign(self, positions: dict[TopicPartition, Position]) -> None:
        """The store has made us the owner."""
        for partition, position in positions.items():
            self.epochs[partition] = position.epoch
            if position.next_offset is not None:
                self._durable[partition] = position.next_offset

    def drop(self, partitions: Iterable[TopicPartition]) -> None:
        """They are somebody else's now."""
        for partition in partitions:
            self.epochs.pop(partition, None)
            self.next.pop(partition, None)
            self._durable.pop(partition, None)
            self._unread.discard(partition)

    def fence(self, partitions: Iterable[TopicPartition]) -> None:
        """Something of these partitions changes without a record: the next commit is to meet their fence too."""
        for partition in partitions:
            if partition in self._durable:
                self.next.setdefault(partition, self._durable[partition])
            elif partition in self.epochs:
                self._unread.add(partition)

    @property
    def unread(self) -> dict[TopicPartition, int]:
        """Epoch of every guarded partition of which the store has no offset, nor will the next commit bring one."""
        return {p: self.epochs[p] for p in self._unread - self.next.keys()}

    def moved(self) -> dict[TopicPartition, tuple[int, int]]:
        """(epoch, next offset) of every partition read since the last `committed`."""
        return {p: (self.epochs[p], offset) for p, offset in self.next.items() if p in self.epochs}

    def committed(self) -> None:
        """A commit has made the positions durable."""
        self._durable |= self.next
        self.next.clear()
        self._unread.clear()
