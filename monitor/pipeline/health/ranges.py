"""Values out of their valid range: counted, taken out before the grid, and an alert of their channel while they come.

An alert opens with the first reading out of range and resolves after `resolve_after` readings in a row that have a
value of the channel in range. Everything goes by a stream's order of arrival, so that any cut into batches gives the
same alerts.

The ratio of a reading is 1.0 at the end of the range and 2.0 as far beyond it again as the range's middle is away; of
an open range, as far as its only end is from zero, or 1 where that is less. A value that was written as a word of
`format.high` or `format.low` arrives as infinite, is out of range of every channel, and has the ratio 2.0.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from monitor.config.families import Family
from monitor.pipeline.alerting.health_alerts import OUT_OF_RANGE, Episode, HealthFacts
from monitor.pipeline.health.open_alerts import OpenAlerts
from monitor.pipeline.state.columns import Columns
from monitor.records.batches import NEVER, Bool, Float32, Float64, Readings
from monitor.records.streams import StreamIndex

UNMEASURED = 2.0  # ratio of what a sensor can no longer measure

Cell = tuple[int, int]  # stream and channel


class Ranges:
    """The range of each cell of a reading, and the open alerts of every stream, by channel."""

    def __init__(self, family: Family, index: StreamIndex, counts: Columns) -> None:
        self._index, self._counts, self._resolve_after = index, counts, family.alerts.resolve_after
        self._channels = family.channels
        each = (len(family.channels),)
        self.columns = OpenAlerts(
            {
                "opened": (np.int64, each, NEVER),  # NEVER = no alert
                "closed": (np.int64, each, NEVER),  # when the one before was resolved: the next one opens later
                "last": (np.int64, each, NEVER),
                "value": (np.float32, each, np.nan),  # at `last`
                "peak": (np.float64, each, 0.0),
                "peak_at": (np.int64, each, NEVER),
                "count": (np.int32, each, 0),
                "calm": (np.int32, each, 0),  # readings in range in a row
            }
        )
        ends = [family.valid_range.get(channel, (None, None)) for channel in family.channels]
        low, high = (np.array([pair[i] for pair in ends], np.float64) for i in (0, 1))
        most = np.finfo(np.float32).max  # infinite is what `format.high` and `format.low` list: always out of range
        self._low = np.where(np.isnan(low), -most, low).astype(np.float32)
        self._high = np.where(np.isnan(high), most, high).astype(np.float32)
        only = np.maximum(np.abs(np.nan_to_num(low) + np.nan_to_num(high)), 1.0)  # of two ends, one is 0 here
        self._scale = np.where(np.isnan(high - low), only, (high - low) / 2)
        self._ends = [
            (lowest if lowest is not None else -np.inf, highest if highest is not None else np.inf)
            for lowest, highest in ends
        ]
        self._any = bool(family.valid_range or family.format.high or family.format.low)

    def screen(self, readings: Readings, facts: HealthFacts | None) -> Readings:
        """The readings with NaN for what is out of range. Without `facts` no alert is opened."""
        if not (self._any or self.columns.left):  # an alert may be open from when there were ranges
            return readings
        cells = readings.values.reshape(len(readings), -1, len(self._channels))  # several where a message is a window
        bad_cells = (cells < self._low) | (cells > self._high)
        bad = np.asarray(bad_cells.any(axis=1))
        opened = self.columns["opened"][readings.stream] != NEVER
        if (bad | opened).any():
            np.add.at(self._counts["out_of_range"], readings.stream[bad.any(axis=1)], 1)
            if facts is not None:
                self._walk(readings, cells, bad, self._busy(readings, bad | opened), facts)
        if not bad_cells.any():
            return readings
        values = np.where(bad_cells, np.float32(np.nan), cells).reshape(readings.values.shape)
        return replace(readings, values=values)

    def close(self, code: int, at: int, facts: HealthFacts) -> None:
        """Resolve the stream's alerts at `at`, ns, though no reading did."""
        for channel in np.flatnonzero(self.columns["opened"][code] != NEVER).tolist():
            self._clear((code, channel), at, math.nan, facts)

    def _busy(self, readings: Readings, known: Bool) -> Bool:
        """Cells (n, channels) of streams and channels that have an alert or need one."""
        streams, row = np.unique(readings.stream, return_inverse=True)
        busy = np.zeros((len(streams), len(self._channels)), bool)
        np.logical_or.at(busy, row, known)
        return np.asarray(busy[row])

    def _walk(self, readings: Readings, cells: Float32, bad: Bool, busy: Bool, facts: HealthFacts) -> None:
        """One reading after the other, of the channels that have an alert or need one."""
        ratios = self._ratios(cells)
        worst = np.nan_to_num(ratios, nan=-1.0).argmax(axis=1)[:, None]  # (n, 1, channels)
        ratios, values = np.take_along_axis(ratios, worst, axis=1)[:, 0], np.take_along_axis(cells, worst, axis=1)[:, 0]
        changed = set[Cell]()
        for row, channel in np.argwhere(busy).tolist():
            cell, time = (int(readings.stream[row]), channel), int(readings.time[row])
            ratio, value, is_bad = float(ratios[row, channel]), float(values[row, channel]), bool(bad[row, channel])
            if self.columns["opened"][cell] != NEVER:
                if is_bad:
                    changed.add(cell)
                    self._continue(cell, time, ratio, value)
                else:
                    self._calm(cell, time, ratio, facts)
            elif is_bad and time > self.columns["closed"][cell]:
                changed.discard(cell)
                self._open(cell, time, ratio, value, facts)
        for cell in sorted(changed):
            if self.columns["opened"][cell] != NEVER:
                facts.continued(self._episode(cell))

    def _ratios(self, values: Float32) -> Float64:
        """Of each value; NaN where it is missing."""
        wide = values.astype(np.float64)
        excess = np.maximum(self._low.astype(np.float64) - wide, wide - self._high.astype(np.float64))
        return np.where(np.isinf(excess) & np.isinf(wide), UNMEASURED, np.maximum(1 + excess / self._scale, 0.0))

    def _open(self, cell: Cell, time: int, ratio: float, value: float, facts: HealthFacts) -> None:
        columns = self.columns
        columns["opened"][cell] = columns["last"][cell] = columns["peak_at"][cell] = time
        columns["peak"][cell], columns["value"][cell] = ratio, value
        columns["count"][cell], columns["calm"][cell] = 1, 0
        facts.opened(self._episode(cell))

    def _continue(self, cell: Cell, time: int, ratio: float, value: float) -> None:
        columns = self.columns
        columns["calm"][cell] = 0
        columns["count"][cell] += 1
        if time > columns["last"][cell]:
            columns["last"][cell], columns["value"][cell] = time, value
        if ratio > columns["peak"][cell]:
            columns["peak"][cell], columns["peak_at"][cell] = ratio, time

    def _calm(self, cell: Cell, time: int, ratio: float, facts: HealthFacts) -> None:
        columns = self.columns
        if np.isnan(ratio):  # no value of that channel
            return
        columns["calm"][cell] += 1
        if columns["calm"][cell] >= self._resolve_after:
            self._clear(cell, time, ratio, facts)

    def _clear(self, cell: Cell, at: int, ratio: float, facts: HealthFacts) -> None:
        end = max(at, int(self.columns["last"][cell]))
        facts.cleared(self._episode(cell), end, ratio)
        self.columns["closed"][cell], self.columns["opened"][cell] = end, NEVER

    def _episode(self, cell: Cell) -> Episode:
        names = ("opened", "last", "peak", "peak_at", "count")
        opened, last, peak, peak_at, count = (self.columns[name][cell].item() for name in names)
        cause, channel = self._cause(cell), self._channels[cell[1]]
        return Episode(
            OUT_OF_RANGE, self._index.name(cell[0]), opened, opened, last, peak, peak_at, count, cause, channel
        )

    def _cause(self, cell: Cell) -> str:
        channel, value = self._channels[cell[1]], self.columns["value"][cell].item()
        if np.isinf(value):
            return f"{channel} was {'above' if value > 0 else 'below'} what it can measure"
        low, high = self._ends[cell[1]]
        return f"{channel} was {value:.6g}, outside of its valid range {low:g} to {high:g}"
