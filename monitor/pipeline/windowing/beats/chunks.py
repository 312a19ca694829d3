"""A batch of many streams, split into parts that can be worked on as one array each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from monitor.pipeline.state.segments import segment_starts, segments
from monitor.records.batches import Bool, Float32, Int32, Int64

MOST = 2**13  # samples of a stream that are worked on at once


class Samples(NamedTuple):
    """One channel of several streams, sorted by stream, all (n,); `begins` marks where a stream restarts."""

    stream: Int32
    value: Float32
    filled: Bool
    time: Int64
    begins: Bool


class Part(NamedTuple):
    """The next samples of some streams, each (k,): which stream, from which row on, how many, whether it restarts."""

    stream: Int32
    row: Int64
    size: Int64
    begins: Bool

    @property
    def rows(self) -> Int64:
        """Rows of the samples, (k, largest size); shorter ones are padded with their last sample."""
        return self.row[:, None] + np.minimum(np.arange(self.size.max()), self.size[:, None] - 1)


class Chunk(NamedTuple):
    """Samples of several streams, (k, n): those of the ring, the new ones, then padding. The first one in row i is at
    place `origin[i]` of its stream; blocks were complete up to place `before[i]` and now are up to `ready[i]`."""

    stream: Int32
    values: Float32
    filled: Bool
    time: Int64
    origin: Int64
    before: Int64
    ready: Int64


def split(samples: Samples) -> Iterator[Part]:
    """Parts in order of time, with at most one piece of each stream; pieces of one part are of similar size."""
    n = len(samples.stream)
    if n == 0:
        return
    edge = samples.begins.copy()
    edge[segment_starts(samples.stream)] = True
    origin = np.maximum.accumulate(np.where(edge, np.arange(n), 0))
    row = np.flatnonzero((np.arange(n) - origin) % MOST == 0)
    size = np.diff(np.append(row, n))
    stream = samples.stream[row]
    turn = np.arange(len(row)) - np.repeat(*segments(stream))
    class_ = np.ceil(np.log2(size)).astype(np.int64)
    order = np.lexsort((class_, turn))
    changes = (np.diff(turn[order]) != 0) | (np.diff(class_[order]) != 0)
    for piece in np.split(order, np.flatnonzero(changes) + 1):
        yield Part(stream[piece], row[piece], size[piece], samples.begins[row[piece]])
