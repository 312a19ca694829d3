"""Gridded readings to windows: ring buffers for all streams in one array, no loop over streams.

A window ends in the slot before a whole multiple of `hop`, counted from 1970, so a replay that starts anywhere cuts the
same windows; without a grid, `hop` counts from the stream's beginning.

Windows of three slots of 10 ns, one every two slots:

>>> windower = SlidingWindower(Shape(length=3, hop=2, channels=1, width=1), Grid(interval=10))
>>> windower.grow(1)
>>> slot, no = np.arange(1, 8), np.zeros(7, bool)
>>> values = slot.astype(np.float32)[:, None]
>>> windows = windower.add(Gridded(np.zeros(7, np.int32), slot, values, imputed=no, restart=no))
>>> windows.end.tolist(), windows.values[:, :, 0].tolist()
([30, 50, 70], [[1.0, 2.0, 3.0], [3.0, 4.0, 5.0], [5.0, 6.0, 7.0]])
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from monitor.config.families import Family
from monitor.config.resolved import Grid, Shape
from monitor.pipeline.scoring import cold_start
from monitor.pipeline.state.columns import Columns
from monitor.pipeline.state.segments import Gridded, segments
from monitor.pipeline.windowing.base import History
from monitor.records.batches import NEVER, Bool, Float32, Float64, Int32, Int64, Windows

ROOM = 2**18  # readings kept beyond one window, over all streams; more room = fewer moves to the front
LEAST_ROOM = 64  # of each stream


class SlidingWindower:
    """Windows of `length` consecutive slots, one every `hop` slots; none spans a restart.

    From `fewest` readings of a run on, all of `length` unless given: the slots before them are NaN.

    Buffers are (streams, room): a stream's row fills from the left, and when it is full its last `length - 1` readings
    move to the front. Which readings were filled in is only written for streams that have had some lately.
    """

    facts: Mapping[str, Float64] = {}  # nothing is known of them but their readings
    earlier: tuple[np.dtype[np.void], ...] = ()
    cold_start = staticmethod(cold_start.score)

    def __init__(self, shape: Shape, grid: Grid, fewest: int | None = None) -> None:
        self._fewest = shape.length if fewest is None else fewest
        self._length, self._channels, self._hop = shape.length, shape.channels, shape.hop
        self._grid, self._interval = grid, grid.interval
        self._keep = shape.length - 1
        # Readings are numbered: on a grid by their slot, else from 1. `began`: the number that began the run.
        self._counters = Columns({"began": (np.int64, (), NEVER), "count": (np.int64, (), 0)})
        self._buffers: dict[str, NDArray[Any]] = {}
        self._fill = np.zeros(0, np.int64)
        self._flagged = np.zeros(
            0, bool
        )  # streams whose row in `imputed` is up to date; the others have no filled slot
        self._room = 0
        kept = [("values", np.float32, (self._keep, shape.channels)), ("imputed", np.uint8, ((self._keep + 7) // 8,))]
        if grid.interval is None:
            kept.append(("time", np.int64, (self._keep,)))
        self.dtype = np.dtype([("counters", self._counters.dtype), *kept])

    @classmethod
    def of(cls, family: Family) -> SlidingWindower:
        """For the windows of a family."""
        return cls(family.shape, family.grid, 1 if family.judges_parts else None)

    @property
    def memory(self) -> int:
        """Bytes a stream takes in a process of very many, about."""
        reading = 4 * self._channels + 1 + 8 * (self._interval is None)  # values, filled-in flag, time off the grid
        return (self._length + LEAST_ROOM) * reading

    def grow(self, rows: int) -> None:
        """Make room for `rows` streams."""
        old = len(self._fill)
        if rows <= old:
            return
        self._counters.grow(rows)
        size = max(rows, 2 * old, 64)
        kept = {name: self._kept(name, np.arange(old)) for name in self._buffers}
        self._room = self._keep + int(np.clip(ROOM // size, LEAST_ROOM, 4096))
        self._buffers = {
            "values": np.zeros((size, self._room, self._channels), np.float32),
            "imputed": np.zeros((size, self._room), np.bool_),
        }
        if self._interval is None:
            self._buffers["time"] = np.zeros((size, self._room), np.int64)
        self._fill = np.full(size, self._keep)  # a new row begins behind an empty window
        self._flagged = np.concatenate([self._flagged, np.zeros(size - old, bool)])
        for name, rows_kept in kept.items():
            self._buffers[name][:old, : self._keep] = rows_kept

    def add(self, readings: Gridded) -> Windows:
        """Append readings, sorted by stream, and cut the windows they complete; in time order within each stream."""
        if not len(readings):
            return _concatenate([], (self._length, self._channels))
        first, size = segments(readings.stream)
        rank = np.arange(len(readings)) - np.repeat(first, size)
        due, held = self._due(readings, first, rank)
        step = self._room - self._keep
        if size.max() <= step:
            return self._extend(readings, rank, due, held)
        parts = []
        for begin in range(0, int(size.max()), step):
            part = np.flatnonzero((rank >= begin) & (rank < begin + step))
            some = Gridded(*(getattr(readings, name)[part] for name in Gridded.__slots__))
            here = np.isin(due, part, assume_unique=True)
            parts.append(self._extend(some, rank[part] - begin, np.searchsorted(part, due[here]), held[here]))
        return _concatenate(parts, (self._length, self._channels))

    def finish(self, readings: Gridded) -> Windows:
        """As `add`: the last readings complete no other windows."""
        return self.add(readings)

    def cut_history(self, values: Float32, time: Int64, most: int) -> History:
        """All windows of consecutive readings, or one in so many that about `most` remain."""
        if len(values) < self._length:
            return History(np.zeros((0, self._length, self._channels), np.float32), time[:0], values)
        gaps = np.zeros(len(time), np.int64)
        if self._interval is not None:
            gaps[1:] = np.cumsum(np.diff(time) != self._interval)
        last = np.arange(self._keep, len(time))
        last = last[gaps[last] == gaps[last - self._keep]]
        last = last[:: max(1, len(last) // most)]
        windows = sliding_window_view(values, self._length, axis=0)[last - self._keep]  # (n, channels, length)
        return History(np.ascontiguousarray(windows.transpose(0, 2, 1)), time[last], values)

    def dump(self, codes: NDArray[np.integer]) -> NDArray[np.void]:
        """The last length - 1 readings of each stream and its counters."""
        out = np.empty(len(codes), self.dtype)
        out["counters"] = self._counters.dump(codes)
        for name in self._buffers:
            values = self._kept(name, codes)
            out[name] = np.packbits(values & self._flagged[codes, None], axis=1) if name == "imputed" else values
        return out

    def load(self, codes: NDArray[np.integer], rows: NDArray[np.void]) -> None:
        """Put back what `dump` gave."""
        self._counters.load(codes, rows["counters"])
        self._fill[codes] = self._keep
        for name, buffer in self._buffers.items():
            kept = np.unpackbits(rows[name], axis=1, count=self._keep) if name == "imputed" else rows[name]
            buffer[codes, : self._keep] = kept
            if name == "imputed":
                self._flagged[codes] = kept.any(axis=1)

    def clear(self, codes: NDArray[np.integer]) -> None:
        """Make these rows new."""
        self._counters.clear(codes)
        self._fill[codes] = self._keep
        self._flagged[codes] = False

    def _due(self, readings: Gridded, first: Int64, rank: Int64) -> tuple[Int64, Int64]:
        """Rows at which a window ends, and how many readings of the run it can hold; notes where runs begin."""
        streams, last = readings.stream[first], np.append(first[1:], len(readings)) - 1
        began, count = self._counters["began"], self._counters["count"]
        number, phase = readings.slot, 1
        if not self._interval:
            number, phase = count[readings.stream] + rank + 1, -self._length
            count[streams] = number[last]
        fresh = streams[began[streams] == NEVER]  # without a restart: the state before was lost
        if len(fresh):
            began[fresh] = number[first[np.isin(streams, fresh)]]
        due = np.flatnonzero((number + phase) % self._hop == 0) if self._hop > 1 else np.arange(len(number))
        since = began[readings.stream[due]]
        if readings.restart.any():
            newest = np.maximum.accumulate(np.where(readings.restart, np.arange(len(number)), -1))
            here = newest >= np.repeat(*segments(readings.stream))
            since = np.where(here, number[newest], began[readings.stream])[due]
            began[streams] = np.where(here[last], number[newest[last]], began[streams])
        since = number[due] - since + 1
        return due[since >= self._fewest], since[since >= self._fewest]

    def _extend(self, readings: Gridded, rank: Int64, due: Int64, held: Int64) -> Windows:
        """Write readings behind what each stream has, and cut the windows that end at the rows `due`."""
        stream = readings.stream
        first, size = segments(stream)
        streams = stream[first]
        full = streams[self._fill[streams] + size > self._room]
        if len(full):
            self._move_to_front(full)
        place = np.asarray(self._fill[stream] + rank)
        self._buffers["values"][stream, place] = readings.values.reshape(len(stream), self._channels)
        if self._interval is None:
            self._buffers["time"][stream, place] = self._grid.times(readings.slot)
        self._flag(stream, place, readings.imputed, first)
        self._fill[streams] += size
        return self._cut(stream[due], place[due], self._grid.times(readings.slot[due]), held)

    def _move_to_front(self, full: Int32) -> None:
        for name, buffer in self._buffers.items():
            buffer[full, : self._keep] = kept = self._kept(name, full)
            if name == "imputed":
                self._flagged[full] &= kept.any(axis=1)
        self._fill[full] = self._keep

    def _flag(self, stream: Int32, place: Int64, imputed: Bool, first: Int64) -> None:
        """Note which readings were filled in, for streams that had some since their row last moved to the front."""
        streams, filled = stream[first], imputed.any()
        flagged, flags = self._flagged[streams], self._buffers["imputed"]
        if filled:
            new = streams[~flagged & np.logical_or.reduceat(imputed, first)]
            flags[new] = False
            self._flagged[new] = True
        if filled or flagged.any():
            noted = self._flagged[stream]
            flags[stream[noted], place[noted]] = imputed[noted]

    def _cut(self, stream: Int32, place: Int64, end: Int64, held: Int64) -> Windows:
        """The windows that end at `place` of each stream's row, and hold the last `held` readings there."""
        begin, lacking = place - self._keep, np.maximum(self._length - held, 0)
        values: Float32 = self._runs("values", self._length)[stream, begin * self._channels]
        values = values.reshape(-1, self._length, self._channels)
        imputed = np.zeros(len(stream), np.float32)
        some = np.flatnonzero(self._flagged[stream])
        if len(some):
            flags = self._runs("imputed", self._length)[stream[some], begin[some]]
            flags = flags & (np.arange(self._length) >= lacking[some, None])
            imputed[some] = flags.sum(axis=1) / np.float32(self._length)
        if lacking.any():
            values[np.arange(self._length) < lacking[:, None]] = np.nan
        if self._interval is None:
            start = np.asarray(self._buffers["time"][stream, begin + lacking], dtype=np.int64)
        else:
            start = end - (self._keep - lacking) * self._interval
        return Windows(stream, start, end, values, imputed)

    def _kept(self, name: str, codes: NDArray[np.integer]) -> NDArray[Any]:
        """The last length - 1 entries of each stream in a buffer."""
        if not self._keep:
            return self._buffers[name][codes, :0]
        begin = (self._fill[codes] - self._keep) * (self._channels if name == "values" else 1)
        kept: NDArray[Any] = self._runs(name, self._keep)[codes, begin]
        return kept.reshape(len(codes), self._keep, self._channels) if name == "values" else kept

    def _runs(self, name: str, length: int) -> NDArray[Any]:
        """Views of a buffer by stream and first cell, each of so many entries: gathering them copies whole runs."""
        flat = self._buffers[name].reshape(len(self._fill), -1)
        runs: NDArray[Any] = sliding_window_view(flat, length * (self._channels if name == "values" else 1), axis=1)
        return runs


def _concatenate(parts: list[Windows], shape: tuple[int, int]) -> Windows:
    if not parts:
        none = np.zeros(0, np.int64)
        return Windows(none.astype(np.int32), none, none, np.zeros((0, *shape), np.float32), np.zeros(0, np.float32))
    return Windows(*(np.concatenate([getattr(part, name) for part in parts]) for name in Windows.__slots__))
