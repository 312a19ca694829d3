"""The band in which the readings of a window usually lie, for evidence and charts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from monitor.records.alerts import Band
from monitor.records.batches import Float32, Float64

WIDTH = 3.0  # usual deviations to both sides: three readings in a thousand of a normal distribution lie outside


class Usual(NamedTuple):
    """Where each channel of a stream usually is, and how far from there, (channels,) each; NaN = not known.

    What is usual of the hour of the day is added to `center` where a recipe knows it.
    """

    center: Float32 | Float64
    deviation: Float32 | Float64


def band(usual: Usual, day: Float32 | None, length: int) -> Band | None:
    """The band of a window of `length` readings, (length, channels), of which `day` is usual at their hours.

    None where nothing is known of any channel.
    """
    center, deviation = (np.asarray(column, np.float64) for column in usual)
    deviation = np.where(deviation > 0, deviation, np.nan)
    middle = np.broadcast_to(center, (length, len(center))) + (0 if day is None else day)
    with np.errstate(over="ignore", invalid="ignore"):
        low, high = ((middle + side * WIDTH * deviation).astype(np.float32) for side in (-1, 1))
    known = np.isfinite(low) & np.isfinite(high)
    if not known.any():
        return None
    none = np.float32(np.nan)
    return Band(np.where(known, low, none), np.where(known, high, none))
