"""Which partitions this worker owns, under which epoch, how far each has been read, and whose streams are in memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from monitor.aligner import COUNTERS
from monitor.pipeline import Pipeline
from monitor.ports import Position, Store, StreamState
from monitor.records import Bool, Int32, Int64, Readings, TopicPartition

READINGS = 4  # so many of the counters count readings: accepted, late, duplicate, future


class Partitions:
    """Epoch and next offset of each owned partition."""

    def __init__(self) -> None:
        self.epochs: dict[TopicPartition, int] = {}
        self.next: dict[TopicPartition, int] = {}

    def taken(self, positions: dict[TopicPartition, Position]) -> None:
        """The store has made us the owner."""
        for partition, position in positions.items():
            self.epochs[partition] = position.epoch

    def dropped(self, partitions: Iterable[TopicPartition]) -> None:
        """They are somebody else's now."""
        for partition in partitions:
            self.epochs.pop(partition, None)
            self.next.pop(partition, None)

    def moved(self) -> dict[TopicPartition, tuple[int, int]]:
        """(epoch, next offset) of every partition read since the last `settled`."""
        return {p: (self.epochs[p], offset) for p, offset in self.next.items() if p in self.epochs}

    def settled(self) -> None:
        """A commit has made the positions durable."""
        self.next.clear()


class Streams:
    """The streams of one family that are in memory: their store ids, partitions, and which have changed."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.ids: Int64 = np.zeros(0, np.int64)  # -1 = not opened
        self.partition: Int32 = np.zeros(0, np.int32)
        self._changed: Bool = np.zeros(0, bool)
        self._earlier: Int64 = np.zeros((0, len(COUNTERS)), np.int64)  # counted before the pipeline's counters began
        self._counted: Int64 = np.zeros(0, np.int64)  # readings, as the store has it

    def strangers(self, readings: Readings) -> bool:
        """Whether some of these streams are seen for the first time."""
        self._grow()
        return len(readings) > 0 and bool(self.ids[readings.stream].min() < 0)

    def open(self, readings: Readings, store: Store, run: str) -> set[str]:
        """Fetch id and state of the strangers among them; returns parts of states that no longer fit."""
        codes, first = np.unique(readings.stream, return_index=True)
        unknown = self.ids[codes] < 0
        new = codes[unknown]
        names = [self.pipeline.index.name(code) for code in new.tolist()]
        opened = store.open_streams(run, self.pipeline.name, names)
        rebuilt = self.pipeline.load(new, [stream.state for stream in opened])
        self.ids[new] = [stream.id for stream in opened]
        self.partition[new] = readings.partition[first[unknown]]
        saved = np.array([stream.counts for stream in opened], np.int64)
        self._earlier[new] = saved - self.pipeline.counters(new)  # 0, unless the state had to be rebuilt
        self._counted[new] = saved[:, :READINGS].sum(axis=1)
        return rebuilt

    def seen(self, readings: Readings) -> None:
        """These readings are being processed."""
        self.partition[readings.stream] = readings.partition
        self._changed[readings.stream] = True

    def changes(self) -> list[StreamState]:
        """State of every stream that changed since the last `settled`."""
        codes = np.flatnonzero(self._changed).astype(np.int32)
        if not len(codes):
            return []
        columns = (self.ids[codes], self.partition[codes], self.pipeline.clock(codes), *self._totals(codes).T)
        rows = (column.tolist() for column in columns)
        return list(map(StreamState, *rows, self.pipeline.dump(codes), self._counted[codes].tolist()))

    def settled(self) -> None:
        """A commit has made the states durable."""
        codes = np.flatnonzero(self._changed)
        self._counted[codes] = self._totals(codes)[:, :READINGS].sum(axis=1)
        self._changed[:] = False

    def drop(self, partitions: Sequence[int] | None = None) -> None:
        """Forget the streams of these partitions, or all of them."""
        self._grow()
        ours = self.ids >= 0
        if partitions is not None:
            ours &= np.isin(self.partition, np.asarray(partitions, np.int32))
        codes = np.flatnonzero(ours).astype(np.int32)
        self.pipeline.forget(codes)
        self.ids[codes] = -1
        self._changed[codes] = False

    def _totals(self, codes: NDArray[np.integer]) -> Int64:
        """The counters of each stream since it was first seen, (n, 5)."""
        return np.asarray(self._earlier[codes] + self.pipeline.counters(codes))

    def _grow(self) -> None:
        more = max(len(self.pipeline.index), 64) - len(self.ids)
        if more > 0:
            more += len(self.ids)  # at least double
            self.ids = np.concatenate([self.ids, np.full(more, -1, np.int64)])
            self.partition = np.concatenate([self.partition, np.zeros(more, np.int32)])
            self._changed = np.concatenate([self._changed, np.zeros(more, bool)])
            self._earlier = np.concatenate([self._earlier, np.zeros((more, len(COUNTERS)), np.int64)])
            self._counted = np.concatenate([self._counted, np.zeros(more, np.int64)])
