"""For how long the channels of a stream rested while they were learned from."""

from __future__ import annotations

import numpy as np

from monitor.config.families import Family
from monitor.records.batches import Float32, Int64

SHARE = 8  # a rest of more than this part of all that was seen says nothing of how long the next one may be


def longest_rests(family: Family, time: Int64, values: Float32) -> Int64:
    """The longest time of equal values (channels,), ns, among readings (n, channels) on the grid; 0 = not known."""
    found = np.zeros(len(family.channels), np.int64)
    if not family.may_freeze or not len(time):
        return found
    step = family.grid.interval or 0
    for channel in range(len(found)):
        there = np.flatnonzero(~np.isnan(values[:, channel]))
        at, value = time[there], values[there, channel]
        changes = (value[1:] != value[:-1]) | (np.diff(at) > (family.grid.max_gap + 1) * step)
        begins = np.concatenate([[0], np.flatnonzero(changes) + 1])
        ends = np.append(begins[1:], len(at)) - 1
        longest = max(int((at[ends] - at[begins]).max()), step) if len(at) else 0
        found[channel] = longest if SHARE * longest <= time[-1] - time[0] else 0
    return found
