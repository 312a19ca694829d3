"""Numbers that "auto" may take for a time, and what the others probably mean.

Every number is a time in some unit. One that would be before 2000 or more than two years ahead is more likely counted
from another start, or a date written in digits: taken as it stands, it moves a whole plant into another century.
"""

from __future__ import annotations

import time
from typing import NamedTuple

from monitor.sources.times.calendar import DAY
from monitor.sources.times.counts import auto_unit, from_floats, from_integers
from monitor.sources.times.patterns import Pattern

_EARLIEST = 946_684_800 * 10**9  # 2000-01-01
_AHEAD = 730 * DAY
_CALENDARS = {"ticks": ".NET ticks", "filetime": "a Windows file time", "excel": "Excel days"}
_DIGITS = {  # and how many there are; the first one that fits is meant
    "%Y%m%d": 8,
    "%Y%m%d%H": 10,
    "%Y%m%d%H%M": 12,
    "%Y%m%d%H%M%S": 14,
    "%Y%m%d%H%M%S%f": 17,
    "%y%m%d": 6,
    "%y%m%d%H": 8,
    "%y%m%d%H%M": 10,
    "%y%m%d%H%M%S": 12,
}


def bounds() -> tuple[int, int]:
    """The first and the last time, ns, that a sensor may mean by a number without a unit."""
    return _EARLIEST, time.time_ns() + _AHEAD


class Meaning(NamedTuple):
    """What a number looks like, as the end of a sentence that begins with it, and the `time_unit` that says so."""

    looks: str
    unit: str


def meaning(number: float) -> Meaning:
    """What a number probably means that is no plausible time in s, ms, us or ns."""
    first, last = bounds()
    whole = number == number // 1
    for unit, name in _CALENDARS.items():
        when = (from_integers([int(number)], unit) if whole else from_floats([number], unit))[0]
        if first <= when <= last:
            return Meaning(f"looks like {name}", unit)
    digits = str(int(number)) if whole else ""
    for pattern, size in _DIGITS.items():
        if len(digits) == size and first <= Pattern(pattern).parse([digits])[0] <= last:
            return Meaning(f"looks like {pattern}", pattern)
    unit = auto_unit(number)
    return Meaning(f"is before 2000 or more than two years ahead if it is a count of {unit}, from 1970 on", unit)
