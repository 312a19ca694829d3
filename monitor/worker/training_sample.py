"""Readings sampled from streams that have a model, gathered so that many of a stream become one row.

They are a sample and no record: those that wait here are lost with the worker, while nothing else is.
"""

from __future__ import annotations

import numpy as np

from monitor.pipeline.scoring.sampling import Sample
from monitor.pipeline.state.segments import segment_starts
from monitor.ports.store import HistoryBlock
from monitor.records.batches import Bool, Int64

EACH = 32  # readings of a stream that make a row
MOST_BYTES = 2**24


class TrainingSample:
    """Of one family."""

    def __init__(self) -> None:
        self._ids: list[Int64] = []
        self._parts: list[Sample] = []
        self.weight = self.count = 0  # bytes and readings that wait
        self._waits: Bool = np.zeros(0, bool)  # whether readings of a stream wait, by code

    def add(self, ids: Int64, kept: Sample) -> None:
        """Gather readings; `ids` (n,) are the store's ids of their streams."""
        self._ids.append(ids)
        self._parts.append(kept)
        more = int(kept.stream[-1]) + 1 - len(self._waits)  # they are sorted
        if more > 0:
            self._waits = np.concatenate([self._waits, np.zeros(more + len(self._waits), bool)])
        self._waits[kept.stream] = True
        self.weight += kept.values.nbytes + kept.time.nbytes
        self.count += len(ids)

    @property
    def streams(self) -> set[int]:
        """Of which readings wait, by code."""
        return set(np.flatnonzero(self._waits).tolist())

    @property
    def due(self) -> bool:
        """Whether to write them now."""
        return self.count >= EACH * max(1, int(np.count_nonzero(self._waits))) or self.weight >= MOST_BYTES

    def take(self) -> list[HistoryBlock]:
        """A block for each stream and width, in the order in which its readings came; none of them waits any more."""
        blocks = []
        for width in {part.values.shape[1] for part in self._parts}:
            pairs = [pair for pair in zip(self._ids, self._parts, strict=True) if pair[1].values.shape[1] == width]
            ids = np.concatenate([some for some, _ in pairs])
            order = np.argsort(ids, kind="stable")
            time, values = (np.concatenate([part[i] for _, part in pairs])[order] for i in (1, 2))
            ids = ids[order]
            first = segment_starts(ids)
            begins = first.tolist()
            for id_, begin, end in zip(ids[first].tolist(), begins, [*begins[1:], len(ids)], strict=True):
                blocks.append(HistoryBlock(id_, time[begin:end], values[begin:end]))
        self.drop()
        return blocks

    def drop(self) -> None:
        """Forget what was gathered: it will be read again, or its streams have left."""
        self._ids, self._parts = [], []
        self._waits[:] = False
        self.weight = self.count = 0
