"""The loaded streams of a worker: store ids, partitions, counters, and which have changed since the last commit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from monitor.pipeline.family import Pipeline
from monitor.ports.store import OpenedStream, Store, StreamState
from monitor.records.batches import NEVER, Bool, Float64, Int32, Int64, Readings
from monitor.records.counters import COUNTERS, READINGS

_made = partial(tuple.__new__, StreamState)  # `_make`, without a Python call for each of 100,000 streams


class Streams:
    """The loaded streams of one family."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.ids: Int64 = np.zeros(0, np.int64)  # -1 = not loaded
        self.partition: Int32 = np.zeros(0, np.int32)
        self._version: Int64 = np.zeros(0, np.int64)  # of the row, as it was loaded
        self._changed: Bool = np.zeros(0, bool)
        self._earlier: Int64 = np.zeros((0, len(COUNTERS)), np.int64)  # before the pipeline's counters began
        self._counted: Int64 = np.zeros(0, np.int64)  # readings, as in the store
        self._clock: Int64 = np.zeros(0, np.int64)  # time of the newest reading then, ns
        self._rate: Float64 = np.zeros(0)  # readings a second, between the two newest commits that brought any

    def has_unloaded(self, readings: Readings) -> bool:
        """True when the state of some stream has not been loaded yet."""
        self._grow()
        return len(readings) > 0 and bool(self.ids[readings.stream].min() < 0)

    def load(self, readings: Readings, store: Store, run: str) -> set[str]:
        """Load id and state of the streams not loaded yet; returns the parts of states that no longer fit."""
        codes, first = np.unique(readings.stream, return_index=True)
        unknown = self.ids[codes] < 0
        new = codes[unknown]
        return self._load(new, readings.partition[first[unknown]], store, run)[0]

    def load_idle(self, names: Sequence[str], partition: int, store: Store, run: str) -> None:
        """Load streams that sent nothing since the partition was assigned."""
        codes = self.pipeline.index.intern(names)
        self._grow()
        new = codes[self.ids[codes] < 0]
        opened = self._load(new, np.full(len(new), partition, np.int32), store, run)[1]
        self.pipeline.expect_nothing([int(code) for code, row in zip(new, opened, strict=True) if row.retired])

    def _load(self, new: Int32, partition: Int32, store: Store, run: str) -> tuple[set[str], list[OpenedStream]]:
        names = [self.pipeline.index.name(code) for code in new.tolist()]
        opened = store.open_streams(run, self.pipeline.name, names)
        rebuilt = self.pipeline.load(new, [stream.state for stream in opened])
        if any(stream.version for stream in opened):  # people have commanded something of them
            self.pipeline.expected.add(store.decisions(run, self.pipeline.name))
        self.pipeline.drop_alerts(new[[stream.closed for stream in opened]])
        self.ids[new] = [stream.id for stream in opened]
        self._version[new] = [stream.version for stream in opened]
        self.partition[new] = partition
        saved = np.array([stream.counts for stream in opened], np.int64).reshape(-1, len(COUNTERS))
        self._earlier[new] = saved - self.pipeline.counters(new)  # 0, unless the state had to be rebuilt
        self._counted[new] = _readings(saved)
        self._clock[new], self._rate[new] = self.pipeline.clock(new), 0.0
        self.note_room(store.count_streams(run, self.pipeline.name))
        return rebuilt, opened

    def note_room(self, stored: int) -> None:
        """The family has so many streams now, of all workers: how many more names may become streams follows."""
        index = self.pipeline.index
        coming = len(index.codes) - int(np.count_nonzero(self.ids >= 0))  # named by this poll, not in the store yet
        index.room = self.pipeline.family.max_streams - stored - coming

    @property
    def unloaded(self) -> list[str]:
        """Names in use that no stream was loaded for yet."""
        codes = self.pipeline.index.codes
        return [name for name, code in codes.items() if code >= len(self.ids) or self.ids[code] < 0]

    def track(self, readings: Readings) -> None:
        """Note the partitions of readings that are being processed; the state of their streams changes."""
        self.partition[readings.stream] = readings.partition
        self._changed[readings.stream] = True

    def mark_changed(self, codes: Iterable[int]) -> None:
        """Note that the state of these streams has changed without a reading."""
        self._changed[list(codes)] = True

    def changes(self) -> list[StreamState]:
        """State of every stream that changed since the last commit."""
        codes = np.flatnonzero(self._changed).astype(np.int32)
        if not len(codes):
            return []
        clock, totals = self.pipeline.clock(codes), self._totals(codes)
        has_model = self.pipeline.has_model(codes)
        training = np.where(has_model, 0, self.pipeline.training_readings(codes))
        columns = (self.ids[codes], self.partition[codes], clock)
        more = (self._counted[codes], training, has_model, self._rates(codes, clock, totals), self._version[codes])
        rows, rest = ([column.tolist() for column in some] for some in (columns, more))
        rest.append(self.pipeline.judging.alerter.bars(codes, clock).tolist())
        counts = zip(*totals.T.tolist(), strict=True)
        return list(map(_made, zip(*rows, self.pipeline.dump(codes), *rest, counts, strict=True)))

    def committed(self) -> None:
        """A commit with these states is in flight: begin the next one."""
        codes = np.flatnonzero(self._changed)
        totals, clock = self._totals(codes), self.pipeline.clock(codes)
        self._rate[codes] = self._rates(codes, clock, totals)
        self._counted[codes], self._clock[codes] = _readings(totals), clock
        self._changed[:] = False

    def drop(self, partitions: Sequence[int] | None = None) -> None:
        """Unload the streams of these partitions, or all of them."""
        self._grow()
        if partitions is None:  # with the names that a poll brought which is discarded now
            codes = np.array(sorted(self.pipeline.index.codes.values()), np.int32)
        else:
            ours = (self.ids >= 0) & np.isin(self.partition, np.asarray(partitions, np.int32))
            codes = np.flatnonzero(ours).astype(np.int32)
        self.pipeline.forget(codes)
        self.ids[codes] = -1
        self._changed[codes] = False

    def _totals(self, codes: NDArray[np.integer]) -> Int64:
        """The counters of each stream since it was first seen, (n, len(COUNTERS))."""
        return np.asarray(self._earlier[codes] + self.pipeline.counters(codes))

    def _rates(self, codes: NDArray[np.integer], clock: Int64, totals: Int64) -> Float64:
        """Readings a second of event time since the last commit; the last value where the clock has not moved since."""
        moved = (clock > self._clock[codes]) & (self._clock[codes] != NEVER)
        seconds = np.where(moved, clock - self._clock[codes], 1) / 1e9
        brought = _readings(totals) - self._counted[codes]
        return np.asarray(np.where(moved, brought / seconds, self._rate[codes]))

    def _grow(self) -> None:
        more = max(len(self.pipeline.index), 64) - len(self.ids)
        if more > 0:
            more += len(self.ids)  # at least double
            self.ids = np.concatenate([self.ids, np.full(more, -1, np.int64)])
            self.partition = np.concatenate([self.partition, np.zeros(more, np.int32)])
            self._version = np.concatenate([self._version, np.zeros(more, np.int64)])
            self._changed = np.concatenate([self._changed, np.zeros(more, bool)])
            self._earlier = np.concatenate([self._earlier, np.zeros((more, len(COUNTERS)), np.int64)])
            self._counted = np.concatenate([self._counted, np.zeros(more, np.int64)])
            self._clock = np.concatenate([self._clock, np.full(more, NEVER, np.int64)])
            self._rate = np.concatenate([self._rate, np.zeros(more)])


def _readings(totals: Int64) -> Int64:
    """How many readings the counters of each stream have counted, (n,)."""
    return np.asarray(totals[:, : len(READINGS)].sum(axis=1))
