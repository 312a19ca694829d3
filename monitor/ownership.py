"""Which partitions this worker owns, under which epoch, how far each has been read, and whose streams are in memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from monitor.pipeline import Pipeline
from monitor.ports import Position, Store, StreamState
from monitor.records import Bool, Int32, Int64, Readings, TopicPartition


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

    def open(self, readings: Readings, store: Store, run: str) -> set[str]:
        """Fetch id and state of streams seen for the first time; returns parts of states that no longer fit."""
        self._grow()
        codes = np.unique(readings.stream)
        new = codes[self.ids[codes] < 0]
        if not len(new):
            return set()
        names = [self.pipeline.index.name(code) for code in new.tolist()]
        opened = store.open_streams(run, self.pipeline.name, names)
        self.ids[new] = [stream.id for stream in opened]
        return self.pipeline.load(new, [stream.state for stream in opened])

    def seen(self, readings: Readings) -> None:
        """These readings are being processed."""
        self.partition[readings.stream] = readings.partition
        self._changed[readings.stream] = True

    def changes(self) -> list[StreamState]:
        """State of every stream that changed since the last `settled`."""
        codes = np.flatnonzero(self._changed).astype(np.int32)
        if not len(codes):
            return []
        totals, states = self.pipeline.counters(codes), self.pipeline.dump(codes)
        return [
            StreamState(
                id=int(self.ids[code]),
                partition=int(self.partition[code]),
                last_time=totals["clock"][i],
                accepted=totals["accepted"][i],
                late=totals["late"][i],
                duplicate=totals["duplicate"][i],
                future=totals["future"][i],
                imputed=totals["imputed"][i],
                state=states[i],
            )
            for i, code in enumerate(codes.tolist())
        ]

    def settled(self) -> None:
        """A commit has made the states durable."""
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

    def _grow(self) -> None:
        more = max(len(self.pipeline.index), 64) - len(self.ids)
        if more > 0:
            more += len(self.ids)  # at least double
            self.ids = np.concatenate([self.ids, np.full(more, -1, np.int64)])
            self.partition = np.concatenate([self.partition, np.zeros(more, np.int32)])
            self._changed = np.concatenate([self._changed, np.zeros(more, bool)])
