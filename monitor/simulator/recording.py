"""A file of readings as batches to publish: what a plant once sent, sent again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from monitor.pipeline import loop
from monitor.records.dead_counts import DeadCounts
from monitor.records.streams import StreamIndex
from monitor.simulator.plant import Batch
from monitor.sources.files.source import FileColumns, FileSource


class Recording:
    """The readings of a file, in its order. `rows` counts its rows so far, `dead` those that cannot be read; `times`
    has their times.
    """

    def __init__(self, path: Path, columns: FileColumns, topic: str) -> None:
        self.rows, self.dead = 0, DeadCounts()
        self._topic, self._fields = topic, columns.values
        words = (*columns.layout.low[:1], "UNDER"), (*columns.layout.high[:1], "OVER")
        self._beyond = words[0][0], words[1][0]
        self._index = StreamIndex()
        self._source = FileSource(path, columns, self._index)
        self.times = self._source.times

    def batches(self) -> Iterator[Batch]:
        """Every reading, once."""
        for poll in loop.polls(self._source):
            self.rows += poll.records
            self.dead.add(poll.dead)
            for readings in poll.readings.values():
                if len(readings):
                    names = list(self._index.codes)
                    read = (readings.stream, readings.time, readings.values)
                    yield Batch(self._topic, names, self._fields, *read, self._beyond)
        self._source.close()
