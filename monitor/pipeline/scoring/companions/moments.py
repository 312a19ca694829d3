"""Mean and standard deviation of every channel of every stream, of all readings so far.

Updated reading by reading (Welford 1962). From the `SOON`th reading on, one that lies beyond `ABSURD` deviations is
learned from as no more than that: garbage would be the scale for ever.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from monitor.pipeline.state.columns import Columns, Spec
from monitor.records.batches import Float64
from monitor.records.compiled import compiled

SOON, ABSURD = 10, 100.0
FLOOR, TINY = 1e-4, 1e-6  # of the mean, and in all: the deviation that is usual even of a channel at rest


class Moments(NamedTuple):
    """Of every channel of every stream: (streams, channels) each; `squares` are those of distances from the mean."""

    mean: Float64
    squares: Float64
    number: Float64

    @classmethod
    def of(cls, columns: Columns) -> Moments:
        """Those that are kept in columns made with `moment_columns`."""
        return cls(*(columns[name] for name in cls._fields))


def moment_columns(channels: int) -> dict[str, Spec]:
    """The columns of `Moments`."""
    return dict.fromkeys(Moments._fields, (np.float64, (channels,), 0.0))


@compiled
def deviation(known: Moments, of: int, channel: int, lost: int) -> float:
    """Standard deviation with `lost` degrees of freedom; what is usual of a channel at rest where that is more."""
    number = known.number[of, channel] - lost
    measured = math.sqrt(known.squares[of, channel] / number) if number > 0 else 0.0
    return float(max(measured, FLOOR * abs(known.mean[of, channel]), TINY))


@compiled
def learn(known: Moments, of: int, channel: int, value: float) -> None:
    """Take in a reading, which is finite."""
    away = value - known.mean[of, channel]
    if known.number[of, channel] >= SOON:
        most = ABSURD * deviation(known, of, channel, 0)
        away = min(max(away, -most), most)
    known.number[of, channel] += 1
    step = away / known.number[of, channel]
    known.mean[of, channel] += step
    known.squares[of, channel] += away * (away - step)
