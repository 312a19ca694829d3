"""Which rows of a file the aligner takes: read, believed, in time, and the first of their slot."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from monitor.config.resolved import Grid
from monitor.pipeline.alignment.aligner import Aligner
from monitor.records.batches import NEVER, Int64, Readings


class Fates(NamedTuple):
    """Row numbers by fate, and of the rows `taken` the times. Rows of earlier batches are among them when decided."""

    taken: Int64
    time: Int64
    late: Int64
    duplicate: Int64
    future: Int64


class RowFates:
    """Of one stream, on a grid without lateness; `open` is the row that a later one must confirm, or None."""

    def __init__(self, grid: Grid) -> None:
        self.open: int | None = None
        self._aligner = Aligner(0, grid)
        self._aligner.grow(1)

    def follow(self, clock: int) -> None:
        """Go on from this time (ns), or NEVER, without an open row."""
        self._aligner.held.clear(np.zeros(1, np.int64))
        self._set(clock if clock == NEVER else int(self._aligner.grid.slots(np.array(clock))))
        self.open = None

    def add(self, readings: Readings, *, ended: bool) -> Fates:
        """What becomes of the next readings; `ended`: they are the last, and no row stays open."""
        clocks, held, count = self._aligner.clocks, self._aligner.held, len(readings)
        one, nothing = np.zeros(count, np.int32), np.zeros((count, 0), np.float32)
        batch = Readings(one, readings.time, nothing, readings.partition, readings.offset)
        believed, future = clocks.believed(batch).readings, clocks.offsets
        if ended:
            first = clocks.settle().readings
            believed, future = (first if len(first) else believed), future + clocks.offsets
        slot = self._aligner.grid.slots(believed.time)
        newest = np.maximum.accumulate(np.concatenate([self._aligner.columns["clock"][:1], slot]))
        before = newest[:-1]
        self._set(int(newest[-1]))
        aside = np.concatenate([np.zeros(0, np.int64), *future])
        still = held.columns["offset"][:1][held.count(np.zeros(1, np.int64)) > 0]
        self.open = int(still[0]) if len(still) else None
        again = ~np.isin(batch.offset, np.concatenate([believed.offset, aside, still]))
        taken = slot > before
        return Fates(
            believed.offset[taken], believed.time[taken], believed.offset[slot < before],
            np.concatenate([believed.offset[slot == before], batch.offset[again]]), aside,
        )  # fmt: skip

    def _set(self, clock: int) -> None:
        for name in ("clock", "head"):
            self._aligner.columns[name][0] = clock
