"""Readings that await a second one of their stream to confirm them: one place per stream, in the saved state."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitor.config.resolved import Grid
from monitor.pipeline.state.columns import Columns
from monitor.records.batches import NEVER, Float32, Int64, Readings

Codes = NDArray[np.integer]


class Held:
    """What each stream holds. Where channels come one by one (`joins`), messages of one slot are held together.

    `exact`: values are float64, as totals of counters come.
    """

    def __init__(self, width: int, grid: Grid, *, joins: bool = False, exact: bool = False) -> None:
        self._grid, self._joins = grid, joins
        self.any = False
        self.columns = Columns(
            {
                "count": (np.int32, (), 0),  # messages; 0 = none is held
                "time": (np.int64, (), NEVER),
                "partition": (np.int32, (), 0),
                "offset": (np.int64, (), NEVER),
                "values": (np.float64 if exact else np.float32, (width,), np.nan),
            }
        )
        self.dtype, self.dump, self.clear = self.columns.dtype, self.columns.dump, self.columns.clear
        self.grow = self.columns.grow

    def load(self, codes: Codes, rows: NDArray[np.void]) -> None:
        """Put back what `dump` gave."""
        self.columns.load(codes, rows)
        self.any |= bool(rows["count"].any())

    def count(self, codes: Codes) -> Int64:
        """Messages that each of these streams holds, (n,)."""
        return np.asarray(self.columns["count"][codes].astype(np.int64))

    def slots(self, codes: Codes) -> Int64:
        """Where each of these streams' readings belongs, (n,)."""
        return self._grid.slots(self.columns["time"][codes])

    def take(self, codes: Codes) -> Readings:
        """What these streams hold; they hold it no more."""
        columns = self.columns
        readings = Readings(
            codes.astype(np.int32), columns["time"][codes], columns["values"][codes],
            columns["partition"][codes], columns["offset"][codes],
        )  # fmt: skip
        self.clear(codes)
        return readings

    def hold(self, readings: Readings, rows: Int64) -> None:
        """Keep these rows, one of each stream."""
        codes, columns = readings.stream[rows], self.columns
        columns["count"][codes] = 1
        for name in ("time", "values", "partition", "offset"):
            columns[name][codes] = getattr(readings, name)[rows]
        self.any = True

    def join(self, code: int, values: Float32) -> bool:
        """Add another message for the held slot; false where it adds nothing."""
        held = self.columns["values"][code]
        new = np.isnan(held) & ~np.isnan(values)
        if not (self._joins and (new.any() or np.isnan(values).all())):
            return False
        held[new] = values[new]
        self.columns["count"][code] += 1
        return True
