"""Readings sampled from streams that have a model, gathered so that many of a stream become one row.

They are a sample and no record: those that wait here are lost with the worker, while nothing else is.
"""

from __future__ import annotations

import numpy as np

from monitor.pipeline.scoring.sampling import Sample
from monitor.pipeline.state.segments import segments
from monitor.ports.store import HistoryBlock
from monitor.records.batches import Int64

EACH = 32  # readings of a stream that make a row
MOST_BYTES = 2**24


class TrainingSample:
    """Of one family."""

    def __init__(self) -> None:
        self._ids: list[Int64] = []
        self._parts: list[Sample] = []
        self._bytes = self._count = 0
        self.streams: set[int] = set()  # of which readings wait, by code

    def add(self, ids: Int64, kept: Sample) -> None:
        """Gather readings; `ids` (n,) are the store's ids of their streams."""
        self._ids.append(ids)
        self._parts.append(kept)
        self.streams.update(kept.stream[segments(kept.stream)[0]].tolist())
        self._bytes += kept.values.nbytes + kept.time.nbytes
        self._count += len(ids)

    @property
    def due(self) -> bool:
        """Whether to write them now."""
        return self._count >= EACH * max(1, len(self.streams)) or self._bytes >= MOST_BYTES

    def take(self) -> list[HistoryBlock]:
        """A block for each stream and width, in the order in which its readings came; none of them waits any more."""
        blocks = []
        for width in {part.values.shape[1] for part in self._parts}:
            pairs = [pair for pair in zip(self._ids, self._parts, strict=True) if pair[1].values.shape[1] == width]
            ids = np.concatenate([some for some, _ in pairs])
            order = np.argsort(ids, kind="stable")
            time, values = (np.concatenate([part[i] for _, part in pairs])[order] for i in (1, 2))
            for begin, size in zip(*segments(ids[order].astype(np.int64)), strict=True):
                rows = slice(begin, begin + size)
                blocks.append(HistoryBlock(int(ids[order[begin]]), time[rows], values[rows]))
        self.drop()
        return blocks

    def drop(self) -> None:
        """Forget what was gathered: it will be read again, or its streams have left."""
        self._ids, self._parts, self.streams = [], [], set()
        self._bytes = self._count = 0
