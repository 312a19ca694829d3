"""Sensors that have stopped measuring: one and the same value for `frozen_after`, while everything else goes on.

A channel of a stream is frozen when all its values of that time were equal, and the family has not paused meanwhile:
since the channel's last change, or since the family's last pause without any change, there have been changes of other
channels or of other streams for as long. A plant that is switched off is a family that pauses: nothing of it is frozen.
A stream that is the only one of its family is frozen without such changes, if it never rested so long while it was
learned from (see `frozen_alerts`).

Times are event times, and streams are taken in their order of arrival: any cut into batches gives the same alerts.
Values that are missing and those older than the stream's newest one are skipped, and a pause of the channel of more
than `max_gap` begins a new run of equal values.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.config.families import Family
from monitor.pipeline.alerting.health_alerts import HealthFacts
from monitor.pipeline.alignment.believed import clock_before
from monitor.pipeline.health.frozen_alerts import Cell, FrozenAlerts, never_rested
from monitor.pipeline.scoring.stream_scaling import Profiles
from monitor.pipeline.state.columns import Columns, Spec, layout
from monitor.pipeline.state.segments import segment_starts
from monitor.records.batches import NEVER, Bool, Float32, Int32, Int64, Readings


class _Runs(NamedTuple):
    """Readings by stream, in order of arrival, and the runs of equal values (channels, n) that they belong to."""

    stream: Int32
    time: Int64
    values: Float32
    since: Int64  # when the run began
    same: Bool  # the value is that of the run; else it is missing, or has changed
    changed: Bool


class _Family(NamedTuple):
    """What was known of the family when each reading (n,) arrived."""

    alone: Bool  # it has this stream only
    begun: Int64  # its first change after its last pause
    newest: Int64  # its newest change


class Frozen:
    """Runs of equal values of every channel (saved), and when the family last changed (saved with each stream)."""

    def __init__(self, family: Family, profiles: Profiles, alerts: FrozenAlerts) -> None:
        self._family, self._profiles, self._alerts = family, profiles, alerts
        self._pause = (family.grid.max_gap + 1) * (family.grid.interval or 0)
        self._after = family.health.frozen_after or 0
        self.watches = family.may_freeze and bool(self._after)
        self._moved = self._moving = NEVER  # the family's newest change; the first one after its last pause
        each = (len(family.channels) if self.watches else 0,)
        of_stream: dict[str, Spec] = {"newest": (np.int64, (), NEVER)}
        of_family: dict[str, Spec] = {"moved": (np.int64, (), NEVER), "moving": (np.int64, (), NEVER)}
        value: dict[str, Spec] = {"value": (np.float32, each, np.nan)}
        runs: dict[str, Spec] = {"since": (np.int64, each, NEVER), "seen": (np.int64, each, NEVER)}
        self.columns = Columns({**of_stream, **runs, **value, **of_family})
        self.earlier = (layout({**of_stream, "since": (np.int64, (), NEVER), **value, **of_family}),)
        self.dtype, self.dump, self.clear = self.columns.dtype, self.columns.dump, self.columns.clear
        self.grow = self.columns.grow

    def load(self, codes: NDArray[np.integer], rows: NDArray[np.void]) -> None:
        """Put back what `dump` gave; the family's last change is the newest that any of them saved."""
        if rows.dtype in self.earlier:  # a run was one of all channels
            for name in ("newest", "value", "moved", "moving"):
                self.columns[name][codes] = rows[name]
            self.columns["since"][codes], self.columns["seen"][codes] = rows["since"][:, None], rows["newest"][:, None]
        else:
            self.columns.load(codes, rows)
        if len(rows) and rows["moved"].max() > self._moved:
            newest = int(rows["moved"].argmax())
            self._moved, self._moving = int(rows["moved"][newest]), int(rows["moving"][newest])

    def watch(self, readings: Readings, facts: HealthFacts) -> None:
        """Take in readings in order of arrival."""
        rows = self._usable(readings)
        if not len(rows):
            return
        stream, time = readings.stream[rows], readings.time[rows]
        first = segment_starts(stream)
        alone = self._alone(stream[first], rows, first)
        runs = self._runs(stream, time, readings.values[rows].T.copy(), first)
        family = _Family(alone, *self._activity(readings, rows, np.asarray(runs.changed.any(axis=0))))
        frozen = self._frozen(runs, family)
        opened = self._alerts.columns["opened"][stream[first]] != NEVER
        if opened.any() or (frozen != NEVER).any():
            open_now = np.isin(stream, stream[(frozen != NEVER).any(axis=0)]) | np.isin(
                stream, stream[first][opened.any(axis=1)]
            )
            events = (frozen != NEVER) | (runs.changed & open_now)
            for row, channel in np.argwhere(events.T).tolist():
                self._event(runs, (row, channel), int(frozen[channel, row]), facts)
        touched = stream[first]
        self.columns["moved"][touched], self.columns["moving"][touched] = self._moved, self._moving

    def _usable(self, readings: Readings) -> Int64:
        """Rows that say something, by stream and in order of arrival."""
        rows, missing = np.arange(len(readings)), np.isnan(readings.values)
        if missing.any():
            rows = np.flatnonzero(~missing.all(axis=1))
        stream = readings.stream[rows]
        small = stream.astype(np.uint16) if len(stream) and stream.max() < 2**16 else stream  # radix sort
        rows = rows[np.argsort(small, kind="stable")]
        newer = self._newer(readings.stream[rows], readings.time[rows])
        return rows if newer.all() else rows[newer]

    def _newer(self, stream: Int32, time: Int64) -> Bool:
        """Which readings are newer than all before them of their stream."""
        first = segment_starts(stream)
        return time > clock_before(self.columns["newest"], stream, time, first)

    def _runs(self, stream: Int32, time: Int64, values: Float32, first: Int64) -> _Runs:
        """Runs of values (channels, n), sorted by stream; moves the columns on."""
        columns, streams = self.columns, stream[first]
        last = np.append(first[1:], len(stream)) - 1
        gaps, seen = np.isnan(values), time[None]
        missing = bool(gaps.any())
        if missing:
            source, seen = _newest(~gaps, first), np.broadcast_to(seen, values.shape)
            values, seen = (
                np.where(source < 0, columns[name][stream].T, np.take_along_axis(column, np.maximum(source, 0), axis=1))
                for name, column in (("value", values), ("seen", seen))
            )
        before = _shifted(seen, columns["seen"][streams].T, first)
        differs = values != _shifted(values, columns["value"][streams].T, first)
        begins, changed = differs | (seen - before > self._pause), differs & (before != NEVER)
        if missing:
            begins, changed = begins & ~gaps, changed & ~gaps
        start = _newest(begins, first)
        since = np.where(start < 0, columns["since"][stream].T, time[np.maximum(start, 0)])
        columns["newest"][streams] = time[last]
        for name, column in (("seen", seen), ("since", since), ("value", values)):
            columns[name][streams] = column[:, last].T
        return _Runs(stream, time, values, since, ~(changed | gaps), changed)

    def _alone(self, streams: Int32, rows: Int64, first: Int64) -> Bool:
        """Whether no other stream of the family had been met when each reading arrived, at `rows`."""
        known = self.columns["newest"] != NEVER
        before = int(np.count_nonzero(known))
        if before > 1:
            return np.zeros(len(rows), bool)
        met = np.sort(rows[first[~known[streams]]])
        return np.asarray(before + np.searchsorted(met, rows, side="right") <= 1)

    def _activity(self, readings: Readings, rows: Int64, changed: Bool) -> tuple[Int64, Int64]:
        """As known when each reading arrived: the family's first change after its last pause, and its newest."""
        moves = np.full(len(readings), NEVER)
        moves[rows[changed]] = readings.time[rows[changed]]  # in order of arrival
        moved = np.maximum.accumulate(np.append([self._moved], moves))
        resumes = np.flatnonzero((moves != NEVER) & (moves - moved[:-1] > self._after))
        moving = np.append([self._moving], moves[resumes])[np.searchsorted(resumes, rows, side="right")]
        self._moved = int(moved[-1])
        self._moving = int(moves[resumes[-1]]) if len(resumes) else self._moving
        return moving, moved[1:][rows]

    def _frozen(self, runs: _Runs, family: _Family) -> Int64:
        """Since when each channel has been frozen (channels, n); NEVER = it is not."""
        frozen = np.full(runs.since.shape, NEVER)
        long = (runs.time - runs.since >= self._after) & runs.same & (runs.since != NEVER)
        channel, row = np.nonzero(long)  # few of all
        if not len(row):
            return frozen
        time, since = runs.time[row], runs.since[channel, row]
        active = np.maximum(family.begun[row], since)
        among = np.minimum(family.newest[row], time) - active >= self._after
        never = np.maximum(never_rested(self._family, self._profiles, runs.stream[row], channel), self._after)
        by_itself = family.alone[row] & (time - since >= never)
        frozen[channel, row] = np.where(among, active + self._after, np.where(by_itself, since + never, NEVER))
        return frozen

    def _event(self, runs: _Runs, place: Cell, frozen: int, facts: HealthFacts) -> None:
        """A value that is another one than before, or one of a channel that is frozen since `frozen`."""
        row, channel = place
        cell = int(runs.stream[row]), channel
        if runs.changed[channel, row]:
            self._alerts.resolve(cell, int(runs.time[row]), facts)
        else:
            self._alerts.open(cell, (int(runs.since[channel, row]), frozen), float(runs.values[channel, row]), facts)


def _newest(flags: Bool, first: Int64) -> Int64:
    """Place of the newest flag (k, n) up to each one of its segment; -1 where there was none."""
    newest = np.maximum.accumulate(np.where(flags, np.arange(flags.shape[1]), -1), axis=1)
    begin = np.repeat(first, np.diff(np.append(first, flags.shape[1])))
    return np.where(newest >= begin, newest, -1)


def _shifted(column: NDArray[Any], known: NDArray[Any], first: Int64) -> NDArray[Any]:
    """The value before each one in its stream, along the last axis; `known` before its first."""
    before = np.empty((len(known), column.shape[-1]), column.dtype)
    before[:, 1:] = column[:, :-1]
    before[:, first] = known
    return before
