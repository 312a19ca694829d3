"""Which of two times is meant where clocks go back: found out from the order in which the readings of a stream come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from monitor.records.batches import Bool, Int32, Int64
from monitor.sources.times.calendar import DAY, SECOND
from monitor.sources.times.zones import NEAR, Change, Zone

_SKEW = 300 * SECOND  # how far a producer's clock may be ahead of the broker's


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Where readings, or records of many, come from, (n,) each, in order of arrival; `stream` holds codes.

    `span` ns lie between the first and the last reading of a record whose time is its first one's. `stamps` fetches
    the records' Kafka times in ns, below 0 where there is none; it is called only in a repeated hour.
    """

    stream: Int32 | Int64
    partition: Int32 | Int64
    offset: Int64
    span: Int64 | None = None
    stamps: Callable[[], Int64] | None = None


@dataclass(slots=True)
class _Past:
    """The newest reading of a stream, and its usual step, both ns."""

    time: int
    step: int
    offset: int


class RepeatedHours:
    """Resolves the times that come twice, stream by stream.

    Of the two times, a reading has the one that is nearest to where the next reading of its stream was due: one usual
    step after the one before. So the first pass goes over into the second where the clock on the wall jumps back by an
    hour, and late readings change nothing. What was read is remembered from three hours before to three hours after;
    a stream that has no past (after a restart, a rebalance, or a rewind) is in the second pass only where Kafka's time
    of the record says that the second hour had begun, and was not over for long.
    """

    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self._past: dict[tuple[int, int], _Past] = {}

    def concern(self, time: Int64, naive: Bool) -> list[Change]:
        """The changes near which some of these times (UTC, ns, of the first pass) lie; nearly always none."""
        if not naive.any():
            return []
        chosen = time[naive]
        return self._zone.repeats(int(chosen.min()), int(chosen.max()))

    def resolve(self, time: Int64, naive: Bool, changes: Sequence[Change], arrivals: Arrivals) -> Int64:
        """The same times, with those of the second pass moved there. Call it once for each reading, in order."""
        times = time.copy()
        stamps: Int64 | None = None
        for change in changes:
            near = naive & (time > change.at - change.before + change.after - NEAR) & (time < change.at + NEAR)
            for row in _forward(np.flatnonzero(near), time, arrivals.offset):
                twice = change.at - (change.before - change.after) <= time[row] < change.at
                past = self._of(arrivals, row, int(time[row]))
                if twice:
                    if past is None and stamps is None and arrivals.stamps is not None:
                        stamps = arrivals.stamps()
                    stamp = -1 if stamps is None else int(stamps[row])
                    times[row] = _chosen(int(time[row]), change, past, stamp)
                self._remember(arrivals, row, int(times[row]), past)
        return times

    def _of(self, arrivals: Arrivals, row: int, time: int) -> _Past | None:
        """What is known of the stream of a reading, unless it lies far away or was read after this one."""
        past = self._past.get((int(arrivals.stream[row]), int(arrivals.partition[row])))
        if past is None or abs(time - past.time) > DAY or arrivals.offset[row] < past.offset:
            return None
        return past

    def _remember(self, arrivals: Arrivals, row: int, time: int, past: _Past | None) -> None:
        end = time + (0 if arrivals.span is None else int(arrivals.span[row]))
        step = 0 if past is None else past.step
        if past is not None and time > past.time:
            step = min(step or DAY, time - past.time)
        key = int(arrivals.stream[row]), int(arrivals.partition[row])
        self._past[key] = _Past(end, step, int(arrivals.offset[row]))


def _chosen(first: int, change: Change, past: _Past | None, stamp: int) -> int:
    """The time of the first pass or that of the second."""
    second = first + change.before - change.after
    if past is None:
        begun = second - _SKEW <= stamp < second + (change.before - change.after)
        return second if begun else first
    due = past.time + past.step
    return second if abs(second - due) < abs(first - due) else first


def _forward(rows: Int64, time: Int64, record: Int64) -> list[int]:
    """These rows, with those of a record that runs backwards, the newest reading first, turned round."""
    edges = np.flatnonzero(np.diff(record[rows])) + 1
    ordered: list[int] = []
    for part in np.split(rows, edges):
        steps = np.diff(time[part])
        backwards = np.count_nonzero(steps < 0) > np.count_nonzero(steps > 0)
        ordered += part[::-1].tolist() if backwards else part.tolist()
    return ordered
