"""Replay and train go by event time: the readings of a source within a range of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from monitor.ports.source import Source
from monitor.records.batches import Poll, Readings


@dataclass(slots=True)
class TimeRange:
    """Event times `start` <= time < `end`, ns; None = no bound. Counts the readings of a source by it.

    `first` and `last` are the earliest and the latest event time of all, None before the first reading.
    """

    start: int | None = None
    end: int | None = None
    inside: int = 0
    outside: int = 0
    first: int | None = None
    last: int | None = None

    def of(self, readings: Readings) -> Readings:
        """Those of its times."""
        if not len(readings):
            return readings
        time = readings.time
        self.note(int(time.min()), int(time.max()))
        wanted = np.ones(len(time), np.bool_)
        if self.start is not None:
            wanted &= time >= self.start
        if self.end is not None:
            wanted &= time < self.end
        kept = int(np.count_nonzero(wanted))
        self.inside += kept
        self.outside += len(time) - kept
        return readings if kept == len(time) else readings.take(wanted)

    def note(self, first: int, last: int) -> None:
        """There are readings at these times."""
        self.first = first if self.first is None else min(self.first, first)
        self.last = last if self.last is None else max(self.last, last)


class Between:
    """The readings of a source within a range of event times; the others are counted in it and left out."""

    def __init__(self, source: Source, span: TimeRange) -> None:
        self._source, self._span = source, span
        self.commit, self.hold, self.close = source.commit, source.hold, source.close

    def poll(self, timeout: float) -> Poll:
        """See `monitor.ports.source.Source`."""
        poll = self._source.poll(timeout)
        return replace(poll, readings={family: self._span.of(found) for family, found in poll.readings.items()})
