"""Recurrence rules of RFC 5545: checked, and expanded into wall-clock times.

What a plant needs is taken: DAILY, WEEKLY, MONTHLY and YEARLY, at most `MOST_A_DAY` times a day. A rule that is
finer, or can never occur, is refused: a calendar from outside must not cost more than a look at it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

MOST_A_DAY: Final = 24
LONGEST: Final = 1000  # characters of a rule
LATEST: Final = datetime(9999, 1, 1)  # noqa: DTZ001 (a wall-clock time)
FREQUENCIES: Final = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_BOUNDS: Final = {  # of the numbers in a list; a sign counts from the end
    "INTERVAL": (1, 1000), "COUNT": (1, 10_000), "BYMONTH": (1, 12), "BYMONTHDAY": (-31, 31), "BYYEARDAY": (-366, 366),
    "BYWEEKNO": (-53, 53), "BYHOUR": (0, 23), "BYMINUTE": (0, 59), "BYSETPOS": (-366, 366),
}  # fmt: skip
_DAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_DAY = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)")
_UNTIL = re.compile(r"(\d{8})(?:T(\d{6})(Z?))?")
_YEAR = timedelta(days=366)
_AGAIN = 19 * 400  # years after which every date has the same weekday, from 1970 to 2200 shortly before 9999


class Rule:
    """A recurrence rule, `start` being the first time. Raises ValueError with what is wrong with it."""

    def __init__(self, text: str, start: datetime, zone: ZoneInfo) -> None:
        self._parts = _parsed(text)
        self._start = start
        until = self._parts.pop("UNTIL", "")
        self._until = _until(until, zone) if until else LATEST
        _check(self._parts)
        if _never(self._text, start):
            raise ValueError(f"rrule {text!r} never occurs: no day fits all of its parts")

    def between(self, begin: datetime, end: datetime) -> Iterator[datetime]:
        """Wall-clock times of occurrences that start in [begin, end), in order."""
        for time in _times(self._text, self._near(begin)):
            if time >= end or time > self._until:
                return
            if time >= begin:
                yield time

    @property
    def _text(self) -> str:
        """All but its end."""
        return ";".join(f"{name}={value}" for name, value in self._parts.items())

    def _near(self, begin: datetime) -> datetime:
        """A start from which the rule goes on just so, not long before `begin`: whole intervals after the first."""
        step, before = int(self._parts.get("INTERVAL", "1")), begin - self._start - _YEAR
        if "COUNT" in self._parts or before <= timedelta(0):
            return self._start
        if self._parts["FREQ"] in {"DAILY", "WEEKLY"}:
            days = step * (7 if self._parts["FREQ"] == "WEEKLY" else 1)
            return self._start + timedelta(days=before.days // days * days)
        if self._start.day > 28:  # not in every month
            return self._start
        months = before.days // 31 // step * step if self._parts["FREQ"] == "MONTHLY" else 0
        years = before.days // 366 // step * step if self._parts["FREQ"] == "YEARLY" else 0
        more, month = divmod(self._start.month - 1 + months, 12)
        return self._start.replace(year=self._start.year + years + more, month=month + 1)


def _parsed(text: str) -> dict[str, str]:
    body = text.strip().upper().removeprefix("RRULE:")
    if len(body) > LONGEST:
        raise ValueError(f"the rrule is too long; {LONGEST:,} characters at most")
    parts: dict[str, str] = {}
    for part in filter(None, body.split(";")):
        name, _, value = part.partition("=")
        if name in parts or not value:
            raise ValueError(f"rrule {text!r}: {part} is no NAME=VALUE, or stands there twice")
        parts[name] = value
    if parts.get("FREQ") not in FREQUENCIES:
        asked = parts.get("FREQ", "nothing")
        raise ValueError(f"rrule {text!r}: FREQ is {asked}; write one of {', '.join(FREQUENCIES)}")
    return parts


def _check(parts: dict[str, str]) -> None:
    """Refuse what is unknown, out of bounds or more than `MOST_A_DAY` times a day."""
    for name, value in parts.items():
        if name == "FREQ" or (name == "WKST" and value in _DAYS):
            continue
        if name == "BYDAY" and all(_DAY.fullmatch(day) for day in value.split(",")):
            continue
        if name not in _BOUNDS or not all(_within(name, number) for number in value.split(",")):
            raise ValueError(f"part {name}={value} of the rrule is unknown or out of bounds; leave it out or mend it")
    times = len(_numbers(parts, "BYHOUR") or [0]) * len(_numbers(parts, "BYMINUTE") or [0])
    if parts["FREQ"] == "DAILY" and "BYDAY" in parts and int(parts.get("INTERVAL", "1")) % 7 == 0:
        raise ValueError("the rrule is DAILY, every so many weeks, on some days of the week; write it as WEEKLY")
    if times > MOST_A_DAY:
        raise ValueError(f"the rrule occurs {times:,} times a day; {MOST_A_DAY} at most")


def _within(name: str, text: str) -> bool:
    least, most = _BOUNDS[name]
    if not re.fullmatch(r"[+-]?\d{1,6}", text) or not least <= int(text) <= most:
        return False
    return int(text) != 0 or least == 0


def _numbers(parts: dict[str, str], name: str) -> list[int]:
    return [int(number) for number in parts[name].split(",")] if name in parts else []


def _until(text: str, zone: ZoneInfo) -> datetime:
    """The last wall-clock time that may occur; a date includes that day."""
    found = _UNTIL.fullmatch(text)
    day, time, utc = ("", "", "") if found is None else found.groups()
    try:
        until = datetime.strptime(day + (time or "235959"), "%Y%m%d%H%M%S")  # noqa: DTZ007 (a wall-clock time)
        return until.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None) if utc else until
    except (ValueError, OverflowError):
        raise ValueError(f"UNTIL={text} of the rrule is no time; write it as 20261231T235959") from None


def _never(text: str, start: datetime) -> bool:
    """Whether a rule that begins at `start` has no time in the centuries after it.

    A search has no end but that of the years, 9999: where dates and weekdays are just so again, shortly before it.
    """
    return next(iter(_times(text, start.replace(year=start.year + _AGAIN))), None) is None


def _times(text: str, start: datetime) -> Iterable[datetime]:
    from dateutil.rrule import rrulestr

    times: Iterable[datetime] = rrulestr(text, dtstart=start)
    return times
