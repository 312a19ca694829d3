"""Each heartbeat as one window: from 0.25 s before its R-peak to 0.45 s after it, and how it came in time.

A window is (length, 1): the signal at evenly spaced moments, its median removed, and in the last twentieth of points
a step that draws the rhythm, since a beat of normal shape at a wrong moment is a fault too: how premature the beat was
(0 = in time, 0.4 = after 60 % of the expected interval) times the usual height of the stream's R-peaks, so that it
weighs the same in mV and in counts of a converter. `end` is the time of the R-peak, by which people name a beat;
`start` lies 0.25 s before it. The window is emitted when the samples up to 0.45 s after the R-peak have arrived, that
of an early beat with the next one (see `waiting`).

Samples count as evenly spaced, `rate` a second. Work is done in blocks of 25 ms, counted from the stream's beginning.
A stream restarts where the aligner says so and, without a grid, where time jumps by more than 0.1 s; samples before its
start count as filled in. So do those behind the end of a source, where the beats that were found already are cut; an
R-peak less than about 0.3 s before the end is not found.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitor.config.families import Family
from monitor.config.resolved import Grid
from monitor.config.windows import RHYTHM
from monitor.pipeline.state.columns import Columns
from monitor.pipeline.state.segments import Gridded, segment_starts
from monitor.pipeline.windowing.base import History
from monitor.pipeline.windowing.beats.chunks import Chunk, Part, Samples, split
from monitor.pipeline.windowing.beats.found import Beats, Found
from monitor.pipeline.windowing.beats.neighbours import Neighbours
from monitor.pipeline.windowing.beats.peaks import Finder
from monitor.pipeline.windowing.beats.prominence import buried, spreads
from monitor.pipeline.windowing.beats.quality import Quality, learnable, too_noisy
from monitor.pipeline.windowing.beats.rhythm import ROW, Beat, Hump, Rhythm
from monitor.pipeline.windowing.beats.waiting import wait
from monitor.records.batches import NEVER, Bool, Float32, Float64, Int32, Int64, Windows

BEFORE, AFTER = 0.25, 0.45  # s around the R-peak
BLOCK = 0.025  # s
RING = 2.0  # s of samples that are kept: enough for LOOK_BACK, and a window around what is found there
JUMP = 10**8  # ns
WAITING = 4  # beats of a stream that were found and wait for their last samples
COVER = 1 / 0.02  # with the bootstrap detector's limit of 10, a beat a fifth premature is an anomaly


class BeatWindower:
    """Windows of `length` points from one channel of samples at `rate` Hz, on a grid of `interval` ns if it is given.

    `beats` are those of the last `add` or `finish`.
    """

    def __init__(self, length: int, rate: float, interval: int | None = None) -> None:
        self._length, self._rate, self._interval, self._finder = length, rate, interval, Finder(rate)
        self._grid = Grid(interval)
        self._block, self._keep = max(1, round(BLOCK * rate)), round(RING * rate)
        self._drawn = -(-length // RHYTHM)  # points of the rhythm
        self._at = np.linspace(-BEFORE, AFTER, length - self._drawn)
        at = self._at * rate
        self._left = np.floor(at).astype(np.int64)
        self._share = at - self._left  # of the sample to the right
        self._span = np.arange(self._left[0], self._left[-1] + 2)
        self._ring = Columns(
            {
                "count": (np.int64, (), 0),
                "values": (np.float32, (self._keep,), 0.0),
                "filled": (np.uint8, (-(-self._keep // 8),), 255),  # a bit each
                "time": (np.int64, (), NEVER),  # of the newest
                "step": (np.int32, (0 if interval else self._keep,), 0),  # ns since the sample before
                "waiting": (np.float64, (WAITING, len(Beat._fields)), np.nan),
            }
        )
        self._rhythms: list[Rhythm] = []
        self._quality = Quality(rate, self._block, self._finder.margin)
        self._neighbours = Neighbours(rate, self._keep - self._block)
        kept: list[tuple[str, np.dtype[np.void]]] = [("ring", self._ring.dtype), ("rhythm", ROW)]
        self.dtype = np.dtype([*kept, ("quality", self._quality.columns.dtype)])
        self.earlier = (np.dtype(kept),)
        self.beats = Beats.none()

    @classmethod
    def of(cls, family: Family) -> BeatWindower:
        """For the beats of a family."""
        return cls(family.shape.length, family.rate, family.grid.interval)

    @property
    def memory(self) -> int:
        """Bytes a stream takes, about."""
        return self._keep * (4 + 1 + 8)  # value, filled-in flag, time

    @property
    def facts(self) -> dict[str, Float64]:
        """What is known of the last beats, by name."""
        return self.beats.facts

    def grow(self, rows: int) -> None:
        """Make room for `rows` streams."""
        self._ring.grow(rows)
        self._quality.columns.grow(rows)
        self._rhythms += [self._new() for _ in range(rows - len(self._rhythms))]

    def dump(self, codes: NDArray[np.integer]) -> NDArray[np.void]:
        """The last samples of each stream and what is known of its beats."""
        out = np.empty(len(codes), self.dtype)
        out["ring"], out["quality"] = self._ring.dump(codes), self._quality.columns.dump(codes)
        out["rhythm"] = np.array([self._rhythms[code].dump() for code in codes.tolist()], ROW)
        return out

    def load(self, codes: NDArray[np.integer], rows: NDArray[np.void]) -> None:
        """Put back what `dump` gave."""
        self._ring.load(codes, rows["ring"])
        self._quality.columns.clear(codes)
        if "quality" in (rows.dtype.names or ()):
            self._quality.columns.load(codes, rows["quality"])
        for code, row in zip(codes.tolist(), rows["rhythm"], strict=True):
            self._rhythms[code].load(row)

    def clear(self, codes: NDArray[np.integer]) -> None:
        """Make these rows new."""
        self._ring.clear(codes)
        self._quality.columns.clear(codes)
        for code in codes.tolist():
            self._rhythms[code] = self._new()

    def add(self, readings: Gridded) -> Windows:
        """Append samples, sorted by stream, and cut the beats they complete; sorted by stream and time."""
        samples = self._samples(readings)
        return self._join([self._advance(self._chunk(samples, part)) for part in split(samples)])

    def finish(self, readings: Gridded) -> Windows:
        """`add` the last samples, and also cut the beats that wait for more; then reset all streams."""
        done = [(self.add(readings), self.beats)]
        streams = np.flatnonzero(self._ring["count"]).astype(np.int32)
        done.append(self._advance(self._ending(streams), ended=True))
        self._ring["count"][streams] = 0
        return self._join(done)

    def cut_history(self, values: Float32, time: Int64, most: int) -> History:
        """The beats of a history (n, 1), without those that touch its beginning or a gap, or stand in noise."""
        del most  # none of them overlap much
        fresh = BeatWindower(self._length, self._rate, self._interval)
        fresh.grow(1)
        begins = np.zeros(len(time), bool)
        if self._interval is not None:
            begins[1:] = np.diff(time) != self._interval
        none = np.zeros(len(time), bool)
        windows = fresh.add(Gridded(none.astype(np.int32), self._grid.slots(time), values, none, begins))
        whole = (windows.imputed == 0) & learnable(fresh.beats.share) & ~np.isnan(windows.values[:, 0, 0])
        beats = windows.values[whole]
        levels = beats.reshape(-1, 1) if len(beats) else values  # their baseline is another than the signal's
        return History(beats, windows.end[whole], levels)

    @staticmethod
    def cold_start(windows: Float32) -> Float32:
        """How premature beats are."""
        largest = np.abs(windows[:, :, 0]).max(axis=1, initial=0.0)
        return np.asarray(windows[:, -1, 0] / np.maximum(largest, 1e-30) * COVER, dtype=np.float32)

    def _join(self, done: list[tuple[Windows, Beats]]) -> Windows:
        """Of several parts, sorted by stream and time; sets `beats`."""
        windows = [_no_windows(self._length), *(windows for windows, _ in done)]
        beats = [Beats.none(), *(beats for _, beats in done)]
        joined = Windows(*(np.concatenate([getattr(w, name) for w in windows]) for name in Windows.__slots__))
        order = np.argsort(joined.stream, kind="stable")
        self.beats = Beats(*(np.concatenate([getattr(b, name) for b in beats]) for name in Beats.__slots__)).take(order)
        return joined.take(order)

    def _new(self) -> Rhythm:
        return Rhythm(self._rate, self._finder.margin)

    def _samples(self, readings: Gridded) -> Samples:
        value, time = readings.values[:, 0], self._grid.times(readings.slot)
        lost, begins = np.isnan(value), readings.restart.copy()
        first = segment_starts(readings.stream)
        streams = readings.stream[first]
        begins[first] |= self._ring["count"][streams] == 0
        if self._interval is None:
            step = np.diff(time, prepend=0)
            step[first] = time[first] - self._ring["time"][streams]
            begins |= step > JUMP
        return Samples(readings.stream, np.where(lost, np.float32(0), value), readings.imputed | lost, time, begins)

    def _chunk(self, samples: Samples, part: Part) -> Chunk:
        """The part's samples behind those of the ring, which then holds the newest of both."""
        ring, rows, stream = self._ring, part.rows, part.stream
        self._begin(stream[part.begins], samples, part.row[part.begins])
        values = np.concatenate([ring["values"][stream], samples.value[rows]], axis=1)
        filled = np.concatenate([self._filled(stream), samples.filled[rows]], axis=1)
        time = np.concatenate([self._times(stream), samples.time[rows]], axis=1)
        newest = part.size[:, None] + np.arange(self._keep)
        ring["values"][stream] = np.take_along_axis(values, newest, axis=1)
        ring["filled"][stream] = np.packbits(np.take_along_axis(filled, newest, axis=1), axis=1)
        ring["time"][stream] = samples.time[part.row + part.size - 1]
        if self._interval is None:
            ring["step"][stream] = np.take_along_axis(np.diff(time), newest - 1, axis=1)
        count = ring["count"][stream]
        ring["count"][stream] += part.size
        ready = (count + part.size) // self._block * self._block
        return Chunk(stream, values, filled, time, count - self._keep, count // self._block * self._block, ready)

    def _ending(self, stream: Int32) -> Chunk:
        """The samples of the ring, the last one repeated as padding; no further block follows."""
        count, more = self._ring["count"][stream], self._span[-1] + 1
        values = np.pad(self._ring["values"][stream], ((0, 0), (0, more)), mode="edge")
        filled = np.pad(self._filled(stream), ((0, 0), (0, more)), constant_values=True)
        return Chunk(
            stream, values, filled, self._times(stream), count - self._keep, count // self._block * self._block, count
        )

    def _filled(self, stream: Int32) -> Bool:
        """Which samples of the ring were filled in."""
        return np.unpackbits(self._ring["filled"][stream], axis=1, count=self._keep).view(np.bool_)

    def _times(self, stream: Int32) -> Int64:
        """Times of the samples in the ring."""
        back = np.zeros((len(stream), self._keep), np.int64)  # from the newest one
        step = self._ring["step"][stream] if self._interval is None else np.full_like(back, self._interval)
        np.cumsum(step[:, :0:-1], axis=1, out=back[:, -2::-1])
        return np.asarray(self._ring["time"][stream][:, None] - back)

    def _begin(self, streams: Int32, samples: Samples, row: Int64) -> None:
        """Reset the samples of these streams; the first new one is repeated as padding before it."""
        self._ring["count"][streams] = 0
        self._ring["values"][streams] = samples.value[row][:, None]
        self._ring["filled"][streams] = 255
        self._ring["time"][streams] = samples.time[row]
        self._ring["step"][streams] = 0
        self._ring["waiting"][streams] = np.nan
        self._quality.begin(streams)
        for code in streams.tolist():
            self._rhythms[code].begin()

    def _advance(self, chunk: Chunk, *, ended: bool = False) -> tuple[Windows, Beats]:
        """Find beats in complete blocks, and cut those whose last samples have arrived, or never will."""
        found, envelope = self._find(chunk)
        needed, next_ = wait(found, self._rate, self._span[-1] + 1, self._finder.latest)
        whole = (needed <= chunk.ready[found.row]) | ended
        self._wait(chunk.stream, found.take(~whole))
        found, needed, next_ = found.take(whole), needed[whole], next_[whole]
        known = -(-found.known // self._block) * self._block  # samples are read block by block
        known = np.minimum(known, chunk.ready[found.row])
        noise = self._quality.noise(chunk, envelope, found, needed)
        windows = self._cut(chunk, found)
        spread = spreads(windows.values[:, : len(self._at), 0], self._at, found.interval, next_)
        windows.values[too_noisy(noise.share) | buried(spread, noise.share)] = np.nan
        alike = self._neighbours.alike(chunk, found, next_, needed)
        latency = (known - 1 - found.peak) / self._rate
        return windows, Beats(found.interval, next_, latency, *noise, spread.beside, alike)

    def _find(self, chunk: Chunk) -> tuple[Found, Float32]:
        """Beats that waited and new ones, and the envelope that they stand in."""
        margin = self._finder.margin
        from_ = max(0, self._keep - self._block - 2 * margin - 1)
        place = chunk.origin[:, None] + np.arange(from_, chunk.values.shape[1])
        decidable = (place >= np.maximum(chunk.before - margin, 0)[:, None]) & (place < (chunk.ready - margin)[:, None])
        samples = chunk.values[:, from_:].astype(np.float64)
        heights = self._finder.heights(samples)
        envelope = self._quality.follow(chunk, heights, from_)
        humps = self._finder.find(samples, heights, decidable)
        shift = chunk.origin[humps.row] + from_
        columns = (
            humps.column + shift, humps.height, humps.slope, humps.up, humps.up_at + shift, humps.down,
            humps.down_at + shift,
        )  # fmt: skip
        listed = list(map(Hump, *(column.tolist() for column in columns)))
        edges = np.searchsorted(humps.row, np.arange(len(chunk.stream) + 1)).tolist()
        beats: list[tuple[float, ...]] = []
        for row, (code, ready) in enumerate(zip(chunk.stream.tolist(), chunk.ready.tolist(), strict=True)):
            waiting = self._ring["waiting"][code]
            beats += [(row, *beat) for beat in waiting[~np.isnan(waiting[:, 0])].tolist()]
            beats += [(row, *beat) for beat in self._rhythms[code].advance(listed[edges[row] : edges[row + 1]], ready)]
        row_, peak, known, interval, rhythm, size = np.array(beats, np.float64).reshape(-1, 1 + len(Beat._fields)).T
        found = Found(row_.astype(np.int64), peak.astype(np.int64), known.astype(np.int64), interval, rhythm, size)
        return found, envelope

    def _wait(self, stream: Int32, found: Found) -> None:
        self._ring["waiting"][stream] = np.nan
        turn = np.arange(len(found.row)) - np.searchsorted(found.row, found.row)
        self._ring["waiting"][stream[found.row], turn] = np.stack(found[1:], axis=1)

    def _cut(self, chunk: Chunk, found: Found) -> Windows:
        """The windows of beats whose samples have all arrived."""
        row = found.row[:, None]
        column = (found.peak - chunk.origin[found.row])[:, None]
        left = column + self._left
        low, high = chunk.values[row, left], chunk.values[row, left + 1]
        signal = low + (high - low) * self._share  # (m, points)
        signal -= np.median(signal, axis=1)[:, None]
        step = np.maximum(1 - found.rhythm, 0) * found.size
        drawn = np.repeat(step[:, None], self._drawn, axis=1)
        values = np.concatenate([signal, drawn], axis=1)[:, :, None].astype(np.float32)
        imputed = chunk.filled[row, column + self._span].mean(axis=1, dtype=np.float32)
        end = chunk.time[found.row, np.maximum(found.peak, 0) - chunk.origin[found.row]]  # not before the first sample
        return Windows(chunk.stream[found.row], end - round(BEFORE * 1e9), end, values, imputed)


def _no_windows(length: int) -> Windows:
    none = np.zeros(0, np.int64)
    return Windows(none.astype(np.int32), none, none, np.zeros((0, length, 1), np.float32), np.zeros(0, np.float32))
