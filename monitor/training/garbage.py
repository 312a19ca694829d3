"""Garbage in the readings that are learned from: what a broken register sent is replaced, or not learned from."""

from __future__ import annotations

import numpy as np

from monitor.pipeline.scoring.stream_scaling import StreamScale
from monitor.pipeline.state.segments import segments
from monitor.records.batches import Bool, Float32


def without_garbage(values: Float32, usual: StreamScale, longest: int) -> tuple[Float32, int]:
    """Readings (n, channels) of one stream with garbage filled in, and how many readings held some.

    Up to `longest` in a row are filled in between their neighbours, as values that never came are; more of them, and
    those without a neighbour, become NaN.
    """
    garbage = usual.garbage(values)
    if not garbage.any():
        return values, 0
    cleaned = np.where(garbage, np.float32(np.nan), values)
    for channel in range(values.shape[1]):
        short = _short(garbage[:, channel], longest)
        known = np.flatnonzero(~np.isnan(cleaned[:, channel]))
        if len(known):
            short &= (np.arange(len(values)) > known[0]) & (np.arange(len(values)) < known[-1])
            cleaned[short, channel] = np.interp(np.flatnonzero(short), known, cleaned[known, channel])
    return cleaned, int(np.count_nonzero(garbage.any(axis=1)))


def _short(garbage: Bool, longest: int) -> Bool:
    """Which of these lie in a run of at most `longest`, (n,)."""
    run = np.cumsum(np.diff(garbage.astype(np.int8), prepend=np.int8(0)) != 0)
    _, size = segments(run)
    return np.asarray(garbage & (np.repeat(size, size) <= longest))
