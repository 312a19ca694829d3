"""Readings of streams that no model scores yet, kept to train on."""

from __future__ import annotations

import numpy as np

from monitor.config.resolved import Grid
from monitor.pipeline.scoring.stream_scaling import Profiles
from monitor.pipeline.state.segments import Gridded, segment_starts
from monitor.ports.store import HistoryBlock


def collect(
    gridded: Gridded, grid: Grid, profiles: Profiles, keeps: int, after: int
) -> tuple[list[tuple[int, HistoryBlock]], list[int]]:
    """Blocks with their streams, at most `keeps` readings of each; and the streams that have been seen for `after`."""
    first = segment_starts(gridded.stream)
    streams = gridded.stream[first]
    new = np.flatnonzero(profiles.columns["model"][streams] == b"")
    ends = np.append(first[1:], len(gridded))
    seen = profiles.columns["seen"]
    blocks, ready = [], []
    for i in new.tolist():
        code = int(streams[i])
        part = slice(first[i], min(ends[i], first[i] + keeps - seen[code]))
        if part.start < part.stop:
            times = grid.times(gridded.slot[part])
            blocks.append((code, HistoryBlock(-1, times, gridded.values[part])))
            seen[code] += len(times)
        if seen[code] >= after:
            ready.append(code)
    return blocks, ready
