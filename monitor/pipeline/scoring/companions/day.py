"""What is usual at an hour of the day: the mean of 24 bins (UTC) for each channel, and a forecast that joins them.

The nearer the middle of a bin lies, the more it counts, so that the forecast does not jump from one hour to the next;
and a bin of few readings counts less, so that it does not jump when a new hour begins either.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.records.batches import Float32
from monitor.records.compiled import inlined

BINS = 24
BIN = 3600 * 10**9  # ns
DAY = BINS * BIN
REACH = 2.0  # hours from the middle of a bin to where it has no share in the forecast
SETTLING = 12.0  # readings; a bin that has so many counts by half
USUAL = 300 * 10**9  # ns


def rate(slowest: float, interval: int) -> float:
    """At which a bin follows readings `interval` ns apart, 0 = at no fixed distance.

    `slowest` where they come every five minutes or less often; more often the less, so that a bin knows the whole of
    its hour and not the end of it.
    """
    return slowest * min(interval / USUAL, 1.0) if interval else slowest


@inlined
def forecast(mean: Float32, number: NDArray[np.unsignedinteger[Any]], of: int, hour: float, channel: int) -> float:
    """Of the stream `of` at that hour, 0 to 24; NaN = unknown.

    By the bins (streams, 24, channels) and how many readings each has had.
    """
    weight, total, at = 0.0, 0.0, int(hour)
    for offset in range(-2, 3):
        near = (at + offset) % BINS
        share = 1 - abs(at + offset + 0.5 - hour) / REACH
        if share > 0 and number[of, near, channel] > 0:
            share *= number[of, near, channel] / (number[of, near, channel] + SETTLING)
            weight += share
            total += share * mean[of, near, channel]
    return total / weight if weight > 0 else np.nan
