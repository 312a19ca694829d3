"""How far the level of a channel is from where it was while the stream was learned.

A reading counts by its distance from the channel's mean in standard deviations, `MOST` at most; the score is the mean
of that over the last `READINGS`, the largest over the channels. Mean and deviation are taken with the lowest and
highest `SICK` % of the readings pulled in: faults in the past that are rarer do not widen the scale. A channel that
rests, but for those, has no level: the detector alone judges it.

A channel's `weight` is the square of how far it goes within one reading, as a share of how far it goes within
`HORIZON` of them (root mean squares). One that wanders, such as a temperature, counts little; noise counts in full.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from monitor.pipeline.state.columns import Columns
from monitor.records.batches import Float32, Float64, Int32, Int64
from monitor.records.compiled import compiled

READINGS = 20
HORIZON = 150
SICK = 2.0
MOST = 10.0
STILL = 1e-6  # of its level: a channel that deviates by less than that rests


class Scale(NamedTuple):
    """Where each channel is usually, how far from there, and what it counts, (channels,) each."""

    center: Float32
    scale: Float32
    weight: Float32

    @classmethod
    def of(cls, values: Float32) -> Scale:
        """Of readings (n, channels). A channel without any, or that rests, has NaN."""
        pulled = pulled_in(values)
        there = np.isfinite(pulled).any(axis=0)
        center, scale = np.full((2, values.shape[1]), np.nan)
        center[there], scale[there] = np.nanmean(pulled[:, there], axis=0), np.nanstd(pulled[:, there], axis=0)
        moves = scale > STILL * np.maximum(np.abs(center), STILL)
        learned = np.where(moves, np.stack([center, scale, _weight(pulled)]), np.nan)
        return cls(*learned.astype(np.float32))


def pulled_in(values: Float32) -> Float64:
    """Readings (n, channels) with the lowest and highest `SICK` % of each channel pulled in to the others."""
    wide = values.astype(np.float64)
    there = np.isfinite(wide).any(axis=0)
    wide[~np.isfinite(wide)] = np.nan
    low, high = np.nanpercentile(wide[:, there], [SICK, 100 - SICK], axis=0)
    wide[:, there] = np.clip(wide[:, there], low, high)
    return wide


def _weight(values: Float64) -> Float64:
    horizon = max(min(HORIZON, len(values) // 2), 1)
    one, many = _moved(values, 1), _moved(values, horizon)
    return np.where(many > 0, one / np.where(many > 0, many, 1), 1.0)


def _moved(values: Float64, steps: int) -> Float64:
    """Mean square of how far each channel goes in so many steps."""
    away = np.square(values[steps:] - values[:-steps])
    known = ~np.isnan(away)
    return np.asarray(np.where(known, away, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1))


class Ring(NamedTuple):
    """The last readings of every stream (streams, places, channels), and how many there were, (streams,)."""

    last: Float32
    number: Int64


class Level:
    """The last readings of every stream."""

    def __init__(self, channels: int) -> None:
        self.columns = Columns({"last": (np.float32, (READINGS, channels), np.nan), "count": (np.int64, (), 0)})

    def score(self, stream: Int32, values: Float32, scale: Scale) -> tuple[Float32, Int32]:
        """Score (n,) of readings (n, channels), and the channel that decided it; NaN and -1 without a scale.

        `scale` has a row for each stream, NaN where it is not known.
        """
        score, channel = np.full(len(stream), np.nan, np.float32), np.full(len(stream), -1, np.int32)
        _follow(stream, values, scale, Ring(self.columns["last"], self.columns["count"]), score, channel)
        return score, channel


@compiled
def _follow(stream: Int32, values: Float32, scale: Scale, ring: Ring, score: Float32, decided: Int32) -> None:
    rows, channels = values.shape
    total, known = np.zeros(channels), np.zeros(channels)
    for row in range(rows):
        of = stream[row]
        total[:], known[:] = 0, 0
        for channel in range(channels):
            ring.last[of, ring.number[of] % READINGS, channel] = values[row, channel]
        ring.number[of] += 1
        for place in range(READINGS):
            for channel in range(channels):
                away = abs(np.float64(ring.last[of, place, channel]) - scale.center[of, channel])
                away /= scale.scale[of, channel]
                there = away >= 0
                total[channel] += min(away, MOST) if there else 0.0
                known[channel] += 1.0 if there else 0.0
        for channel in range(channels):
            if 2 * known[channel] >= READINGS:
                mean = total[channel] / known[channel] * scale.weight[of, channel]
                if not score[row] >= mean:
                    score[row], decided[row] = mean, channel
