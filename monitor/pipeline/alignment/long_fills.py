"""Streams of one channel that sent no value for a long time: their windows restart with the next value.

A short run of missing values is filled in, and a window with few of them is judged. Of a run longer than `max_gap` the
fill says nothing any more, as of readings that never came: no window reaches over it, and companions, which judge the
newest reading and learn from it, see none.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from monitor.config.families import Family
from monitor.pipeline.state.codec import Section, signature
from monitor.pipeline.state.columns import Columns
from monitor.pipeline.state.segments import Gridded, segments


class LongFills:
    """How many slots in a row have been filled in, of each stream of one family. Columns: `run`."""

    def __init__(self, family: Family) -> None:
        self._longest = family.grid.max_gap
        self._watches = family.grid.interval is not None and family.shape.width == 1
        self._blank = family.judges_parts
        self.columns = Columns({"run": (np.int32, (), 0)})
        self.sections = {"fills": Section(self.columns, signature("fills"))} if self._watches else {}

    def cut(self, gridded: Gridded) -> Gridded:
        """The same slots, with a restart at the first value behind a long run without one; where companions judge, the
        rest of such a run is NaN."""
        if not self._watches or not len(gridded):
            return gridded
        first, size = segments(gridded.stream)
        streams = gridded.stream[first]
        carried = self.columns["run"][streams]
        if not (gridded.imputed.any() or carried.any()):
            return gridded
        row = np.arange(len(gridded))
        begin, carry = np.repeat(first, size), np.repeat(carried, size)
        newest = np.maximum.accumulate(np.where(gridded.imputed, -1, row))  # row of the newest value, in any stream
        before = np.concatenate([[-1], newest[:-1]])
        run = np.where(before >= begin, row - before - 1, carry + row - begin)  # filled slots before each row
        last = first + size - 1
        self.columns["run"][streams] = np.where(gridded.imputed[last], run[last] + 1, 0)
        values, unknown = gridded.values, gridded.imputed & (run >= self._longest)
        if self._blank and unknown.any():
            values = np.where(unknown[:, None], np.float32(np.nan), values)
        return replace(gridded, values=values, restart=gridded.restart | (~gridded.imputed & (run > self._longest)))
