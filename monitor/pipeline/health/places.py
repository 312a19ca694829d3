"""Where readings and windows of a family count: their places, in stretches of so many, and when these are complete."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from monitor.config.families import Family
from monitor.pipeline.alignment.aligner import Aligner
from monitor.pipeline.alignment.sorted_readings import Aside
from monitor.pipeline.health.stretches import COUNTS, SIZES, Stretches
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
        placed = columns["placed"]
        rows = np.flatnonzero(slow[batch.gridded.stream])
        gridded = Gridded(*(getattr(batch.gridded, name)[rows] for name in Gridded.__slots__))
        windows = np.flatnonzero(slow[batch.scores.stream])
        stream, scores = batch.scores.stream[windows], batch.scores.take(windows)
        judged = ~np.isnan(scores.ratio) | batch.waiting[windows]
        slots = self.grid.slots(scores.end)
        ends = self._of(gridded, stream, slots, placed)
        found = [
            self._of_rows(gridded, columns),
            Stretches.of(stream, ends, self._channels, judged=judged, poor=~judged),
        ]
        for name, aside in batch.aligner.aside:
            table = Stretches.of(
                aside.stream, self._of(gridded, aside.stream, aside.clock, placed), self._channels,
                **{name: np.ones(len(aside.stream), np.int64)},
            )  # fmt: skip
            if name in SIZES:
                table.sizes[:, SIZES.index(name)] = _size(name, aside)
            found.append(table)
        if (missing := batch.aligner.missing) is not None:
            table = Stretches.of(
                missing.stream, self._of(gridded, missing.stream, missing.slot, placed), self._channels
            )
            table.absent[:] = missing.cells.reshape(len(missing.stream), -1, self._channels).any(axis=1)
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

    def _of_rows(self, gridded: Gridded, columns: Columns) -> Stretches:
        """Readings on the grid, and how long after the reading before it each restart came, ns."""
        number = self._of(gridded, gridded.stream, gridded.slot, columns["placed"])
        restart, ones = gridded.restart.astype(np.int64), np.ones(len(number), np.int64)
        table = Stretches.of(gridded.stream, number, self._channels, slots=ones, gaps=restart)
        if self.grid.interval and restart.any():
            first = segment_starts(gridded.stream)
            before = np.concatenate([[NEVER], gridded.slot[:-1]])
            before[first] = columns["newest"][gridded.stream[first]]
            known = gridded.restart & (before != NEVER)
            table.sizes[known, SIZES.index("gaps")] = (gridded.slot - before)[known] * self.grid.interval
            table.counts[gridded.restart & ~known, COUNTS.index("gaps")] = 0  # the stream's first reading
        return table

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


def _size(name: str, aside: Aside) -> Float64:
    """Late ones: how far behind, below 0, so that the least is the furthest."""
    return -aside.away.astype(np.float64) if name == "late" else aside.away.astype(np.float64)
