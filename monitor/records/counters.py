"""The counters of a stream. They are named here and where they are counted; everything between follows.

Each is a total since the stream was first seen. A new one needs its name here, the line of the pipeline that counts it,
and a migration that adds its column to `streams`: SQL statements, stores, reports and the command line show it then.
"""

from __future__ import annotations

READINGS = (  # every reading is counted by exactly one of these
    "accepted",
    "late",  # behind the stream's clock by more than `lateness`
    "duplicate",  # its slot was taken already
    "future",  # ahead of the wall clock by more than `max_future_skew`
)
SET_ASIDE = READINGS[1:]  # those of readings that are not judged
GRID = (*READINGS, "imputed")  # imputed: slots that the aligner filled in
HEALTH = (
    "gaps",  # longer than can be filled in: the windows restarted
    "out_of_range",  # readings with a value outside of `valid_range`
)
COUNTERS = (*GRID, *HEALTH)

Counts = tuple[int, ...]  # in the order of COUNTERS
NONE: Counts = (0,) * len(COUNTERS)


def readings(counts: Counts) -> int:
    """How many readings these counters have counted."""
    return sum(counts[: len(READINGS)])
