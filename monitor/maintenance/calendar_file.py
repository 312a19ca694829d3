"""Calendars to import: the events of an `.ics` file (RFC 5545) as maintenance.

An occurrence that was moved (RECURRENCE-ID) is left out of its event and becomes a maintenance that takes place once;
one that was cancelled is left out. What a plant's calendar does not need is refused with what it is: a file from
outside must not cost more than a look at it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from monitor.errors import SettingsError
from monitor.maintenance.occurrences import check, zone
from monitor.records.maintenance import Maintenance

if TYPE_CHECKING:
    from icalendar import Calendar, Component

MOST_BYTES: Final = 2**20
MOST_EVENTS: Final = 500
MOST_TIMES: Final = 5000  # left out of an event, or added to it
_NAME = 200  # characters
_TIMES: Final = ("DTSTART", "DTEND", "RECURRENCE-ID")
_ONCE: Final = (*_TIMES, "DURATION", "UID", "STATUS", "SUMMARY")


def read(file: Path, floating: str, like: Mapping[str, Any]) -> list[Maintenance]:
    """The events of a file, `like` having all that a calendar does not say. Raises SettingsError.

    `floating` is the zone of times that name none, where the calendar does not say so (X-WR-TIMEZONE).
    """
    try:
        body = file.read_bytes()[: MOST_BYTES + 1]
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read: {error.strerror}") from None
    try:
        return parse(body, floating, like)
    except ValueError as error:
        raise SettingsError(f"{file}: {error}") from None


def parse(body: bytes, floating: str, like: Mapping[str, Any]) -> list[Maintenance]:
    """As `read`, of what a file holds. Raises ValueError."""
    if len(body) > MOST_BYTES:
        raise ValueError(f"the calendar is larger than {MOST_BYTES:,} bytes; export a part of it")
    calendar = _calendar(body)
    events = calendar.walk("VEVENT")
    if len(events) > MOST_EVENTS:
        raise ValueError(f"the calendar has {len(events):,} events; {MOST_EVENTS} at most")
    floating = str(calendar.get("X-WR-TIMEZONE", floating))
    found: dict[str, Maintenance] = {}  # by UID, those that others may belong to
    single, left_out = list[Maintenance](), list[tuple[str, datetime]]()
    for number, event in enumerate(events, 1):
        uid = str(event.get("UID", f"event {number}"))
        try:
            _refuse(event)
            cancelled = str(event.get("STATUS", "")).upper() == "CANCELLED"
            if (original := event.get("RECURRENCE-ID")) is not None:
                left_out.append((uid, original.dt))
            if cancelled:
                continue
            made = _maintenance(event, floating, like)
        except ValueError as error:
            raise ValueError(f"event {number} ({_name(event)}): {error}") from None
        if original is None and uid not in found:
            found[uid] = made
        else:
            single.append(made)
    for uid, at in left_out:
        if uid in found:
            found[uid] = _without(found[uid], at)
    return _named([*found.values(), *single])


def _without(of: Maintenance, at: date) -> Maintenance:
    """All occurrences but the one that starts then. Raises ValueError."""
    try:
        return replace(of, exdates=(*of.exdates, _local(at, zone(of.zone))))
    except ValueError as error:
        raise ValueError(f"RECURRENCE-ID of an event ({of.name}): {error}") from None


def _calendar(body: bytes) -> Calendar:
    try:
        from icalendar import Calendar
    except ModuleNotFoundError:
        raise ValueError("icalendar is not installed; pip install 'watchkeeper[maintenance]'") from None
    try:
        found = Calendar.from_ical(body)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise ValueError(f"it is no iCalendar file: {str(error)[:200]}") from None
    if not isinstance(found, Calendar):
        raise ValueError("it is no iCalendar file: it does not begin with BEGIN:VCALENDAR")  # noqa: TRY004
    return found


def _refuse(event: Component) -> None:
    """Raise ValueError for what cannot be read, or is not taken."""
    for name, problem in event.errors:
        raise ValueError(f"{name} cannot be read: {problem}")
    for name in _ONCE:
        if isinstance(event.get(name), list):
            raise ValueError(f"{name} stands there several times; leave one")  # noqa: TRY004 (of what a person wrote)
    for name in _TIMES:
        if (given := event.get(name)) is not None and not isinstance(given.dt, date):
            raise ValueError(f"{name} is no date and no time of a day")
    if event.get("EXRULE") is not None or isinstance(event.get("RRULE"), list):
        raise ValueError("it has several rules; make one event of each")
    original = event.get("RECURRENCE-ID")
    if original is not None and "RANGE" in original.params:
        raise ValueError("it changes all later occurrences of another event; make a separate event of these")


def _maintenance(event: Component, floating: str, like: Mapping[str, Any]) -> Maintenance:
    if (begins := event.get("DTSTART")) is None:
        raise ValueError("it has no DTSTART")
    of = _zone(begins, floating)
    start = _local(begins.dt, zone(of))
    rule, length = event.get("RRULE"), _length(event, begins.dt, zone(of))
    try:
        end = start + length
    except OverflowError:
        raise ValueError(f"it lasts for {length.days:,} days, beyond the year 9999") from None
    made = Maintenance(
        name=_name(event), start=start, end=end, zone=of,
        rrule="" if rule is None else rule.to_ical().decode(), exdates=_times(event, "EXDATE", zone(of)),
        rdates=_times(event, "RDATE", zone(of)), **like,
    )  # fmt: skip
    check(made)
    return made


def _zone(of: Any, floating: str) -> str:
    """The IANA name of the zone of a time. Raises ValueError."""
    at = of.dt
    if not isinstance(at, datetime) or (at.tzinfo is None and "TZID" not in of.params):
        return floating
    key = getattr(at.tzinfo, "key", None)
    if isinstance(key, str):
        return key
    named = str(of.params.get("TZID", at.tzname()))[:60]
    raise ValueError(f"there is no time zone {named!r}; write it as Europe/Berlin")


def _length(event: Component, begins: date, of: ZoneInfo) -> timedelta:
    """How long it lasts by the wall clock; a whole day where only days are given."""
    if (ends := event.get("DTEND")) is not None:
        return _local(ends.dt, of) - _local(begins, of)
    if (lasts := event.get("DURATION")) is not None:
        return timedelta(seconds=lasts.dt.total_seconds())
    if isinstance(begins, datetime):
        raise ValueError("it has neither DTEND nor DURATION")  # noqa: TRY004 (of what a person wrote)
    return timedelta(days=1)


def _times(event: Component, name: str, of: ZoneInfo) -> tuple[datetime, ...]:
    given = event.get(name)
    several = given if isinstance(given, list) else [given] if given is not None else []
    times = [each.dt for one in several for each in one.dts]
    if len(times) > MOST_TIMES:
        raise ValueError(f"{name} has {len(times):,} times; {MOST_TIMES:,} at most")
    if not all(isinstance(each, date) for each in times):
        raise ValueError(f"{name} holds periods; write times")
    return tuple(_local(each, of) for each in times)


def _local(at: date, of: ZoneInfo) -> datetime:
    """By the wall clock of a zone: a day is its midnight, and a time without a zone is of this one."""
    if not isinstance(at, datetime):
        return datetime.combine(at, time())
    try:
        return (at if at.tzinfo is None else at.astimezone(of)).replace(tzinfo=None, microsecond=0)
    except OverflowError:
        raise ValueError(f"{at:%Y-%m-%d} is too far away; give a time from 1970 to 2200") from None


def _name(event: Component) -> str:
    text = " ".join(str(event.get("SUMMARY", "")).split())
    return "".join(letter for letter in text if letter.isprintable())[:_NAME] or "maintenance"


def _named(some: Iterable[Maintenance]) -> list[Maintenance]:
    """With a number behind names that others have, too."""
    seen, named = Counter[str](), []
    for each in some:
        seen[each.name] += 1
        named.append(each if seen[each.name] == 1 else replace(each, name=f"{each.name} ({seen[each.name]})"))
    return named
