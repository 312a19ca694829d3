"""Figures of an alarm system over a period, as ISA-18.2 and IEC 62682 count them: pure functions over arrays of times.

Times are event times in ns. `Alerts` holds those that opened in the period, and those that opened before it and were
not resolved when it began: only these can be stale, and no rate counts them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.records.alerts import Severity
from monitor.records.batches import Int64

MINUTE = 60 * 10**9
HOUR, DAY = 60 * MINUTE, 24 * 60 * MINUTE
TEN_MINUTES = 10 * MINUTE
FLOOD_BEGINS, FLOOD_ENDS = 10, 5  # alerts of ten minutes: more than these, fewer than those
BUSY_HOUR = 30
CHATTER, CHATTER_WITHIN = 3, MINUTE  # openings of one source within this
TOP = 10
YET_TO_COME = 2**62  # ns: of an alert that is not resolved, or not acknowledged


class Period(NamedTuple):
    """Event times from `start` up to but without `end`."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Alerts:
    """Columns, sorted by `opened`. `severity` is a place in `Severity`; equal `source`s are one alarm: stream, kind,
    channel. `resolved` and `acknowledged` are `YET_TO_COME` where that has not happened."""

    opened: Int64
    resolved: Int64
    acknowledged: Int64
    severity: Int64
    source: Int64


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was measured. Shares are 0 to 1, NaN of nothing; lengths of time are in ns, NaN where there is none."""

    alerts: int
    hour_average: float
    hour_maximum: int  # in any hour, wherever it begins
    ten_minutes_average: float
    ten_minutes_maximum: int
    ten_minutes_last: int  # the newest ten minutes of the period
    busy_hours: float  # share of hours
    busy_ten_minutes: float
    floods: int
    time_in_flood: float
    top: list[tuple[int, int]]  # the sources that opened most alerts, with how many
    chattering: int  # alerts
    chattering_sources: int
    fleeting: int
    stale_on_a_day: int
    stale_at_end: int
    standing: int  # at the end of the period
    severities: dict[Severity, float]
    acknowledged: int
    acknowledged_after: tuple[float, float]  # median, and what nine of ten took at most
    unacknowledged: int  # of those that opened in the period, resolved or not
    unacknowledged_standing: int
    longest_active: float
    longest_unacknowledged: float

    @property
    def top_share(self) -> float:
        """Share of the alerts that the most frequent sources opened."""
        return _share(sum(count for _, count in self.top), self.alerts)


def measure(alerts: Alerts, period: Period) -> Figures:
    """All figures of a period, which must not be empty."""
    inside = (alerts.opened >= period.start) & (alerts.opened < period.end)
    opened, resolved = alerts.opened[inside], alerts.resolved[inside]
    answered, source = alerts.acknowledged[inside], alerts.source[inside]
    hours, tens = counts(opened, period, HOUR), counts(opened, period, TEN_MINUTES)
    flooded, chatter = in_flood(tens), chattering(opened, source)
    stale = stale_per_day(alerts.opened, alerts.resolved, period)
    standing = alerts.resolved >= period.end
    waits = np.maximum(answered - opened, 0)[answered < period.end]
    length = period.end - period.start
    active = np.minimum(alerts.resolved, period.end) - alerts.opened
    unseen = np.minimum(np.minimum(alerts.acknowledged, alerts.resolved), period.end) - alerts.opened
    return Figures(
        alerts=len(opened), hour_average=len(opened) * HOUR / length, hour_maximum=most_within(opened, HOUR),
        ten_minutes_average=len(opened) * TEN_MINUTES / length, ten_minutes_maximum=most_within(opened, TEN_MINUTES),
        ten_minutes_last=int((opened >= period.end - TEN_MINUTES).sum()),
        busy_hours=float((hours > BUSY_HOUR).mean()), busy_ten_minutes=float((tens > FLOOD_BEGINS).mean()),
        floods=int(flooded[0]) + int((flooded[1:] & ~flooded[:-1]).sum()), time_in_flood=float(flooded.mean()),
        top=most_frequent(source, TOP), chattering=int(chatter.sum()),
        chattering_sources=len(np.unique(source[chatter])),
        fleeting=int(((resolved - opened < MINUTE) & ~chatter).sum()),
        stale_on_a_day=int(stale.max()), stale_at_end=int((standing & (alerts.opened + DAY < period.end)).sum()),
        standing=int(standing.sum()),
        severities={each: float(np.mean(alerts.severity[inside] == i)) if len(opened) else np.nan
                    for i, each in enumerate(Severity)},
        acknowledged=len(waits), acknowledged_after=(_of(waits, np.median), _of(waits, _nine_of_ten)),
        unacknowledged=len(opened) - len(waits),
        unacknowledged_standing=int((standing & (alerts.acknowledged >= period.end)).sum()),
        longest_active=_of(active, np.max), longest_unacknowledged=_of(unseen, np.max),
    )  # fmt: skip


def counts(opened: Int64, period: Period, width: int) -> Int64:
    """How many opened in each interval of `width`, one behind the other from the start; the last one may be shorter."""
    intervals = -(-(period.end - period.start) // width)
    return np.bincount((opened - period.start) // width, minlength=intervals)


def most_within(opened: Int64, width: int) -> int:
    """The most that opened in less than `width`, wherever that begins. `opened` is sorted."""
    return int((np.searchsorted(opened, opened + width, side="left") - np.arange(len(opened))).max(initial=0))


def in_flood(tens: Int64) -> NDArray[np.bool_]:
    """Which ten minutes belong to a flood: from one with more than 10 alerts up to one with fewer than 5."""
    decides = (tens > FLOOD_BEGINS) | (tens < FLOOD_ENDS)
    last = np.maximum.accumulate(np.where(decides, np.arange(len(tens)), -1))  # the newest that decides; -1: none yet
    return (last >= 0) & (tens[last] > FLOOD_BEGINS)


def chattering(opened: Int64, source: Int64) -> NDArray[np.bool_]:
    """Which alerts are among three or more of one source within a minute."""
    order = np.lexsort((opened, source))
    time, of = opened[order], source[order]
    near = np.zeros(len(order), np.bool_)
    first = np.flatnonzero(
        (of[CHATTER - 1 :] == of[: 1 - CHATTER]) & (time[CHATTER - 1 :] - time[: 1 - CHATTER] <= CHATTER_WITHIN)
    )
    for i in range(CHATTER):
        near[first + i] = True
    found = np.zeros(len(order), np.bool_)
    found[order] = near
    return found


def stale_per_day(opened: Int64, resolved: Int64, period: Period) -> Int64:
    """How many alerts were open for more than a day at some time of each day; days are counted from the start."""
    days = -(-(period.end - period.start) // DAY)
    begin = np.maximum(opened + DAY, period.start - 1)  # stale right behind it
    end = np.minimum(resolved, period.end)
    stale = begin < end - 1
    first, last = (begin[stale] + 1 - period.start) // DAY, (end[stale] - 1 - period.start) // DAY
    steps = np.bincount(first, minlength=days + 1) - np.bincount(last + 1, minlength=days + 1)
    return np.cumsum(steps)[:days]


def most_frequent(source: Int64, most: int) -> list[tuple[int, int]]:
    """The sources with the most alerts, and how many; of equals the lower number first."""
    sources, frequency = np.unique(source, return_counts=True)
    order = np.lexsort((sources, -frequency))[:most]
    return list(zip(sources[order].tolist(), frequency[order].tolist(), strict=True))


def _nine_of_ten(lengths: Int64) -> float:
    return float(np.quantile(lengths, 0.9, method="inverted_cdf"))


def _of(lengths: Int64, reduce: Callable[[Int64], float]) -> float:
    return float(reduce(lengths)) if len(lengths) else np.nan


def _share(part: int, whole: int) -> float:
    return part / whole if whole else np.nan
