"""Channels that are totals, such as kWh or pieces: what is judged is their rise from reading to reading.

The rise is that since the stream's reading before, in order of arrival; with an `interval` it is scaled to one
interval, so that a reading after a gap rises no faster than the others. There is none, and the value is missing, for a
stream's first reading, where the total is smaller than the one before (it was reset, or ran over), and where the time
is not later than the one before.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from monitor.config.families import Family
from monitor.pipeline.state.codec import Section, signature
from monitor.pipeline.state.columns import Columns
from monitor.pipeline.state.segments import segment_starts
from monitor.records.batches import NEVER, Float32, Float64, Int32, Int64, Readings


class Counters:
    """The counter channels of one family, and each stream's newest totals."""

    def __init__(self, family: Family) -> None:
        names = family.format.counters
        self._channels = [place for place, name in enumerate(family.channels) if name in names]
        self._interval = family.grid.interval
        count = len(self._channels)
        self.columns = Columns({"total": (np.float64, (count,), np.nan), "time": (np.int64, (count,), NEVER)})
        meaning = signature("counters", names)
        self.sections = {"counters": Section(self.columns, meaning)} if self._channels else {}

    def rises(self, readings: Readings) -> Readings:
        """The readings as float32, with rises in place of totals."""
        if not self._channels or not len(readings):
            return readings
        values: Float32 = readings.values.astype(np.float32)
        order = np.argsort(readings.stream, kind="stable")
        for place, channel in enumerate(self._channels):
            totals = readings.values[order, channel].astype(np.float64)
            rows = order[np.isfinite(totals)]  # an infinite one is out of range, and stays so
            if len(rows):
                total = readings.values[rows, channel].astype(np.float64)
                rise = self._rise(place, readings.stream[rows], readings.time[rows], total)
                with np.errstate(over="ignore"):  # beyond float32 it is infinite, and out of range
                    values[rows, channel] = rise
        return replace(readings, values=values)

    def follow(self, other: Counters, codes: Int32) -> None:
        """Go on where the counters of another pipeline of this family stand."""
        if self._channels:
            self.columns.load(codes, other.columns.dump(codes))

    def _rise(self, place: int, stream: Int32, time: Int64, total: Float64) -> Float64:
        """Of each total (n,), sorted by stream; NaN where there is none."""
        first = segment_starts(stream)
        before, since = np.empty_like(total), np.empty_like(time)
        before[1:], since[1:] = total[:-1], time[:-1]
        before[first] = self.columns["total"][stream[first], place]
        since[first] = self.columns["time"][stream[first], place]
        last = np.append(first[1:], len(stream)) - 1
        self.columns["total"][stream[last], place] = total[last]
        self.columns["time"][stream[last], place] = time[last]
        elapsed, rise = time - since, total - before
        if self._interval:
            rise = rise * (self._interval / np.maximum(elapsed, 1))
        return np.where((elapsed > 0) & (rise >= 0), rise, np.nan)
