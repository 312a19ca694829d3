"""A single reading far from those just before it.

The distance of a reading from the mean of the `BEFORE` readings before it is compared, channel by channel, with `TIMES`
the distance that all but `SICK` % of the readings of the learned part kept: neither a drift nor spikes in the past
that are rarer than that make it blind. Channels that mostly rest have no such distance and are not judged; one that
never moved in the learned part is compared with `RESTS` of its level, and its ratio is `MOST_AT_REST` at most: a switch
that is used more often than it was then raises the bar of its stream instead of alarming each time.

Streams that nothing was learned of yet are compared with `EARLY` root mean squares of all their distances before, for
each channel from where it first moved.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from monitor.pipeline.scoring.companions.level import SICK
from monitor.pipeline.state.columns import Columns, layout
from monitor.records.batches import Bool, Float32, Float64, Int32, Int64
from monitor.records.compiled import compiled, part

BEFORE = 10
TIMES = 4.0
EARLY = 6.0
FEWEST = 150  # distances of a channel before the next one is compared with them
ABSURD, INSTEAD = 100.0, 3.0  # root mean squares: what lies further out is learned from as this many, and, where more
# such distances follow one another than hold one reading, as no more than the first: it is how the channel moves now
GARBAGE = 1e4  # times a distance: a first root mean square that is larger is forgotten
FLOOR = 1e-4  # of the level: the last digit is no spike
RESTS, TINY = 0.01, 1e-6  # of the level, and at least: further goes no last digit of a channel that never moved
MOST_AT_REST = 2.0  # ratio


def limits(values: Float32) -> Float32:
    """How far a reading of each channel may be from those before it, (channels,), learned from readings (n, channels).

    NaN for a channel that is not judged, below 0 for one that never moved.
    """
    one = np.zeros(len(values), np.int32)
    spikes = Spike(values.shape[1])
    spikes.columns.grow(1)
    away = spikes.distances(one, values)
    found = np.full(values.shape[1], np.nan)
    there = np.isfinite(away).any(axis=0)
    found[there] = np.nanpercentile(away[:, there], 100 - SICK, axis=0)
    level = np.zeros(values.shape[1])
    level[there] = np.abs(np.nanmedian(values[:, there].astype(np.float64), axis=0))
    still = np.zeros(values.shape[1], np.bool_)
    still[there] = np.nanmin(values[:, there], axis=0) == np.nanmax(values[:, there], axis=0)
    at_rest = np.where(still, -np.maximum(RESTS * level, TINY), np.nan)
    return np.where(found > 0, TIMES * np.maximum(found, FLOOR * level), at_rest).astype(np.float32)


class _Known(NamedTuple):
    """What readings of every stream are compared with: (streams, channels), and which streams were learned."""

    limit: Float32
    learned: Bool
    squares: Float64
    distances: Int64
    absurd: Int64  # distances in a row up to the newest


class Spike:
    """The last readings of every stream, and how far they usually are from those before them."""

    def __init__(self, channels: int) -> None:
        since_1 = {
            "last": (np.float32, (BEFORE, channels), np.nan),
            "count": (np.int64, (), 0),
            "squares": (np.float64, (channels,), 0.0),
            "distances": (np.int64, (channels,), 0),
        }
        self.columns = Columns(since_1 | {"absurd": (np.int64, (channels,), 0)})
        self.earlier = layout(since_1)

    def score(self, stream: Int32, values: Float32, limit: Float32, learned: Bool) -> tuple[Float32, Int32]:
        """Ratio (n,) of readings (n, channels), 1 = at the limit, and the channel that decided it; NaN and -1 for none.

        `limit` has a row for each stream; it counts for those that were `learned`.
        """
        away = self.distances(stream, values)
        score, channel = np.full(len(stream), np.nan, np.float32), np.full(len(stream), -1, np.int32)
        known = _Known(limit, learned, *(self.columns[name] for name in ("squares", "distances", "absurd")))
        _compare(stream, away, known, score, channel)
        return score, channel

    def distances(self, stream: Int32, values: Float32) -> Float64:
        """How far readings (n, channels) are from the mean of those before them; NaN where too few are known."""
        away = np.full(values.shape, np.nan)
        _follow(stream, values, self.columns["last"], self.columns["count"], away)
        return away


@compiled
def _follow(stream: Int32, values: Float32, last: Float32, count: Int64, away: Float64) -> None:
    rows, channels = values.shape
    for row in range(rows):
        of = stream[row]
        for channel in range(channels):
            total, known = 0.0, 0
            for place in range(BEFORE):
                value = np.float64(last[of, place, channel])
                if np.isfinite(value):
                    total += value
                    known += 1
            if 2 * known >= BEFORE:
                away[row, channel] = abs(np.float64(values[row, channel]) - total / known)
            last[of, count[of] % BEFORE, channel] = values[row, channel]
        count[of] += 1


@part
def _early(known: _Known, of: int, channel: int, away: float) -> float:
    """The limit of a distance by those before it, NaN while they are too few; the distance is learned from."""
    number = known.distances[of, channel]
    usual, most = math.sqrt(known.squares[of, channel] / max(number, 1)), np.nan
    if away == 0 and usual == 0:
        return most
    if number >= FEWEST:
        most = EARLY * usual
    elif 0 < GARBAGE * away < usual:
        known.squares[of, channel] = number = 0
    absurd = number > 0 and away > ABSURD * usual
    known.absurd[of, channel] = known.absurd[of, channel] + 1 if absurd else 0
    learned = away
    if absurd:
        learned = usual * (INSTEAD if known.absurd[of, channel] <= BEFORE + 1 else ABSURD)
    known.squares[of, channel] += learned * learned
    known.distances[of, channel] = number + 1
    return most


@compiled
def _compare(stream: Int32, away: Float64, known: _Known, score: Float32, decided: Int32) -> None:
    rows, channels = away.shape
    for row in range(rows):
        of = stream[row]
        for channel in range(channels):
            value = away[row, channel]
            if np.isnan(value):
                continue
            most = float(known.limit[of, channel])
            if not known.learned[of]:
                most = _early(known, of, channel, value)
            ratio = np.nan
            if most > 0:
                ratio = value / most
            elif most < 0:
                ratio = min(value / -most, MOST_AT_REST)
            if not np.isnan(ratio) and not score[row] >= ratio:
                score[row] = ratio
                decided[row] = channel
