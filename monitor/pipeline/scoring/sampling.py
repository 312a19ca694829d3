"""Readings of streams that a model scores, a sample of which is kept to train on again.

A stream's readings are numbered from its first on. Stretches of `STRETCH` of them are kept or not: all of them until
the stream has twice as many readings as its first training took, every second one until it has four times as many, and
so on, down to one in `most`. So as many are kept between two trainings as the first one took. Which ones follows from
their numbers alone, however the input is cut.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from monitor.config.resolved import Grid
from monitor.pipeline.scoring.stream_scaling import Profiles
from monitor.pipeline.state.segments import Gridded, segments
from monitor.records.batches import Bool, Float32, Int32, Int64

STRETCH = 256  # readings in a row: several windows


class Sampling(NamedTuple):
    """`after` readings a first training takes; one stretch in `most` is kept in the end, 0 = nothing is kept."""

    after: int
    most: int = 0

    def kept(self, number: Int64) -> Bool:
        """Which of a stream's stretches of these numbers (n,), counted from 0, are kept."""
        doubled = np.frexp(np.maximum(number * STRETCH // self.after, 1).astype(np.float64))[1] - 1
        return np.asarray(number % np.minimum(2 ** doubled.astype(np.int64), self.most) == 0)


class Sample(NamedTuple):
    """Readings that are kept: codes of their streams, sorted, times and values."""

    stream: Int32
    time: Int64
    values: Float32


def sample(gridded: Gridded, grid: Grid, profiles: Profiles, sampling: Sampling) -> Sample | None:
    """Count the readings of streams that have a model; returns those that are kept, if there are any."""
    if not sampling.most:
        return None
    first, size = segments(gridded.stream)
    streams, seen = gridded.stream[first], profiles.columns["seen"]
    ours = profiles.columns["model"][streams] != b""
    first, size, streams = first[ours], size[ours], streams[ours]
    begin = seen[streams]
    seen[streams] = begin + size
    some = size > STRETCH
    for number in (begin // STRETCH, (begin + size - 1) // STRETCH):  # short ones lie in one stretch, or in two
        some |= sampling.kept(number)
    if not some.any():
        return None
    first, size, begin = first[some], size[some], begin[some]
    rank = np.arange(int(size.sum())) - np.repeat(np.cumsum(size) - size, size)
    keep = sampling.kept((np.repeat(begin, size) + rank) // STRETCH)
    rows = (np.repeat(first, size) + rank)[keep]
    return Sample(gridded.stream[rows], grid.times(gridded.slot[rows]), gridded.values[rows]) if len(rows) else None
