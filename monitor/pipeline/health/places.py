"""Where readings and windows of a family count: their places, in stretches of so many, and when these are complete."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from monitor.config.families import Family
from monitor.pipeline.alignment.aligner import Aligner
from monitor.pipeline.alignment.sorted_readings import Aside, Sorted
from monitor.pipeline.health.stretches import SIZES, Stretches
from monitor.pipeline.state.codec import Codes
from monitor.pipeline.state.columns import Columns
from monitor.pipeline.state.segments import Gridded, segment_starts
from monitor.records.batches import NEVER, Bool, Float64, Int64

if TYPE_CHECKING:
    from monitor.pipeline.health.unscored import Batch

BEAT_DELAY, BEAT_SPAN = 4, 3  # s after which a beat is known at the latest; of signal that one beat accounts for


class Places:
    """Slots of the grid; without one, moments at the sampling rate, or else readings counted from the first.

    `stretch` places are counted together, fewer than `least` readings with the next stretch, and one judged window
    counts for `hop` readings. `late_windows`: windows come after their last reading.
    """

    def __init__(self, family: Family) -> None:
        self.grid = grid = family.grid
        self._channels, rules, rate = len(family.channels), family.window.rules, family.rate
        self.late_windows = rules.found
        self._step = grid.interval or (round(1e9 / rate) if rules.found else 0)  # ns; 0 = places are counted
        # A slot that is filled in comes with the reading after it, a beat some time after its R-peak.
        self._delay = grid.lateness + grid.max_gap + (round(BEAT_DELAY * rate) if rules.found else 0)
        self.hop = round(BEAT_SPAN * rate) if rules.found else 1 if rules.whole else family.shape.hop
        after = family.unscored_after
        self.stretch = max(after, self._delay + 1, 2) if after else 0
        self.least = max(1, self.stretch // 3)

    def ends(self, gridded: Gridded, first: Int64, size: Int64, placed: Int64) -> tuple[Int64, Int64]:
        """Stretches of the first and of the last reading of each stream."""
        if not self._step:
            return placed // self.stretch, (placed + size - 1) // self.stretch
        slot = gridded.slot
        return self._numbers(slot[first]), self._numbers(slot[first + size - 1])

    def tables(self, batch: Batch, slow: Bool, columns: Columns) -> list[Stretches]:
        """What the batch says about the stretches of these streams."""
        placed, gridded = columns["placed"], batch.gridded
        rows = slow[gridded.stream]
        released = batch.aligner.released
        if not rows.all():
            gridded = Gridded(*(getattr(gridded, name)[rows] for name in Gridded.__slots__))
            released = released.take(slow[released.stream])
        found = [*self._of_rows(gridded, released, columns), self._of_windows(gridded, batch, slow, placed)]
        for name, aside in batch.aligner.aside:
            number = self._of(gridded, aside.stream, aside.clock, placed)
            ones = np.ones(len(number), np.int64)
            table = Stretches.of(aside.stream, number, self._channels, **{name: ones})
            table.sizes[:, SIZES.index(name)] = _size(name, aside)
            found.append(table)
        if (missing := batch.aligner.missing) is not None:
            number = self._of(gridded, missing.stream, missing.slot, placed)
            table = Stretches.of(missing.stream, number, self._channels)
            table.absent[:] = missing.cells.reshape(len(number), -1, self._channels).any(axis=1)
            found.append(table)
        return found

    def complete(self, aligner: Aligner, stream: Codes, placed: Int64) -> Int64:
        """The newest stretch of each stream to which nothing is added any more; `placed` is after the batch."""
        return (self._clock(aligner, stream, placed) - self._delay) // self.stretch - 1

    def end(self, batch: Batch, found: Stretches, row: int, placed: Int64) -> int:
        """Time of the end of a stretch that this batch completed; `placed` is before it."""
        place = (int(found.number[row]) + 1) * self.stretch
        if self._step:
            return place * self._step
        times = batch.gridded.slot[batch.gridded.stream == found.stream[row]]
        return int(times[min(place - int(placed[found.stream[row]]), len(times) - 1)])

    def begin(self, found: Stretches, row: int, at: int) -> int:
        """Time at which a stretch began; `at` where that is not known."""
        place = int(found.number[row]) * self.stretch
        return place * self._step if self._step and place > NEVER // 2 else at

    def _clock(self, aligner: Aligner, stream: Codes, placed: Int64) -> Int64:
        if not self._step:
            return placed - 1
        clock = aligner.columns["clock"][stream]
        return np.asarray(clock if self.grid.interval else clock // self._step)

    def _numbers(self, slot: Int64) -> Int64:
        return np.asarray((slot if self.grid.interval else slot // self._step) // self.stretch)

    def _of_rows(self, gridded: Gridded, released: Sorted, columns: Columns) -> list[Stretches]:
        """Slots with readings or filled in; and how long after the reading before it each came over a gap, ns."""
        stream = gridded.stream
        number = self._of(gridded, stream, gridded.slot, columns["placed"])
        first = _runs(stream, number)
        size = np.diff(np.append(first, len(stream)))
        found = [Stretches.of(stream[first], number[first], self._channels, slots=size)]
        if self.grid.interval:
            before = np.roll(released.slot, 1)
            begins = segment_starts(released.stream)
            before[begins] = columns["newest"][released.stream[begins]]
            step = released.slot - before
            rows = np.flatnonzero((step > 1) & (before != NEVER))  # the first reading of all ends no gap
            ones = np.ones(len(rows), np.int64)
            table = Stretches.of(released.stream[rows], self._numbers(released.slot[rows]), self._channels, gaps=ones)
            table.sizes[:, SIZES.index("gaps")] = step[rows] * self.grid.interval
            found.append(table)
        return found

    def _of_windows(self, gridded: Gridded, batch: Batch, slow: Bool, placed: Int64) -> Stretches:
        rows = np.flatnonzero(slow[batch.scores.stream])
        stream, end = batch.scores.stream[rows], self.grid.slots(batch.scores.end[rows])
        judged = batch.judged[rows]
        number = self._of(gridded, stream, end, placed)
        first = _runs(stream, number)
        good = np.add.reduceat(judged, first, dtype=np.int64) if len(first) else first
        poor = np.diff(np.append(first, len(rows))) - good
        return Stretches.of(stream[first], number[first], self._channels, judged=good, poor=poor)

    def _of(self, gridded: Gridded, stream: Codes, slot: Int64, placed: Int64) -> Int64:
        """Stretches in which these slots lie; without a grid, those of the newest reading not after them."""
        if self._step or not len(stream):
            return self._numbers(slot) if self._step else slot
        kinds = np.repeat([0, 1], [len(gridded), len(stream)])
        streams, slots = np.concatenate([gridded.stream, stream]), np.concatenate([gridded.slot, slot])
        order = np.lexsort((kinds, slots, streams))
        before = np.cumsum(kinds[order] == 0)
        begins = np.concatenate([[0], np.flatnonzero(np.diff(streams[order])) + 1])
        base = np.repeat((before - (kinds[order] == 0))[begins], np.diff(np.append(begins, len(order))))
        place = np.empty(len(order), np.int64)
        place[order] = before - base - 1
        return (placed[stream] + place[len(gridded) :]) // self.stretch


def _runs(stream: Codes, number: Int64) -> Int64:
    """First row of each run of one stream and stretch."""
    begins = np.ones(len(stream), bool)
    begins[1:] = (stream[1:] != stream[:-1]) | (number[1:] != number[:-1])
    return np.flatnonzero(begins)


def _size(name: str, aside: Aside) -> Float64:
    """Late ones: how far behind, below 0, so that the least is the furthest."""
    return -aside.away.astype(np.float64) if name == "late" else aside.away.astype(np.float64)
