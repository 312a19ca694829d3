"""When a maintenance takes place: its occurrences as event time, in ns.

Every occurrence begins and ends at the wall-clock times of its zone, whatever the offset is on that day: 01:00 to 05:00
lasts three hours where the clocks go forward, and five where they go back. A time that does not exist is read by the
offset before the change, one that exists twice is the first, as RFC 5545 has it; an occurrence that would so be over
before it begins has the length that it has on other days.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from heapq import merge
from itertools import islice
from zoneinfo import ZoneInfo

from monitor.maintenance.recurrence import Rule
from monitor.records.maintenance import Maintenance

LONGEST = timedelta(days=366)
EARLIEST, LATEST = datetime(1970, 1, 1), datetime(2200, 1, 1)  # noqa: DTZ001 (wall-clock times)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY, _DAY_NS = timedelta(days=1), 86400 * 10**9

Span = tuple[int, int]  # [begin, end), ns


def check(of: Maintenance) -> None:
    """Raise ValueError, with what to do, where a maintenance cannot take place."""
    zone(of.zone)
    if not EARLIEST <= of.start < LATEST:
        raise ValueError(f"start {of.start} is too far away; give a time from {EARLIEST:%Y} to {LATEST:%Y}")
    if of.end <= of.start:
        raise ValueError(f"end {of.end} is not after start {of.start}")
    if of.end - of.start > LONGEST:
        raise ValueError(f"it lasts for {(of.end - of.start).days:,} days from start to end; {LONGEST.days} at most")
    if not of.streams.strip():
        raise ValueError('streams: the pattern is empty; write a stream or a pattern such as "m-1*"')
    if of.notify and of.score and of.learn:
        raise ValueError("nothing is switched off; set notify, score or learn to false")
    if of.rrule:
        Rule(of.rrule, of.start, zone(of.zone))


def zone(name: str) -> ZoneInfo:
    """The zone of this IANA name. Raises ValueError."""
    try:
        return ZoneInfo(name)  # takes no path that leads out of its folder
    except (KeyError, ValueError, OSError):
        raise ValueError(f"there is no time zone {name[:60]!r}; write it as Europe/Berlin") from None


def occurrences(of: Maintenance, begin: int, end: int) -> list[Span]:
    """Those that overlap [begin, end) (ns), sorted; they may overlap one another."""
    limit = end if of.over is None else min(end, of.over)
    found: list[Span] = []
    for span in _from(of, begin):
        if span[0] >= limit + _DAY_NS:  # where clocks change, one may come before the one that it follows
            break
        if span[1] > begin and span[0] < limit:
            found.append((span[0], span[1] if of.over is None else min(span[1], of.over)))
    return sorted(found)


def upcoming(of: Maintenance, now: int, count: int) -> list[Span]:
    """The next `count` that are not over at `now`, ns."""
    coming = (span for span in _from(of, now) if span[1] > now and (of.over is None or span[0] < of.over))
    return list(islice(coming, count))


def merged(spans: Iterable[Span]) -> list[Span]:
    """The same times as spans that are sorted and neither overlap nor touch."""
    found: list[Span] = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        elif end > begin:
            found.append((begin, end))
    return found


def _from(of: Maintenance, begin: int) -> Iterator[Span]:
    """Occurrences from shortly before `begin` on, about in order."""
    of_zone, length = zone(of.zone), of.end - of.start
    local = _local(begin, of_zone) - length - 2 * _DAY
    if of.rrule:
        starts: Iterator[datetime] = Rule(of.rrule, of.start, of_zone).between(local, LATEST + LONGEST)
    else:
        starts = iter([of.start])
    added = iter(sorted(set(of.rdates)))
    for start in _distinct(merge(starts, added)):
        if start >= local and start not in of.exdates:
            yield _span(start, length, of_zone)


def _distinct(times: Iterable[datetime]) -> Iterator[datetime]:
    last = None
    for time in times:
        if time != last:
            yield time
        last = time


def _span(start: datetime, length: timedelta, of: ZoneInfo) -> Span:
    begin, end = _ns(start, of), _ns(start + length, of)
    return begin, end if end > begin else begin + length // timedelta(microseconds=1) * 1000


def _ns(local: datetime, of: ZoneInfo) -> int:
    return (local.replace(tzinfo=of) - _EPOCH) // timedelta(microseconds=1) * 1000


def _local(time: int, of: ZoneInfo) -> datetime:
    """The wall-clock time at `time`, within the years that occur."""
    seconds = min(max(time // 10**9, 0), int((LATEST.replace(tzinfo=UTC) - _EPOCH).total_seconds()))
    return (_EPOCH + timedelta(seconds=seconds)).astimezone(of).replace(tzinfo=None)
