"""Event time to grid: late, duplicate, future and missing readings, decided stream by stream.

Every decision depends only on the order in which a stream's readings arrived, never on how they were cut into batches:

* *slot* of a reading: its time divided by the interval, rounded. The stream's *clock* is the largest slot seen.
* *future*: ahead of what can be believed; set aside, the clock does not move. `clocks` decides that beforehand.
* *late*: more than `lateness` slots behind the clock when it arrived.
  After `flush` what comes before the last released slot is late too: the clock goes `lateness` ahead of that slot.
* *duplicate*: in time, but its slot was already taken; the first one wins.
* all others are *accepted*. They are released in slot order as soon as nothing can come before them: at once when the
  slot before was released, else when the clock is `lateness` ahead.
* a released reading after 1..`max_gap` missing slots brings linearly filled slots with it; after more it *restarts* the
  stream's windows. A NaN cell takes the channel's last value and marks its slot as filled; where a reading has several
  channels, for `patience` readings in a row. From then on the cell stays NaN, and its slot counts as filled only when
  nothing else is known of it.

Without an interval there is no grid: the slot is the time itself, nothing waits and nothing is filled.

One stream on a grid of 10 ns. The second reading of slot 2 is a duplicate; slot 3 is filled in when slot 4 comes:

>>> aligner = Aligner(width=1, grid=Grid(interval=10, lateness=1, max_gap=3))
>>> aligner.grow(1)
>>> time, value = np.array([10, 21, 19, 40, 52]), np.array([[1.0], [2.0], [9.0], [4.0], [5.0]], np.float32)
>>> one = np.zeros(5, np.int32)
>>> ready = aligner.add(Readings(one, time, value, partition=one, offset=np.arange(5)))
>>> ready.slot.tolist(), ready.values[:, 0].tolist(), ready.imputed.tolist()
([1, 2, 3, 4, 5], [1.0, 2.0, 3.0, 4.0, 5.0], [False, False, True, False, False])
>>> {name: int(aligner.columns[name][0]) for name in GRID}
{'accepted': 4, 'late': 0, 'duplicate': 1, 'future': 0, 'imputed': 1}
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitor.config.resolved import Grid
from monitor.pipeline.alignment.believed import Believed, clock_before
from monitor.pipeline.alignment.clocks import Clocks
from monitor.pipeline.alignment.held import Held
from monitor.pipeline.alignment.holding import Holding
from monitor.pipeline.alignment.interpolation import interpolate
from monitor.pipeline.alignment.sorted_readings import NOTHING, Aside, Missing, Sorted
from monitor.pipeline.state.columns import Columns, layout
from monitor.pipeline.state.segments import Gridded, in_turn, segment_starts, segments
from monitor.records.batches import NEVER, Int32, Int64, Readings
from monitor.records.counters import GRID
from monitor.records.late import Late


class Aligner:
    """Puts the readings of one family, of `width` numbers each, on its grid; `skew` (`max_future_skew`) is in ns.

    `patience`: how many readings in a row a cell is filled in for; None = for ever. `exact`: values come as float64,
    and are held so until they are placed.
    """

    def __init__(
        self, width: int, grid: Grid, skew: int = 0, patience: int | None = None, *, exact: bool = False
    ) -> None:
        self.grid = grid
        self._holding = Holding(width, patience)
        self._lateness = grid.lateness
        self.late: Late | None = None  # those of the last batch
        self.aside: list[tuple[str, Aside]] = []  # with their counters
        self.released = NOTHING  # with NaN for what is missing, and without filled slots; those that lack values:
        self.missing: Missing | None = None
        waiting = self._lateness
        self.columns = Columns(
            dict.fromkeys(GRID, (np.int64, (), 0))
            | {
                "clock": (np.int64, (), NEVER),
                "head": (np.int64, (), NEVER),  # slot of the last released reading
                "last": (np.float32, (width,), np.nan),  # its values
                "waiting": (np.int32, (), 0),
                "waiting_slot": (np.int64, (waiting,), NEVER),
                "waiting_values": (np.float32, (waiting, width), np.nan),
            }
            | self._holding.spec
        )
        self.held = Held(width, grid, exact=exact)
        self.clocks = Clocks(grid, skew, self.columns, self.held)

    def grow(self, rows: int) -> None:
        """Make room for `rows` streams."""
        self.columns.grow(rows)
        self.held.grow(rows)

    @property
    def earlier(self) -> tuple[np.dtype[np.void], ...]:
        """Layouts of saved states that did not count what is missing."""
        names = [name for name in self.columns.dtype.names or () if name != "missing"]
        return (layout({name: self.columns.spec[name] for name in names}),)

    def add(self, readings: Readings, now: int | None = None) -> Gridded:
        """Accept a batch in order of arrival and return what can be released. `now` (ns) is the wall clock, if live."""
        return self.place(self.clocks.believed(readings, now))

    def place(self, believed: Believed) -> Gridded:
        """Accept the believed readings of a batch, and return what can be released."""
        self.late, self.aside, self.missing = None, self.clocks.aside, None
        self.released = NOTHING
        batch = Sorted(believed.stream, believed.slot, believed.readings.values[believed.order])
        if len(batch.stream):
            if (ready := self._in_order(batch, believed)) is not None:
                return ready
            accepted, late, behind = self._accept(batch)
            if len(late):
                self.late = Late(believed.readings.take(believed.order[late]), behind * (self.grid.interval or 1))
            batch = self._release(accepted)
        return self._fill(batch)

    def flush(self, streams: Int32 | None = None) -> Gridded:
        """Release everything that waits, of these streams or all: nothing more will come."""
        self.aside, self.missing = [], None
        streams = self._that_wait(streams)
        released = self._fill(self._take_waiting(streams))
        self.columns["clock"][streams] = self.columns["head"][streams] + self._lateness
        return released

    def finish(self, believed: Believed) -> Gridded:
        """Place the last readings of all, and release everything that waits."""
        placed = self.place(believed)
        aside, missing, first = self.aside, self.missing, self.released
        rest = self.flush()
        self.aside, self.released = aside, first.and_then(self.released)
        if missing is not None:
            self.missing = missing if self.missing is None else missing.and_then(self.missing)
        return in_turn(placed, rest)

    def newest(self, codes: NDArray[np.integer]) -> Int64:
        """Slot of each stream's newest reading that was accepted; NEVER before the first."""
        columns = self.columns
        waiting = columns["waiting_slot"][codes].max(axis=1, initial=NEVER)
        return np.asarray(np.maximum(columns["head"][codes], waiting))

    def _that_wait(self, streams: Int32 | None) -> Int32:
        """Of these streams or all, those that have something waiting."""
        waiting = self.columns["waiting"]
        return np.flatnonzero(waiting).astype(np.int32) if streams is None else streams[waiting[streams] > 0]

    def _in_order(self, batch: Sorted, believed: Believed) -> Gridded | None:
        """Fast path: the batch as it is, where the buffers are empty and every reading fills the next slot."""
        stream, slot, values = batch
        first, columns = believed.first, self.columns
        streams, last = stream[first], np.append(first[1:], len(stream)) - 1
        if not (self.grid.interval and len(stream)) or columns["waiting"][streams].any() or np.isnan(values).any():
            return None
        if (believed.step != 1).any():
            return None
        columns["head"][streams] = slot[last]
        columns["clock"][streams] = np.maximum(columns["clock"][streams], slot[last])  # ahead after `flush`
        columns["last"][streams] = values[last]
        columns["accepted"][streams] += last - first + 1
        self._holding.reset(streams, columns)
        self.released = batch
        nothing = np.zeros(len(slot), bool)
        return Gridded(stream, slot, values, nothing, nothing)

    def _accept(self, batch: Sorted) -> tuple[Sorted, Int64, Int64]:
        """Drop and count the late and duplicate ones; the others, by stream and slot, with those that waited.

        Also returns which rows were late, and by how many slots.
        """
        stream, slot, _ = batch
        first = segment_starts(stream)
        clock, head = self.columns["clock"], self.columns["head"]
        rising = np.empty(len(slot), bool)
        np.greater(slot[1:], slot[:-1], out=rising[1:])
        rising[first] = slot[first] > clock[stream[first]]
        too_late = behind = np.zeros(0, np.int64)
        if not rising.all():
            before = clock_before(clock, stream, slot, first)
            late = slot < before - self._lateness
            too_late = np.flatnonzero(late)
            behind = (before - slot)[too_late]
            np.add.at(self.columns["late"], stream[late], 1)
            self.aside.append(("late", Aside(stream[late], before[late], behind * (self.grid.interval or 1))))
            duplicate = ~late & (slot <= head[stream])  # on time, so it was there when its neighbours were released
            self._count_duplicates(stream[duplicate], slot[duplicate])
            batch = batch.take(~(late | duplicate))
            np.maximum.at(clock, batch.stream, batch.slot)
        else:
            last = np.append(first[1:], len(stream)) - 1
            clock[stream[last]] = slot[last]
        waited = self._take_waiting(stream[first])
        if rising.all() and len(waited.stream) == 0:
            _count(self.columns["accepted"], stream)
            return batch, too_late, behind
        return self._merge(waited, batch), too_late, behind

    def _take_waiting(self, streams: Int32) -> Sorted:
        """Readings of these streams that waited for earlier ones; they wait no more, or again."""
        columns = self.columns
        streams = streams[columns["waiting"][streams] > 0]
        held = columns["waiting_slot"][streams] != NEVER  # (streams, lateness)
        row, place = np.nonzero(held)
        found = Sorted(
            streams[row], columns["waiting_slot"][streams[row], place], columns["waiting_values"][streams[row], place]
        )
        columns["waiting"][streams] = 0
        columns["waiting_slot"][streams] = NEVER
        return found

    def _merge(self, waited: Sorted, batch: Sorted) -> Sorted:
        """Both in slot order; of two readings for one slot the earlier arrival stays."""
        both = Sorted(
            np.concatenate([waited.stream, batch.stream]),
            np.concatenate([waited.slot, batch.slot]),
            np.concatenate([waited.values, batch.values]),
        )
        both = both.take(np.lexsort((both.slot, both.stream)))
        again = np.zeros(len(both.stream), bool)
        again[1:] = (both.stream[1:] == both.stream[:-1]) & (both.slot[1:] == both.slot[:-1])
        self._count_duplicates(both.stream[again], both.slot[again])
        _count(self.columns["accepted"], batch.stream)
        np.subtract.at(self.columns["accepted"], both.stream[again], 1)
        return both.take(~again)

    def _count_duplicates(self, stream: Int32, slot: Int64) -> None:
        np.add.at(self.columns["duplicate"], stream, 1)
        if len(stream):
            self.aside.append(("duplicate", Aside(stream, slot, np.zeros(len(stream), np.int64))))

    def _release(self, ready: Sorted) -> Sorted:
        """Split off what must still wait for an earlier slot."""
        if not (self._lateness and len(ready.stream)):
            return ready
        stream, slot, _ = ready
        first, size = segments(stream)
        before = self._slot_before(stream, slot, first)
        forced = slot <= self.columns["clock"][stream] - self._lateness
        breaks = np.cumsum(~forced & (slot != before + 1))
        segment = np.repeat(np.arange(len(first)), size)
        breaks -= (breaks[first] - (~forced & (slot != before + 1))[first])[segment]
        wait = breaks > 0
        if wait.any():
            self._put_waiting(ready.take(wait))
            ready = ready.take(~wait)
        return ready

    def _put_waiting(self, rest: Sorted) -> None:
        first, count = segments(rest.stream)
        place = np.arange(len(rest.stream)) - np.repeat(first, count)
        self.columns["waiting"][rest.stream[first]] = count
        self.columns["waiting_slot"][rest.stream, place] = rest.slot
        self.columns["waiting_values"][rest.stream, place] = rest.values

    def _slot_before(self, stream: Int32, slot: Int64, first: Int64) -> Int64:
        """Slot of the reading before each one in its stream, NEVER at the beginning."""
        before = np.empty_like(slot)
        before[1:] = slot[:-1]
        before[first] = self.columns["head"][stream[first]]
        return before

    def _fill(self, ready: Sorted) -> Gridded:
        """Fill short gaps, mark long ones, and remember where each stream stands."""
        stream, slot, values = self.released = ready
        if len(stream) == 0:
            return Gridded(stream, slot, values, np.zeros(0, bool), np.zeros(0, bool))
        first = segment_starts(stream)
        lacking = np.asarray(np.isnan(values).any(axis=1))
        if lacking.any():
            self.missing = Missing(stream[lacking], slot[lacking], np.isnan(values[lacking]))
        values, held = self._holding.fill(stream, values, first, self.columns)
        before = self._slot_before(stream, slot, first)
        gap = slot - before - 1 if self.grid.interval else np.zeros_like(slot)
        restart = (before == NEVER) | (gap > self.grid.max_gap)
        gap[restart] = 0
        filled = Gridded(stream, slot, values, held, restart)
        if gap.any():
            filled = interpolate(filled, gap, self.columns["last"])
        last = np.append(first[1:], len(stream)) - 1
        self.columns["head"][stream[last]] = slot[last]
        self.columns["last"][stream[last]] = values[last]
        np.add.at(self.columns["imputed"], filled.stream[filled.imputed], 1)
        return filled


def _count(counter: Int64, stream: Int32) -> None:
    """Add 1 to the counter of each stream's row, for every time it occurs; `stream` is sorted."""
    first, size = segments(stream)
    counter[stream[first]] += size
