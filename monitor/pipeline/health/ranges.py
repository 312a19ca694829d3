"""Values out of their valid range: counted, taken out before the grid, and an alert while they come.

An alert opens with the first reading out of range and resolves after `resolve_after` readings in a row, in range, that
have a value of the channel that was out of range last. Everything goes by a stream's order of arrival, so that any cut
into batches gives the same alerts.

The ratio of a reading is 1.0 at the end of the range and 2.0 as far beyond it again as the range's middle is away; of
an open range, as far as its only end is from zero, or 1 where that is less. A value that was written as a word of
`format.high` or `format.low` arrives as infinite, is out of range of every channel, and has the ratio 2.0.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np

from monitor.config.families import Family
from monitor.pipeline.alerting.health_alerts import OUT_OF_RANGE, Episode, HealthFacts
from monitor.pipeline.state.columns import Columns, Spec
from monitor.records.batches import NEVER, Bool, Float32, Float64, Int64, Readings
from monitor.records.streams import StreamIndex

UNMEASURED = 2.0  # ratio of what a sensor can no longer measure


class Ranges:
    """The range of each cell of a reading, and the open alerts of every stream. Columns: `range_*`."""

    SPEC: ClassVar[dict[str, Spec]] = {
        "range_opened": (np.int64, (), NEVER),  # NEVER = no alert
        "range_closed": (np.int64, (), NEVER),  # when the one before was resolved: the next one opens later
        "range_last": (np.int64, (), NEVER),
        "range_peak": (np.float64, (), 0.0),
        "range_peak_at": (np.int64, (), NEVER),
        "range_count": (np.int32, (), 0),
        "range_calm": (np.int32, (), 0),  # readings in range in a row
        "range_cell": (np.int32, (), 0),  # which of the values was out of range last
    }

    def __init__(self, family: Family, index: StreamIndex, columns: Columns) -> None:
        self._index, self._columns, self._resolve_after = index, columns, family.alerts.resolve_after
        ends = [family.valid_range.get(channel, (None, None)) for channel in family.channels]
        repeats = family.shape.width // len(ends)  # where a message is a whole window: (length, channels), flattened
        low, high = (np.tile(np.array([pair[i] for pair in ends], np.float64), repeats) for i in (0, 1))
        most = np.finfo(np.float32).max  # infinite is what `format.high` and `format.low` list: always out of range
        self._low = np.where(np.isnan(low), -most, low).astype(np.float32)
        self._high = np.where(np.isnan(high), most, high).astype(np.float32)
        only = np.maximum(np.abs(np.nan_to_num(low) + np.nan_to_num(high)), 1.0)  # of two ends, one is 0 here
        self._scale = np.where(np.isnan(high - low), only, (high - low) / 2)
        self.needed = bool(
            family.valid_range or family.format.high or family.format.low
        )  # or an alert is open from when there were ranges

    def screen(self, readings: Readings, future: Bool | None, facts: HealthFacts) -> Readings:
        """The readings with NaN for what is out of range; those of the `future` count as that and not as this."""
        if not self.needed:
            return readings
        bad_cells = (readings.values < self._low) | (readings.values > self._high)
        bad: Bool = np.asarray(bad_cells.any(axis=1))
        if future is not None:
            bad &= ~future
        opened = self._columns["range_opened"][readings.stream] != NEVER
        if (bad | opened).any():
            np.add.at(self._columns["out_of_range"], readings.stream[bad], 1)
            rows = np.isin(readings.stream, readings.stream[bad | opened])
            self._walk(readings, bad, np.flatnonzero(rows if future is None else rows & ~future), facts)
        if not bad.any():
            return readings
        values = np.where(bad_cells, np.float32(np.nan), readings.values)
        return replace(readings, values=values)

    def _walk(self, readings: Readings, bad: Bool, rows: Int64, facts: HealthFacts) -> None:
        """One reading after the other, of the streams that have an alert or need one."""
        ratios = self._ratios(readings.values[rows])
        worst = np.nan_to_num(ratios, nan=-1.0).argmax(axis=1)
        columns = (readings.stream[rows], readings.time[rows], bad[rows], worst)
        changed = set()
        for i, (code, time, is_bad, cell) in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
            if is_bad:
                self._columns["range_cell"][code] = cell
            if self._columns["range_opened"][code] != NEVER:
                if is_bad:
                    changed.add(code)
                ratio = float(ratios[i, self._columns["range_cell"][code]])
                self._update(code, time, ratio, bad=is_bad, facts=facts)
            elif is_bad and time > self._columns["range_closed"][code]:
                changed.discard(code)
                self._open(code, time, float(ratios[i, cell]), facts)
        for code in sorted(changed):
            if self._columns["range_opened"][code] != NEVER:
                facts.continued(self._episode(code))

    def _ratios(self, values: Float32) -> Float64:
        """Of each value; NaN where it is missing."""
        wide = values.astype(np.float64)
        excess = np.maximum(self._low.astype(np.float64) - wide, wide - self._high.astype(np.float64))
        return np.where(np.isinf(excess) & np.isinf(wide), UNMEASURED, np.maximum(1 + excess / self._scale, 0.0))

    def _open(self, code: int, time: int, ratio: float, facts: HealthFacts) -> None:
        columns = self._columns
        columns["range_opened"][code] = columns["range_last"][code] = columns["range_peak_at"][code] = time
        columns["range_peak"][code] = ratio
        columns["range_count"][code], columns["range_calm"][code] = 1, 0
        facts.opened(self._episode(code))

    def _update(self, code: int, time: int, ratio: float, *, bad: bool, facts: HealthFacts) -> None:
        columns = self._columns
        if not bad:
            if np.isnan(ratio):  # no value of that channel
                return
            columns["range_calm"][code] += 1
            if columns["range_calm"][code] >= self._resolve_after:
                end = max(time, int(columns["range_last"][code]))
                facts.cleared(self._episode(code), end, ratio)
                columns["range_closed"][code], columns["range_opened"][code] = end, NEVER
            return
        columns["range_calm"][code] = 0
        columns["range_count"][code] += 1
        columns["range_last"][code] = max(time, int(columns["range_last"][code]))
        if ratio > columns["range_peak"][code]:
            columns["range_peak"][code], columns["range_peak_at"][code] = ratio, time

    def _episode(self, code: int) -> Episode:
        names = ("range_opened", "range_last", "range_peak", "range_peak_at", "range_count")
        opened, last, peak, peak_at, count = (self._columns[name][code].item() for name in names)
        return Episode(OUT_OF_RANGE, self._index.name(code), opened, opened, last, peak, peak_at, count)
