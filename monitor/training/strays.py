"""Stray readings in what is learned from: single spikes that stand apart from all other readings are filled in.

The past holds faults. A spike in one reading of 70 is in a third of the windows of 24 readings and in every window of
70: what a detector and a limit learn from would be sick as a whole. So a spike is found in the readings, as by a Hampel
filter (Hampel 1974, doi:10.1080/01621459.1974.10482962): by its distance from the running median of seven, which
follows drifts and steps. It has to lie `FAR` usual standard deviations away, and `APART` times as far as the furthest
reading that is no stray: in streams whose spikes come in all sizes, large ones are as normal as the others.

>>> readings = np.sin(np.arange(300.0)) * 0.1
>>> readings[[70, 140]] = 4
>>> bool(without_strays(readings[:, None].astype(np.float32)).max() < 0.11)
True
"""

from __future__ import annotations

import numpy as np

from monitor.records.batches import Bool, Float32, Float64

NEIGHBOURS = 7  # readings of the median: up to three strays may follow one another
FAR, APART = 10.0, 5.0
MOST = 0.02  # share of a channel's readings that may be strays: more of them are a state it is in
FEWEST = 30  # readings of a channel that show what is usual
USUAL, IN_STD = 0.9, 1.645  # this share of a normal distribution is so many standard deviations from its mean at most


def without_strays(values: Float32) -> Float32:
    """Readings (n, channels) of one stream in order of time, strays replaced by values between their neighbours."""
    cleaned = values
    for channel in range(values.shape[1]):
        known = np.flatnonzero(~np.isnan(values[:, channel]))
        stray = strays(values[known, channel].astype(np.float64))
        if stray.any():
            cleaned = values.copy() if cleaned is values else cleaned
            kept = known[~stray]
            cleaned[known[stray], channel] = np.interp(known[stray], kept, values[kept, channel])
    return cleaned


def strays(values: Float64) -> Bool:
    """Which values (n,) in order of time are strays."""
    from scipy.ndimage import median_filter

    none = np.zeros(len(values), np.bool_)
    if len(values) < FEWEST:
        return none
    away = np.abs(values - median_filter(values, NEIGHBOURS, mode="nearest"))
    ordered = np.sort(away)
    spread = float(ordered[int(USUAL * len(ordered))]) / IN_STD
    usual = np.maximum(ordered[:-1], spread)
    gaps = np.flatnonzero((ordered[1:] > APART * usual) & (ordered[1:] > FAR * spread))
    if spread == 0 or not len(gaps) or len(values) - 1 - gaps[0] > MOST * len(values):
        return none
    return np.asarray(away > ordered[gaps[0]])
