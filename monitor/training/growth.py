"""Channels that only grow: counters, most likely, whose rise is what should be judged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from monitor.config.families import Family
from monitor.ports.store import HistoryBlock
from monitor.records.batches import Float32

FEWEST = 60  # readings that grow without a fall; a warm-up is over by then, or has small falls


def growing(channels: Sequence[str], values: Float32) -> list[str]:
    """A sentence for each channel of readings (n, channels), in order of time, that only grows."""
    return [
        f"{name} only grows, from {first:,.6g} to {last:,.6g}"
        for name, column in zip(channels, values.T, strict=True)
        for first, last in _only_grows(column[np.isfinite(column)].astype(np.float64))
    ]


def growing_streams(family: Family, history: Iterable[tuple[str, HistoryBlock]]) -> list[str]:
    """A sentence for each channel of a family that only grows in all that was kept of a stream; the first of them."""
    blocks: dict[str, list[Float32]] = {}
    for stream, block in history:
        blocks.setdefault(stream, []).append(block.values)
    found: dict[str, str] = {}
    for stream, parts in blocks.items():
        for sentence in (
            growing(family.channels, np.concatenate(parts)) if family.shape.width == len(family.channels) else ()
        ):
            found.setdefault(sentence.partition(" only grows")[0], f"{sentence} in stream {stream}")
    return list(found.values())


def _only_grows(values: np.typing.NDArray[np.float64]) -> list[tuple[float, float]]:
    """First and last of the values where they never fall and mostly rise, or do so for long."""
    steps = np.diff(values)
    rises = np.count_nonzero(steps > 0)
    only = len(values) >= FEWEST and bool((steps >= 0).all()) and rises >= FEWEST / 3
    return [(float(values[0]), float(values[-1]))] if only else []
