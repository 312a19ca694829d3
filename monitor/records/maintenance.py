"""Planned maintenance: when, of which streams, and what the monitor leaves out meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

EVERY = "*"  # the pattern of all streams


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintenance:
    """A maintenance window: once, or as often as `rrule` says.

    `start` and `end` are wall-clock times in `zone` (IANA), without an offset; every occurrence begins and ends at
    these times of the day. `rrule` is one of RFC 5545, "" = once. `exdates` and `rdates` are starts of occurrences that
    the rule has and is not to have, or the other way round. `families`: () = all. `streams` is a pattern as
    shells match names. `over` (ns): nothing of it is left from then on, as a person has removed it.
    """

    name: str
    start: datetime
    end: datetime
    zone: str = "UTC"
    rrule: str = ""
    exdates: tuple[datetime, ...] = ()
    rdates: tuple[datetime, ...] = ()
    families: tuple[str, ...] = ()
    streams: str = EVERY
    notify: bool = False  # alerts are announced
    score: bool = True  # windows are judged
    learn: bool = False  # limits, companions and models learn
    by: str = ""
    why: str = ""
    over: int | None = None


class Muted(NamedTuple):
    """A change of an alert is not announced: why, and until when (event time, ns) that lasts."""

    reason: str
    until: int


Muting = Callable[[str, str, int], Muted | None]  # of an alert: its family, its stream ("" = all), an event time, ns
