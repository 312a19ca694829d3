"""Readings on the grid, sorted by stream, and where each stream's segment of a column begins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor.records.batches import Bool, Float32, Int32, Int64


@dataclass(frozen=True, slots=True)
class Gridded:
    """Readings in slot order, stream by stream: `slot` (n,), `values` (n, width); `restart` marks a new beginning."""

    stream: Int32
    slot: Int64
    values: Float32
    imputed: Bool
    restart: Bool

    def __len__(self) -> int:
        """Slots in the batch."""
        return len(self.stream)


def firsts(stream: Int32) -> Int64:
    """Index of the first row of each stream in a column sorted by stream."""
    if len(stream) == 0:
        return np.zeros(0, np.int64)
    return np.flatnonzero(np.concatenate([[True], stream[1:] != stream[:-1]]))
