"""The seam to where readings come from.

One thread, the worker's, makes every call to a source; the source calls its `Assignments` back on the same thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from monitor.records.batches import Poll, TopicPartition


class Assignments(Protocol):
    """Listener to a group's rebalances. Called from inside `Source.poll` and `Source.hold`, before these return.

    A method may call the store and wait for it, bounded in time: a member that takes longer than the broker's
    `max.poll.interval.ms` is thrown out of the group. A MonitorError that it raises leaves `poll` or `hold`.
    """

    def assigned(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Take ownership; called before the first record of these partitions is fetched.

        Returns the offset to start at; a partition left out starts where the source decides.
        """
        ...

    def revoked(self, partitions: Sequence[TopicPartition]) -> None:
        """Finish and commit what was polled from them, then drop their streams; the next owner waits for the return.

        Records of these partitions that the running `poll` has fetched already are not returned by it.
        """
        ...

    def lost(self, partitions: Sequence[TopicPartition]) -> None:
        """Drop their streams without committing: another worker owns them already."""
        ...


class Source(Protocol):
    """Where readings come from: Kafka, files or memory."""

    def poll(self, timeout: float) -> Poll:
        """Return the records that have arrived; called in every turn of the worker's loop.

        Blocks for at most `timeout` seconds until the first record, longer only while a rebalance is handled, and for
        some seconds where what arrived takes long to decode; what must wait is returned by a later poll. A record
        that cannot be read is in `Poll.dead`; none is dropped silently. A poll may be empty. `Poll.finished` says that
        a bounded source has ended: later polls are empty. Raises SourceError when the source cannot go on, also when
        records were lost before they were read; nothing of that poll has been returned then.
        """
        ...

    def commit(self, positions: Mapping[TopicPartition, int]) -> None:
        """Report the next offsets that are durable in the store; called after a commit. Never blocks, never raises.

        For lag tools only: where to resume stands in the store. A partition that was taken away meanwhile is skipped.
        """
        ...

    def hold(self, seconds: float) -> None:
        """Block for that long and stay in the group without fetching; called while the store is slow or unavailable.

        Rebalances are handled meanwhile. What was fetched before is returned by the next `poll`. Raises SourceError.
        """
        ...

    def close(self) -> None:
        """Leave the group and free everything; `Assignments` is not called. May block for seconds, and be repeated."""
        ...


@runtime_checkable
class Rewindable(Protocol):
    """A source that can begin again without leaving its group."""

    def rewind(self) -> None:
        """Read every partition again from where `Assignments.assigned` says now; what was fetched before is dropped."""
        ...
