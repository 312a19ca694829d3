"""Change points: the mean of the newest readings is another one than a little while ago.

The mean of the last `NEW` readings is compared with that of the `OLD` that ended `APART` before them. `limit` is how
far they may differ: `DEVIATIONS` root mean squares of what they differed by while the stream was learned, divided by
the weight of the channel (see `level`), so that one that wanders takes more. A single reading counts for no more than
`level.MOST` standard deviations from its mean.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from monitor.pipeline.scoring.companions.level import MOST, Ring, Scale
from monitor.pipeline.state.columns import Columns
from monitor.records.batches import Float32, Float64, Int32, Int64
from monitor.records.compiled import compiled
from monitor.records.shifts import Shifts

NEW, APART, OLD = 10, 10, 60
SPAN = NEW + APART + OLD
DEVIATIONS = 5.0
FLOOR = 0.1  # of the scale: the least that a difference deviates by


class _Known(NamedTuple):
    """Where the channels of every stream are usually, how far from there, and how far they may shift."""

    center: Float32
    scale: Float32
    limit: Float32


def limits(values: Float32, scale: Scale) -> Float32:
    """How far each channel may shift, (channels,), learned from readings (n, channels); NaN from too few of them."""
    if len(values) < 2 * SPAN:
        return np.full(values.shape[1], np.nan, np.float32)
    room = MOST * scale.scale.astype(np.float64)
    away = np.clip(values.astype(np.float64) - scale.center, -room, room)
    known = ~np.isnan(away)
    total = np.cumsum(np.vstack([np.zeros_like(away[:1]), np.where(known, away, 0)]), axis=0)
    number = np.cumsum(np.vstack([np.zeros_like(away[:1]), known]), axis=0)
    end = np.arange(SPAN, len(values) + 1)
    new = _mean(total, number, end - NEW, end)
    old = _mean(total, number, end - SPAN, end - NEW - APART)
    usual = np.maximum(_root_mean_square(new - old), FLOOR * scale.scale)
    with np.errstate(divide="ignore"):
        return np.asarray(DEVIATIONS * usual / scale.weight, np.float32)


def _mean(total: Float64, number: Float64, begin: Int64, end: Int64) -> Float64:
    with np.errstate(invalid="ignore"):
        return np.asarray((total[end] - total[begin]) / (number[end] - number[begin]))


def _root_mean_square(values: Float64) -> Float64:
    known = ~np.isnan(values)
    return np.asarray(np.sqrt(np.where(known, values**2, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)))


class Shift:
    """The last `SPAN` readings of every stream."""

    def __init__(self, channels: int) -> None:
        self.columns = Columns({"last": (np.float32, (SPAN, channels), np.nan), "count": (np.int64, (), 0)})

    def find(self, stream: Int32, values: Float32, scale: Scale, limit: Float32) -> Shifts:
        """Shifts at readings (n, channels); `scale` and `limit` have a row for each stream, NaN where not known."""
        ratio, before, after = np.full((3, len(stream)), np.nan, np.float32)
        found = Shifts(ratio, np.full(len(stream), -1, np.int32), before, after)
        ring = Ring(self.columns["last"], self.columns["count"])
        _follow(stream, values, _Known(scale.center, scale.scale, limit), ring, found)
        return found


@compiled
def _follow(stream: Int32, values: Float32, known: _Known, ring: Ring, found: Shifts) -> None:
    rows, channels = values.shape
    new, old = np.zeros((2, channels)), np.zeros((2, channels))  # sums, and of how many
    low, high = np.zeros(channels), np.zeros(channels)
    for row in range(rows):
        of = stream[row]
        oldest = (ring.number[of] + 1) % SPAN
        for channel in range(channels):
            ring.last[of, oldest - 1, channel] = values[row, channel]
            room = MOST * np.float64(known.scale[of, channel])
            low[channel], high[channel] = known.center[of, channel] - room, known.center[of, channel] + room
        ring.number[of] += 1
        if ring.number[of] < SPAN:
            continue
        _add(ring.last[of], oldest, OLD, low, high, old)
        _add(ring.last[of], oldest + OLD + APART, NEW, low, high, new)
        for channel in range(channels):
            most = np.float64(known.limit[of, channel])
            if most > 0 and 2 * old[1, channel] >= OLD and 2 * new[1, channel] >= NEW:
                was, now = old[0, channel] / old[1, channel], new[0, channel] / new[1, channel]
                if not found.ratio[row] >= abs(now - was) / most:
                    found.ratio[row], found.channel[row] = abs(now - was) / most, channel
                    found.before[row], found.after[row] = was, now


@compiled
def _add(last: Float32, begin: int, number: int, low: Float64, high: Float64, sums: Float64) -> None:
    """Sums of so many readings of a ring (`SPAN`, channels) from `begin` on, pulled in between `low` and `high`."""
    sums[:] = 0
    place = begin % SPAN
    for _ in range(number):
        for channel in range(last.shape[1]):
            value = np.float64(last[place, channel])
            known = value == value  # noqa: PLR0124 (NaN; compiles to a vector operation)
            sums[0, channel] += min(max(value, low[channel]), high[channel]) if known else 0.0
            sums[1, channel] += 1.0 if known else 0.0
        place = place + 1 if place + 1 < SPAN else 0
