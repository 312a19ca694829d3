"""Missing slots, filled in on a line between the readings on both sides."""

from __future__ import annotations

import numpy as np

from monitor.pipeline.state.segments import Gridded, segment_starts
from monitor.records.batches import Float32, Int64


def interpolate(ready: Gridded, gap: Int64, last: Float32) -> Gridded:
    """Each reading with the `gap` filled slots before it; `last` has each stream's values before the batch."""
    stream, slot, values = ready.stream, ready.slot, ready.values
    first = segment_starts(stream)
    previous = np.empty_like(values)
    previous[1:] = values[:-1]
    previous[first] = last[stream[first]]
    row = np.repeat(np.arange(len(slot)), gap + 1)
    step = np.arange(len(row)) - np.repeat(np.cumsum(gap + 1) - gap - 1, gap + 1) + 1  # 1 .. gap + 1
    real = step == (gap + 1)[row]
    share = (step / (gap + 1)[row]).astype(np.float32)[:, None]
    grown = np.where(real[:, None], values[row], previous[row] + (values[row] - previous[row]) * share)
    slots = slot[row] - (gap + 1)[row] + step
    return Gridded(stream[row], slots, grown, ~real | ready.imputed[row], ready.restart[row])
