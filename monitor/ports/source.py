"""The seam to where readings come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from monitor.records.batches import Poll, TopicPartition


class Assignments(Protocol):
    """Who is told when partitions come and go. Called from inside `Source.poll`, on its thread."""

    def assigned(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Take ownership and return the offset to start at; a partition left out starts where the source decides."""
        ...

    def revoked(self, partitions: Sequence[TopicPartition]) -> None:
        """Finish and commit what was polled from them, then drop their streams. Bounded in time."""
        ...

    def lost(self, partitions: Sequence[TopicPartition]) -> None:
        """Drop their streams without committing: somebody else owns them already."""
        ...


class Source(Protocol):
    """Where readings come from. Used by one thread."""

    def poll(self, timeout: float) -> Poll:
        """Return what has arrived, waiting at most `timeout` seconds for the first record.

        A record that cannot be read is in `Poll.dead`; nothing is dropped without a word.
        Raises SourceError when the source cannot go on, also when records were lost before they were read.
        """
        ...

    def commit(self, positions: Mapping[TopicPartition, int]) -> None:
        """Tell the source how far the store has come. For lag tools only: never waits, never raises."""
        ...

    def hold(self, seconds: float) -> None:
        """Stay in the group for that long without fetching; nothing that was not yet polled is lost."""
        ...

    def close(self) -> None:
        """Leave the group and free everything. May be called twice."""
        ...
