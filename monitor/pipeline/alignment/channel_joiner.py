"""Channels that arrive in separate messages at different rates, joined on the grid.

A message brings some of a stream's channels (the others are NaN) and belongs to a slot of the grid. Every decision
depends on the order in which a stream's messages arrived, never on how they were cut into batches:

* *late*: more than `lateness` slots behind the stream's clock, which is the largest slot of any of its channels.
  After `flush` whatever comes for a slot up to the last released one is late too: the clock goes ahead accordingly.
* *duplicate*: in time, but its slot has a value of each of its channels already; the first one wins.
* all others are *accepted*. A slot is *final* when it has all channels, or when messages for it would be late.
  It is released when it and every slot before it are final: what came in time is in it, in whatever order it came.
* a channel that a released slot lacks takes its last value, up to `max_age` slots old; an older one is missing. From
  there on a slot is treated like one whose message lacks a value: see `monitor.pipeline.alignment.aligner`.

A message without any value is a sign of life: its slot is released, with the last values. A slot that has no
message at all is a gap.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitor.config.families import Family
from monitor.config.resolved import Grid
from monitor.pipeline.alignment.aligner import Aligner
from monitor.pipeline.alignment.believed import Believed, clock_before
from monitor.pipeline.alignment.clocks import Clocks
from monitor.pipeline.alignment.held import Held
from monitor.pipeline.alignment.holding import patience
from monitor.pipeline.alignment.sorted_readings import NOTHING, Aside, Sorted
from monitor.pipeline.state.columns import Columns
from monitor.pipeline.state.segments import Gridded, segments
from monitor.records.batches import NEVER, Bool, Float32, Int32, Int64
from monitor.records.counters import GRID
from monitor.records.late import Late


def aligner_of(family: Family) -> Aligner:
    """What puts the readings of a family on its grid."""
    kind = Joiner if family.format.channel else Aligner
    exact = bool(family.format.counters)
    return kind(family.shape.width, family.grid, family.align.max_future_skew, patience(family), exact=exact)


class Joiner(Aligner):
    """An aligner for streams whose channels come one by one; the grid has an interval."""

    def __init__(
        self, width: int, grid: Grid, skew: int = 0, patience: int | None = None, *, exact: bool = False
    ) -> None:
        super().__init__(width, grid, skew, patience, exact=exact)
        self._places = grid.lateness + 1  # for the slots that may wait at a time, each at its number modulo this
        self.columns = Columns(
            dict.fromkeys(GRID, (np.int64, (), 0))
            | {
                "clock": (np.int64, (), NEVER),
                "head": (np.int64, (), NEVER),  # the last released slot
                "last": (np.float32, (width,), np.nan),  # its values
                "known": (np.float32, (width,), np.nan),  # the last value that each channel sent
                "known_slot": (np.int64, (width,), NEVER),
                "waiting": (np.int32, (), 0),  # slots
                "waiting_slot": (np.int64, (self._places,), NEVER),
                "waiting_values": (np.float32, (self._places, width), np.nan),
            }
            | self._holding.spec
        )
        self.held = Held(width, grid, joins=True, exact=exact)
        self.clocks = Clocks(grid, skew, self.columns, self.held)

    def place(self, believed: Believed) -> Gridded:
        """See `Aligner`; each reading has some of the channels, and NaN in the others."""
        self.late, self.aside, self.missing = None, self.clocks.aside, None
        self.released = NOTHING
        readings, order, first = believed.readings, believed.order, believed.first
        batch = Sorted(believed.stream, believed.slot, readings.values[order])
        if not len(batch.stream):
            return self._fill(batch)
        before = clock_before(self.columns["clock"], batch.stream, batch.slot, first)
        late = batch.slot < before - self._lateness
        if late.any():
            np.add.at(self.columns["late"], batch.stream[late], 1)
            behind = (before - batch.slot)[late] * (self.grid.interval or 1)
            self.late = Late(readings.take(order[late]), behind)
            self.aside.append(("late", Aside(batch.stream[late], before[late], behind)))
        streams = batch.stream[first]
        batch = batch.take(~late)
        np.maximum.at(self.columns["clock"], batch.stream, batch.slot)
        slots = self._join(self._take_waiting(streams), batch)
        return self._fill(self._hold_known(self._release(slots)))

    def flush(self, streams: Int32 | None = None) -> Gridded:
        """See `Aligner`."""
        self.aside, self.missing = [], None
        streams = self._that_wait(streams)
        waited = self._take_waiting(streams)
        released = self._fill(self._hold_known(waited.take(np.lexsort((waited.slot, waited.stream)))))
        self.columns["clock"][streams] = self.columns["head"][streams] + self._places  # the last may lack channels
        return released

    def _join(self, waited: Sorted, batch: Sorted) -> Sorted:
        """One row per slot, by stream and slot; counts the messages, which are in order of arrival."""
        done = batch.slot <= self.columns["head"][batch.stream]  # in time, so it is complete
        stream, slot, values = (
            np.concatenate([of_waited, of_batch]) for of_waited, of_batch in zip(waited, batch, strict=True)
        )
        order = np.lexsort((slot, stream))  # stable: what waited first, then by arrival
        begins = np.ones(len(order), np.bool_)
        begins[1:] = (stream[order][1:] != stream[order][:-1]) | (slot[order][1:] != slot[order][:-1])
        row = np.empty(len(order), np.int64)
        row[order] = np.cumsum(begins) - 1
        joined, new = _first_values(row, order, values)
        self._count_messages(batch, done, new[len(waited.stream) :])
        open_ = np.ones(int(begins.sum()), np.bool_)
        open_[row[len(waited.stream) :][done]] = False
        head = order[begins]
        return Sorted(stream[head], slot[head], joined).take(open_)

    def _count_messages(self, batch: Sorted, done: Bool, new: Bool) -> None:
        """A message with values of which none is `new`, or for a slot that is `done`, is a duplicate."""
        bare = np.isnan(batch.values).all(axis=1)
        duplicate = ~bare & (done | ~new)
        self._count_duplicates(batch.stream[duplicate], batch.slot[duplicate])
        np.add.at(self.columns["accepted"], batch.stream[~duplicate], 1)

    def _release(self, ready: Sorted) -> Sorted:
        """Split off the slots that must still wait, for their channels or for earlier slots."""
        stream, slot, values = ready
        if not len(stream):
            return ready
        first, size = segments(stream)
        past = slot - (self.columns["clock"][stream] - self._lateness)  # below 0: nothing more can come
        next_to_final = (slot == self._slot_before(stream, slot, first) + 1) | (past <= 0)
        final = (past < 0) | ~np.isnan(values).any(axis=1)
        breaks = np.cumsum(~(final & next_to_final))
        earlier = np.repeat(breaks[first] - ~(final & next_to_final)[first], size)
        wait = breaks > earlier
        if wait.any():
            self._put_waiting(ready.take(wait))
            ready = ready.take(~wait)
        return ready

    def _put_waiting(self, rest: Sorted) -> None:
        first, size = segments(rest.stream)
        place = rest.slot % self._places
        self.columns["waiting"][rest.stream[first]] = size
        self.columns["waiting_slot"][rest.stream, place] = rest.slot
        self.columns["waiting_values"][rest.stream, place] = rest.values

    def _hold_known(self, released: Sorted) -> Sorted:
        """Fill what a slot lacks with the channel's last value where that is young enough; remember the last ones."""
        stream, slot, values = released
        if not len(stream):
            return released
        first, size = segments(stream)
        source = np.where(np.isnan(values), -1, np.arange(len(stream))[:, None])
        source = np.maximum.accumulate(source, axis=0)  # row of the newest value, of this stream or of one before it
        inside = source >= np.repeat(first, size)[:, None]
        column = np.arange(values.shape[1])
        known = np.where(inside, values[source, column], self.columns["known"][stream])
        since = np.where(inside, slot[source], self.columns["known_slot"][stream])
        last = np.append(first[1:], len(stream)) - 1
        self.columns["known"][stream[last]], self.columns["known_slot"][stream[last]] = known[last], since[last]
        young = slot[:, None] - since <= self.grid.max_age
        return Sorted(stream, slot, np.where(young, known, np.float32(np.nan)))


def _first_values(row: Int64, order: NDArray[np.int64], values: Float32) -> tuple[Float32, Bool]:
    """Of all `values` (n, width) for each of the rows, the one that comes first in `order`; and which brought any."""
    width = values.shape[1]
    joined = np.full((int(row.max()) + 1 if len(row) else 0, width), np.nan, np.float32)
    rank, channel = np.nonzero(~np.isnan(values[order]))
    cell = row[order[rank]] * width + channel
    _, first = np.unique(cell, return_index=True)
    message = order[rank[first]]
    joined.reshape(-1)[cell[first]] = values[message, channel[first]]
    new = np.zeros(len(row), np.bool_)
    new[message] = True
    return joined, new
