"""Clocks that are wrong by a zone: what it looks like when local times are taken for UTC, and the sentence for it."""

from __future__ import annotations

import numpy as np

from monitor.records.batches import Int64

MINUTE = 60 * 10**9
HOUR = 60 * MINUTE
_HALF, _FARTHEST = 30 * MINUTE, 14 * HOUR  # zones are ahead of UTC by multiples of this, and by no more than that
_TOLERANCE = 5 * MINUTE  # of delivery and of clocks
_SHARE = 0.9
_FEWEST = 2  # readings that make a block


def zone_shift(ahead: Int64) -> int | None:
    """The half hours, in ns, by which nearly all of these readings are ahead (below 0: behind), or None.

    `ahead` (n,) is how far each one is from the clock it is compared with, the one on the wall or its stream's own.
    """
    if not len(ahead):
        return None
    shift = int(np.rint(np.median(ahead) / _HALF)) * _HALF
    near = np.abs(ahead - shift) <= _TOLERANCE
    return shift if 0 < abs(shift) <= _FARTHEST and np.mean(near) >= _SHARE else None


def zone_cause(ahead: Int64) -> str | None:
    """Why nearly all readings of a stream are ahead of the wall clock, or behind it, if a zone explains that.

    `ahead` (n,) in ns, as for `zone_shift`.
    """
    shift = zone_shift(ahead)
    if shift is None:
        return None
    side = "ahead of" if shift > 0 else "behind"
    return f"{_hours(abs(shift))} {side} the clock: are they local times without a zone? set format.time_zone"


def hour_blocks(time: Int64) -> list[tuple[int, int]]:
    """Where the times of one stream (ns, in order of arrival) jump back as clocks do when they are put back an hour.

    As (row, rows): the first row after each jump, and how many rows come until the time before it is reached again. A
    jump counts if the next reading comes an hour too early to within half a usual step; with steps of more than half an
    hour, that cannot be seen.
    """
    steps = np.diff(time)
    rising = steps[steps > 0]
    if not len(rising):
        return []
    step = int(np.median(rising))
    if step > HOUR // 2:
        return []
    jumps = np.flatnonzero(np.abs(steps - step + HOUR) <= step // 2) + 1
    found = []
    for row in jumps.tolist():
        after = time[row:] > time[:row].max()
        rows = int(np.argmax(after)) if after.any() else len(after)
        if rows >= _FEWEST:
            found.append((row, rows))
    return found


def hour_cause(rows: int) -> str:
    """The sentence for a block of `rows` readings that is late by an hour."""
    return (
        f"{rows:,} readings in a row are late by exactly an hour: are the times local, and were the clocks put back? "
        "name the zone: --timezone, or format.time_zone"
    )


def _hours(shift: int) -> str:
    hours, minutes = divmod(shift // MINUTE, 60)
    parts = [f"{hours} h"] * (hours > 0) + [f"{minutes} min"] * (minutes > 0)
    return " ".join(parts)
