"""Sensors that have stopped measuring: the same reading again and again, while other streams of the family vary.

A stream is frozen when all its readings of the last `after` were equal in every channel, and the family has not
paused meanwhile: since the stream's last change, or since the family's last pause of `after` without any change, there
have been changes of others for `after`. A plant that is switched off is a family that pauses: none of its
streams is frozen. Neither is a stream without others.

Times are event times, and streams are taken in their order of arrival: any cut into batches gives the same alerts.
Readings with missing values, those of the future and those older than the stream's newest one are skipped, and
a pause of the stream of more than `pause` begins a new run of equal readings.
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.pipeline.alerting.health_alerts import FROZEN, Episode, HealthFacts
from monitor.pipeline.state.columns import Columns, Spec
from monitor.pipeline.state.segments import segment_starts
from monitor.records.batches import NEVER, Bool, Int32, Int64, Readings
from monitor.records.streams import StreamIndex


class _Runs(NamedTuple):
    """Readings by stream, in order of arrival: when the run of equal ones began that each belongs to."""

    stream: Int32
    time: Int64
    since: Int64
    changed: Bool  # the value is another one than before
    active: Int64  # when, in that run, others began to change without a pause, if they did for `after`; else NEVER


class Frozen:
    """Runs of equal readings of every stream (saved), and when the family last changed (saved with each of them)."""

    SPEC: ClassVar[dict[str, Spec]] = {"frozen_opened": (np.int64, (), NEVER), "frozen_started": (np.int64, (), NEVER)}

    def __init__(self, after: int, pause: int, width: int, index: StreamIndex, alerts: Columns) -> None:
        self._after, self._pause, self._index, self._alerts = after, pause, index, alerts
        self._moved = self._moving = NEVER  # the family's newest change; the first one after its last pause
        self.columns = Columns(
            {
                "newest": (np.int64, (), NEVER),
                "since": (np.int64, (), NEVER),
                "value": (np.float32, (width,), np.nan),
                "moved": (np.int64, (), NEVER),
                "moving": (np.int64, (), NEVER),
            }
        )
        self.dtype, self.dump, self.clear = self.columns.dtype, self.columns.dump, self.columns.clear
        self.grow = self.columns.grow

    def load(self, codes: NDArray[np.integer], rows: NDArray[np.void]) -> None:
        """Put back what `dump` gave; the family's last change is the newest that any of them saved."""
        self.columns.load(codes, rows)
        if len(rows) and rows["moved"].max() > self._moved:
            newest = int(rows["moved"].argmax())
            self._moved, self._moving = int(rows["moved"][newest]), int(rows["moving"][newest])

    def watch(self, readings: Readings, future: Bool | None, facts: HealthFacts) -> None:
        """Take in readings in order of arrival."""
        usable = ~np.isnan(readings.values).any(axis=1)
        if future is not None:
            usable &= ~future
        rows = np.flatnonzero(usable)
        rows = rows[np.argsort(readings.stream[rows], kind="stable")]
        rows = rows[self._newer(readings.stream[rows], readings.time[rows])]
        if not len(rows):
            return
        runs = self._runs(readings, rows)
        frozen = ~runs.changed & (runs.active != NEVER) & (runs.time - runs.active >= self._after)
        busy = frozen | (self._alerts["frozen_opened"][runs.stream] != NEVER)
        if busy.any():
            events = np.isin(runs.stream, runs.stream[busy]) & (frozen | runs.changed)
            for i in np.flatnonzero(events).tolist():
                self._event(runs, i, facts)
        touched = runs.stream[segment_starts(runs.stream)]
        self.columns["moved"][touched], self.columns["moving"][touched] = self._moved, self._moving

    def _newer(self, stream: Int32, time: Int64) -> Bool:
        """Which readings are newer than all before them of their stream."""
        first = segment_starts(stream)
        rising = np.empty(len(stream), bool)
        np.greater(time[1:], time[:-1], out=rising[1:])
        rising[first] = time[first] > self.columns["newest"][stream[first]]
        if rising.all():
            return rising
        newest = dict(zip(stream[first].tolist(), self.columns["newest"][stream[first]].tolist(), strict=True))
        for i, (code, at) in enumerate(zip(stream.tolist(), time.tolist(), strict=True)):
            rising[i] = at > newest[code]
            newest[code] = max(at, newest[code])
        return rising

    def _runs(self, readings: Readings, rows: Int64) -> _Runs:
        """`rows` sorted by stream; moves the columns and the family on."""
        stream, time, values = readings.stream[rows], readings.time[rows], readings.values[rows]
        first = segment_starts(stream)
        last = np.append(first[1:], len(stream)) - 1
        columns = self.columns
        before = _shifted(time, columns["newest"][stream[first]], first)
        differs = (values != _shifted(values, columns["value"][stream[first]], first)).any(axis=1)
        changed = np.asarray(differs & (before != NEVER))  # the first reading of all changes nothing
        begins = differs | (time - before > self._pause)
        at = np.where(begins, np.arange(len(stream)), -1)
        newest = np.maximum.accumulate(at)
        inside = newest >= np.repeat(first, last - first + 1)
        since = np.where(inside, time[newest], columns["since"][stream])
        columns["newest"][stream[last]] = time[last]
        columns["since"][stream[last]] = since[last]
        columns["value"][stream[last]] = values[last]
        return _Runs(stream, time, since, changed, self._activity(rows, time, since, changed))

    def _activity(self, rows: Int64, time: Int64, since: Int64, changed: Bool) -> Int64:
        """Since when others have been changing, as it was known when each reading arrived; NEVER = not for `after`."""
        order = np.argsort(rows)  # back to the order of arrival
        moves = np.where(changed[order], time[order], NEVER)
        moved = np.maximum.accumulate(np.append([self._moved], moves))
        resumes = changed[order] & (moves - moved[:-1] > self._after)
        at = np.maximum.accumulate(np.append([0], np.where(resumes, np.arange(1, len(order) + 1), 0)))
        moving = np.append([self._moving], moves)[at]
        self._moved, self._moving = int(moved[-1]), int(moving[-1])
        active = np.empty_like(time)
        active[order] = np.maximum(moving[1:], since[order])
        known = np.empty_like(time)
        known[order] = moved[1:]
        return np.where(known - active >= self._after, active, NEVER)

    def _event(self, runs: _Runs, i: int, facts: HealthFacts) -> None:
        """A reading that is another one than before, or one of a frozen stream."""
        code, time, alerts = int(runs.stream[i]), int(runs.time[i]), self._alerts
        opened = int(alerts["frozen_opened"][code])
        if runs.changed[i] and opened != NEVER:
            self.resolve(code, time, facts)
        elif not runs.changed[i] and opened == NEVER:
            alerts["frozen_opened"][code] = int(runs.active[i]) + self._after
            alerts["frozen_started"][code] = runs.since[i]
            facts.opened(self._episode(code, int(alerts["frozen_opened"][code])))

    def resolve(self, code: int, at: int, facts: HealthFacts) -> None:
        """Clear the alert: the value changes again, or detection was switched off."""
        at = max(at, int(self._alerts["frozen_opened"][code]))
        episode = self._episode(code, at)
        facts.cleared(episode, at, episode.ratio)
        self._alerts["frozen_opened"][code] = NEVER

    def _episode(self, code: int, last: int) -> Episode:
        opened, started = (int(self._alerts[name][code]) for name in ("frozen_opened", "frozen_started"))
        ratio = (last - started) / (self._after or last - started)
        return Episode(FROZEN, self._index.name(code), opened, started, last, ratio, last)


def _shifted(column: NDArray[Any], known: NDArray[Any], first: Int64) -> NDArray[Any]:
    """The value before each row in its stream; `known` before its first."""
    before = np.empty_like(column)
    before[1:] = column[:-1]
    before[first] = known
    return before
