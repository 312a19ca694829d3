"""The in-memory twin of Kafka as a source: partitions are lists of records, and a test moves them as it likes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from itertools import islice

import numpy as np

from monitor.errors import SourceError
from monitor.ports.source import Assignments
from monitor.records.batches import DeadLetter, Poll, Readings, TopicPartition
from monitor.sources.decode import Decoder, Records
from monitor.sources.unfinished import decode_all

Record = tuple[bytes | None, bytes | None]  # key and body


class ListSource:
    """A source that reads `logs`, {partition: [(key, body), ...]}, where the index in the list is the offset.

    Append to the lists at any time. A poll brings at most `batch` records of each partition; the first one assigns all
    partitions. What a group or a broker would do, a test does with `give`, `take`, `lose` and `delete_before`.
    """

    def __init__(
        self,
        logs: Mapping[TopicPartition, Sequence[Record]],
        decoders: Mapping[str, tuple[str, Decoder]],
        listener: Assignments | None = None,
        *,
        batch: int = 10_000,
        finite: bool = False,
    ) -> None:
        self.committed: dict[TopicPartition, int] = {}
        self.held = 0.0
        self.closed = False
        self._logs = logs
        self._decoders = decoders
        self._listener = listener
        self._batch = batch
        self._finite = finite  # the end of the lists is the end of the source
        self._low: dict[TopicPartition, int] = {}
        self._position: dict[TopicPartition, int] | None = None

    def poll(self, timeout: float) -> Poll:
        """See `monitor.ports.source.Source`. Never waits."""
        if self._position is None:
            self.give(list(self._logs))
        readings: dict[str, Readings] = {}
        dead: list[DeadLetter] = []
        positions: dict[TopicPartition, int] = {}
        count = 0
        for topic in self._decoders:
            records = self._fetch(topic, positions)
            family, decoder = self._decoders[topic]
            found, bad = decode_all(decoder, records)
            if len(found):
                readings[family] = found
            dead += bad
            count += len(records)
        assigned = self._position or {}
        at_end = bool(assigned) and all(offset == len(self._logs[p]) for p, offset in assigned.items())
        now = time.time_ns()
        caught_up = {p: now for p, offset in assigned.items() if offset == len(self._logs[p])}
        finished = at_end and self._finite
        return Poll(readings, dead, positions, records=count, at_end=at_end, finished=finished, caught_up=caught_up)

    def commit(self, positions: Mapping[TopicPartition, int]) -> None:
        """Keep them in `committed`."""
        self.committed |= positions

    def hold(self, seconds: float) -> None:
        """Add to `held`. Never waits."""
        self.held += seconds

    def close(self) -> None:
        """Set `closed`."""
        self.closed = True

    def give(self, partitions: Sequence[TopicPartition]) -> None:
        """Assign partitions, as a rebalance does."""
        starts = self._listener.assigned(partitions) if self._listener is not None else {}
        fresh = {partition: starts.get(partition, self._low.get(partition, 0)) for partition in partitions}
        self._position = (self._position or {}) | fresh

    def rewind(self) -> None:
        """See `monitor.ports.source.Rewindable`."""
        self.give(list(self._position or {}))

    def take(self, partitions: Sequence[TopicPartition]) -> None:
        """Revoke partitions, as a rebalance does."""
        if self._listener is not None:
            self._listener.revoked(partitions)
        self._drop(partitions)

    def lose(self, partitions: Sequence[TopicPartition]) -> None:
        """Take partitions away without warning, as a group does from a member it has given up."""
        if self._listener is not None:
            self._listener.lost(partitions)
        self._drop(partitions)

    def delete_before(self, partition: TopicPartition, offset: int) -> None:
        """Delete the oldest records of a partition, as retention does."""
        self._low[partition] = offset

    def _drop(self, partitions: Sequence[TopicPartition]) -> None:
        self._position = {p: o for p, o in (self._position or {}).items() if p not in partitions}

    def _fetch(self, topic: str, positions: dict[TopicPartition, int]) -> Records:
        """The next records of a topic; moves its positions, here and in `positions`."""
        assert self._position is not None  # noqa: S101 (the first poll sets it)
        records: list[Record] = []
        partitions: list[int] = []
        offsets: list[int] = []
        for where, offset in list(self._position.items()):
            if where[0] != topic:
                continue
            low, high = self._low.get(where, 0), len(self._logs[where])
            if not low <= offset <= high:
                lost = f"{low - offset} records were lost" if offset < low else f"it ends at {high}, before {offset}"
                raise SourceError(f"topic {topic}, partition {where[1]}: {lost}")
            chosen = list(islice(self._logs[where], offset, offset + self._batch))
            if chosen:
                records += chosen
                partitions += [where[1]] * len(chosen)
                offsets += range(offset, offset + len(chosen))
                self._position[where] = positions[where] = offset + len(chosen)
        keys, values = [key for key, _ in records], [value for _, value in records]
        return Records(topic, keys, values, np.array(partitions, dtype=np.int32), np.array(offsets, dtype=np.int64))
