"""Windows that arrive whole: each message is one."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from monitor.config.families import Family
from monitor.config.resolved import Grid, Shape
from monitor.pipeline.scoring import cold_start
from monitor.pipeline.state.columns import Columns
from monitor.pipeline.state.segments import Gridded
from monitor.pipeline.windowing.base import History
from monitor.records.batches import Float32, Float64, Int64, Windows


class MessageWindower:
    """Every reading is one window of (length, channels), flattened. Keeps no state. See `Windower`."""

    memory = 0
    facts: Mapping[str, Float64] = {}
    earlier: tuple[np.dtype[np.void], ...] = ()
    cold_start = staticmethod(cold_start.score)

    def __init__(self, shape: Shape, grid: Grid) -> None:
        self._shape, self._grid = shape, grid
        self._state = Columns({"unused": (np.uint8, (), 0)})
        self.dtype = self._state.dtype
        self.dump, self.load, self.clear, self.grow = (
            self._state.dump, self._state.load, self._state.clear, self._state.grow,
        )  # fmt: skip

    @classmethod
    def of(cls, family: Family) -> MessageWindower:
        """For the windows of a family."""
        return cls(family.shape, family.grid)

    def add(self, readings: Gridded) -> Windows:
        """The messages as windows."""
        time = self._grid.times(readings.slot)
        values = readings.values.reshape(len(readings), *self._shape.window)
        return Windows(readings.stream, time, time, values, readings.imputed.astype(np.float32))

    def finish(self, readings: Gridded) -> Windows:
        """As `add`: no message waits for another."""
        return self.add(readings)

    def cut_history(self, values: Float32, time: Int64, most: int) -> History:
        """All of them."""
        del most  # none of them overlap
        return History(values.reshape(-1, *self._shape.window), time, values.reshape(-1, self._shape.channels))
