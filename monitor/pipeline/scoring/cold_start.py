"""Cover from the first minute: a statistic that needs no training, for streams that have no model yet.

Score of a window: how far its newest reading lies from the window's median, in robust standard deviations
(1.4826 x median absolute deviation), the largest over the channels. The limit is fixed at `LIMIT`: far out, since a
new stream must not start with false alarms.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitor.records.batches import Float32
from monitor.records.scalars import COLD_START_READINGS

LIMIT = 10.0
FLOOR = 1e-3  # share of the median's size that counts as deviation even in a constant window


def score(windows: Float32) -> Float32:
    """(m, length, channels) to (m,), by the channels without missing values.

    NaN where there is none, and for windows of fewer than `COLD_START_READINGS`.
    """
    if windows.shape[1] < COLD_START_READINGS:
        return np.full(len(windows), np.nan, np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        found = _by_channel(windows)
        odd = np.flatnonzero(~np.isfinite(found).all(axis=1))  # a value is missing, or too large for float32
        if len(odd):
            found[odd] = _by_channel(windows[odd].astype(np.float64))
    return np.asarray(np.fmax.reduce(found, axis=1), dtype=np.float32)


def _by_channel(windows: NDArray[np.floating]) -> NDArray[np.floating]:
    """(m, channels); NaN where a value is missing."""
    median = np.median(windows, axis=1)
    deviation = np.median(np.abs(windows - median[:, None]), axis=1) * np.float32(1.4826)
    spread = deviation + np.float32(FLOOR) * np.abs(median) + np.float32(1e-6)
    return np.asarray(np.abs(windows[:, -1] - median) / spread)
