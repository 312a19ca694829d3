"""Which times a replay reads."""

from __future__ import annotations

import numpy as np

from monitor.cli.rendering.times_read import TimeSpan, time_fields, time_lines
from monitor.records.batches import Int64, Poll, Readings
from monitor.replay.bounded_run import NoAssignments
from monitor.replay.times_read import TimesRead

SECOND = 10**9


def readings(time: Int64) -> Readings:
    rows = np.zeros(len(time), np.int32)
    return Readings(rows, time, np.zeros((len(time), 1), np.float32), rows, rows.astype(np.int64))


class Source:
    """Two polls of two families."""

    def __init__(self) -> None:
        self._polls = [
            Poll({"a": readings(np.array([5, 3]) * SECOND), "b": readings(np.array([], np.int64))}),
            Poll({"a": readings(np.array([4]) * SECOND), "b": readings(np.array([9]) * SECOND)}, finished=True),
        ]

    def poll(self, timeout: float) -> Poll:
        return self._polls.pop(0)

    def commit(self, positions: object) -> None: ...

    def hold(self, seconds: float) -> None: ...

    def close(self) -> None: ...


def test_the_first_and_the_last_of_all_families() -> None:
    times = TimesRead(lambda pipelines, listener: Source())
    assert (times.first, times.last) == (None, None)

    source = times({}, NoAssignments())
    assert not source.poll(0).finished
    assert (times.first, times.last) == (3 * SECOND, 5 * SECOND)
    assert source.poll(0).finished
    assert (times.first, times.last) == (3 * SECOND, 9 * SECOND)


def test_how_they_are_shown() -> None:
    span = TimeSpan(0, 86_400 * SECOND)

    assert time_lines(span) == ["times from 1970-01-01 00:00:00 to 1970-01-02 00:00:00 UTC"]
    assert time_fields(span) == {"first_time": "1970-01-01 00:00:00", "last_time": "1970-01-02 00:00:00"}
    assert time_lines(TimeSpan(None, None)) == []
    assert time_fields(TimeSpan(None, None)) == {"first_time": None, "last_time": None}
