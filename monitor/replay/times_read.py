"""Which times a replay reads: the first and the last, whatever its source."""

from __future__ import annotations

from collections.abc import Mapping

from monitor.pipeline.family import Pipeline
from monitor.ports.source import Assignments, Source
from monitor.records.batches import Poll
from monitor.replay.bounded_run import Connect


class TimesRead:
    """Opens a source by `connect` and notes what it brings: `first` and `last` in ns, None at the beginning."""

    def __init__(self, connect: Connect) -> None:
        self.first: int | None = None
        self.last: int | None = None
        self._connect = connect

    def __call__(self, pipelines: Mapping[str, Pipeline], listener: Assignments) -> Source:
        """See `monitor.replay.bounded_run.Connect`."""
        return _Noted(self._connect(pipelines, listener), self)

    def note(self, poll: Poll) -> None:
        """Take in the readings of a poll."""
        for readings in poll.readings.values():
            if len(readings):
                first, last = int(readings.time.min()), int(readings.time.max())
                self.first = first if self.first is None else min(self.first, first)
                self.last = last if self.last is None else max(self.last, last)


class _Noted:
    """A source whose polls are noted."""

    def __init__(self, source: Source, times: TimesRead) -> None:
        self._source, self._times = source, times
        self.commit, self.hold, self.close = source.commit, source.hold, source.close

    def poll(self, timeout: float) -> Poll:
        """See `monitor.ports.source.Source`."""
        poll = self._source.poll(timeout)
        self._times.note(poll)
        return poll
