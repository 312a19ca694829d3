"""Rests: windows of a channel that hold one value from end to end and follow one another."""

from __future__ import annotations

import numpy as np

from monitor.pipeline.state.columns import Columns
from monitor.pipeline.state.segments import segment_starts
from monitor.records.batches import NEVER, Bool, Int64, Windows


def rests_began(columns: Columns, step: int, windows: Windows, rests: Bool) -> Int64:
    """When the rest began (m, channels) that each window is part of, ns; NEVER = it moves.

    `rests` (m, channels) are windows at rest, `step` (ns) is between two readings. Remembers the last window of each
    stream in the columns "since" and "until".
    """
    first = segment_starts(windows.stream)
    streams, last = windows.stream[first], np.append(first[1:], len(windows)) - 1
    before, until = np.zeros_like(rests), np.zeros(rests.shape, np.int64)
    before[1:], until[1:] = rests[:-1], windows.end[:-1, None]
    before[first], until[first] = columns["since"][streams] != NEVER, columns["until"][streams]
    goes_on = rests & before & (windows.start[:, None] <= until + step)
    row = np.arange(len(windows))[:, None]
    begin = np.maximum.accumulate(np.where(goes_on, -1, row), axis=0)
    earlier = begin < np.repeat(first, last - first + 1)[:, None]
    since = np.where(earlier, columns["since"][windows.stream], windows.start[np.maximum(begin, 0)])
    since = np.where(rests, since, NEVER)
    columns["since"][streams], columns["until"][streams] = since[last], windows.end[last, None]
    return since
