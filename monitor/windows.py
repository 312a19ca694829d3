"""Gridded readings to windows: ring buffers for all streams in one array, no loop over streams.

`SlidingWindower` serves sliding and tumbling windows. They end on slots that are whole multiples of `hop`, counted from
1970, so a replay that starts anywhere cuts the same windows; without a grid, `hop` counts from the stream's beginning.
`MessageWindower` is for messages that already are one window each.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from monitor.aligner import Aligner, Gridded, firsts
from monitor.columns import Columns
from monitor.records import Bool, Float32, Int32, Int64, Windows

ROOM = 2**18  # readings kept beyond one window, over all streams; more room = fewer moves to the front


class MessageWindower:
    """Every reading is one window of (length, channels), flattened. Keeps no state."""

    def __init__(self, length: int, channels: int) -> None:
        self._shape = (length, channels)
        self._state = Columns({"unused": (np.uint8, (), 0)})
        self.dtype = self._state.dtype
        self.dump, self.load, self.clear, self.grow = (
            self._state.dump, self._state.load, self._state.clear, self._state.grow,
        )  # fmt: skip

    def add(self, readings: Gridded, aligner: Aligner) -> Windows:
        """The messages as windows."""
        time = aligner.times(readings.slot)
        values = readings.values.reshape(len(readings), *self._shape)
        return Windows(readings.stream, time, time, values, readings.imputed.astype(np.float32))


class SlidingWindower:
    """Windows of `length` consecutive slots, one every `hop` slots; a restart begins anew.

    Buffers are (streams, room): a stream's row fills from the left, and when it is full its last `length - 1` readings
    move to the front. A window is emitted when the stream's run of slots since its last restart is long enough.
    """

    def __init__(self, length: int, channels: int, hop: int, interval: int | None) -> None:
        self._length, self._channels, self._hop, self._interval = length, channels, hop, interval
        self._keep = length - 1
        counters = dict.fromkeys(("run", "count", "clean"), (np.int64, (), 0))
        self._counters = Columns(counters)
        self._buffers: dict[str, NDArray[Any]] = {}
        self._fill = np.zeros(0, np.int64)
        self._room = 0
        kept = [("values", np.float32, (self._keep, channels)), ("imputed", np.uint8, ((self._keep + 7) // 8,))]
        if interval is None:
            kept.append(("time", np.int64, (self._keep,)))
        self.dtype = np.dtype([("counters", self._counters.dtype), *kept])

    def grow(self, rows: int) -> None:
        """Make room for `rows` streams."""
        old = len(self._fill)
        if rows <= old:
            return
        self._counters.grow(rows)
        size = max(rows, 2 * old, 64)
        kept = self._dump_buffers(np.arange(old))
        self._room = self._keep + int(np.clip(ROOM // size, 64, 4096))
        self._buffers = {
            "values": np.zeros((size, self._room, self._channels), np.float32),
            "imputed": np.zeros((size, self._room), np.uint8),
        }
        if self._interval is None:
            self._buffers["time"] = np.zeros((size, self._room), np.int64)
        self._fill = np.full(size, self._keep)  # a new row begins behind an empty window; `run` tells how much is real
        for name, rows_kept in kept.items():
            self._buffers[name][:old, : self._keep] = rows_kept

    def add(self, readings: Gridded, aligner: Aligner) -> Windows:
        """Append readings, sorted by stream, and cut the windows they complete; in time order within each stream."""
        if not len(readings):
            return _concatenate([], (self._length, self._channels))
        first = firsts(readings.stream)
        size = np.diff(np.append(first, len(readings)))
        rank = np.arange(len(readings)) - np.repeat(first, size)
        run, clean, ends = self._count(readings, first, rank, aligner)
        parts: list[Windows] = []
        step = self._room - self._keep
        for begin in range(0, int(size.max(initial=0)), step):
            part = slice(None) if size.max() <= step else np.flatnonzero((rank >= begin) & (rank < begin + step))
            place = self._append(readings, rank[part] - begin, part, aligner)
            due = np.flatnonzero(ends[part] & (run[part] >= self._length))
            end = aligner.times(readings.slot[part][due])
            parts.append(self._cut(readings.stream[part][due], place[due], end, clean[part][due]))
        return parts[0] if len(parts) == 1 else _concatenate(parts, (self._length, self._channels))

    def dump(self, codes: NDArray[np.integer]) -> NDArray[np.void]:
        """The last length - 1 readings of each stream and its counters."""
        out = np.empty(len(codes), self.dtype)
        out["counters"] = self._counters.dump(codes)
        for name, values in self._dump_buffers(codes).items():
            out[name] = np.packbits(values, axis=1) if name == "imputed" else values
        return out

    def load(self, codes: NDArray[np.integer], rows: NDArray[np.void]) -> None:
        """Put back what `dump` gave."""
        self._counters.load(codes, rows["counters"])
        self._fill[codes] = self._keep
        for name, buffer in self._buffers.items():
            kept = np.unpackbits(rows[name], axis=1, count=self._keep) if name == "imputed" else rows[name]
            buffer[codes, : self._keep] = kept

    def clear(self, codes: NDArray[np.integer]) -> None:
        """Make these rows new."""
        self._counters.clear(codes)
        self._fill[codes] = self._keep

    def _count(self, readings: Gridded, first: Int64, rank: Int64, aligner: Aligner) -> tuple[Int64, Int64, Bool]:
        """For each slot (n,): the run since the last restart, since the last filled slot, may a window end there."""
        streams, last = readings.stream[first], np.append(first[1:], len(readings)) - 1
        run = self._since(readings.restart, self._counters["run"][streams], first, rank)
        clean = self._since(readings.imputed, self._counters["clean"][streams] + 1, first, rank) - 1
        count = self._counters["count"][readings.stream] + rank + 1
        for name, column in (("run", run), ("clean", clean), ("count", count)):
            self._counters[name][streams] = column[last]
        place = readings.slot + 1 if aligner.interval else count - self._length
        return run, clean, place % self._hop == 0

    @staticmethod
    def _since(event: Bool, known: Int64, first: Int64, rank: Int64) -> Int64:
        """Slots from the newest event to each slot, both counted; `known` is that number before the batch."""
        size = np.diff(np.append(first, len(event)))
        since = np.repeat(known, size) + rank + 1
        if event.any():
            at = np.where(event, np.arange(len(event)), -1)
            newest = np.maximum.accumulate(at)
            inside = newest >= np.repeat(first, size)
            since[inside] = (np.arange(len(event)) - newest + 1)[inside]
        return since

    def _append(self, readings: Gridded, rank: Int64, part: Int64 | slice, aligner: Aligner) -> Int64:
        """Write readings behind what each stream has; returns their places in the rows."""
        stream = readings.stream[part]
        first = firsts(stream)
        streams, size = stream[first], np.diff(np.append(first, len(stream)))
        full = streams[self._fill[streams] + size > self._room]
        if len(full):
            for name, values in self._dump_buffers(full).items():
                self._buffers[name][full, : self._keep] = values
            self._fill[full] = self._keep
        place = np.asarray(self._fill[stream] + rank)
        self._buffers["values"][stream, place] = readings.values[part].reshape(len(stream), self._channels)
        self._buffers["imputed"][stream, place] = readings.imputed[part]
        if self._interval is None:
            self._buffers["time"][stream, place] = aligner.times(readings.slot[part])
        self._fill[streams] += size
        return place

    def _cut(self, stream: Int32, place: Int64, end: Int64, clean: Int64) -> Windows:
        """The windows that end at `place` of each stream's row; `clean` slots since a filled one."""
        begin = place - self._keep
        flat = self._buffers["values"].reshape(len(self._fill), -1)
        cells = sliding_window_view(flat, self._length * self._channels, axis=1)
        values: Float32 = cells[stream, begin * self._channels].reshape(-1, self._length, self._channels)
        imputed = np.zeros(len(stream), np.float32)
        some = np.flatnonzero(clean < self._length)
        if len(some):
            flags = sliding_window_view(self._buffers["imputed"], self._length, axis=1)[stream[some], begin[some]]
            imputed[some] = flags.sum(axis=1) / np.float32(self._length)
        if self._interval is None:
            start = np.asarray(self._buffers["time"][stream, begin], dtype=np.int64)
        else:
            start = end - self._keep * self._interval
        return Windows(stream, start, end, values, imputed)

    def _dump_buffers(self, codes: NDArray[np.integer]) -> dict[str, NDArray[Any]]:
        """The last length - 1 entries of each buffer."""
        if not self._keep:
            return {name: buffer[codes, :0] for name, buffer in self._buffers.items()}
        places = (self._fill[codes] - self._keep)[:, None] + np.arange(self._keep)
        return {name: buffer[codes[:, None], places] for name, buffer in self._buffers.items()}


def _concatenate(parts: list[Windows], shape: tuple[int, int]) -> Windows:
    if not parts:
        none = np.zeros(0, np.int64)
        return Windows(none.astype(np.int32), none, none, np.zeros((0, *shape), np.float32), np.zeros(0, np.float32))
    return Windows(*(np.concatenate([getattr(part, name) for part in parts]) for name in Windows.__slots__))
