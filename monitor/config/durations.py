"""Lengths of time as people write them ("10s", "1h30m"), and spans given as a time or as a count."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo

from monitor.config.names import shown
from monitor.errors import SettingsError

_UNITS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86400 * 10**9}
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ns|us|ms|s|m|h|d)\s*")

_MOST_TEXT = 100  # characters of a duration: looking for one takes time by the square

LONGEST = 25 * 365 * _UNITS["d"]  # ns; ten of it still fit into 64 bits
WRITTEN = "written by a person"  # validation context of a file: there, a bare number is not a duration


def parse_duration(text: str) -> int:
    """Nanoseconds in a duration such as "10s", "250ms", "1.5h" or "1h30m"."""
    parts = _DURATION.findall(text) if len(text) <= _MOST_TEXT else []
    if not parts or _DURATION.sub("", text):
        raise ValueError(f"{shown(text)} is not a duration; write a number and a unit, e.g. 250ms, 10s, 5m, 24h, 7d")
    total = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if total > LONGEST:
        raise ValueError(f"{shown(text)} is too long; {LONGEST // _UNITS['d']:,} days at most")
    return round(total)


def format_duration(nanoseconds: int) -> str:
    """The shortest text that `parse_duration` reads back as this many nanoseconds, e.g. "1h30m"."""
    text = ""
    for unit in sorted(_UNITS, key=lambda unit: -_UNITS[unit]):
        count, nanoseconds = divmod(nanoseconds, _UNITS[unit])
        text += f"{count}{unit}" if count else ""
    return text or "0s"


class Span(BaseModel):
    """A length given as a time ("24h", in ns) or as a count (360): exactly one of the two is set."""

    model_config = ConfigDict(frozen=True)
    time: int | None = None
    count: int | None = None

    def __str__(self) -> str:
        """As it was written."""
        return format_duration(self.time) if self.time is not None else str(self.count)

    def steps(self, interval: int | None, where: str) -> int:
        """Number of grid steps; a time needs an interval to become a count. Raises SettingsError, naming `where`."""
        if self.count is not None:
            return self.count
        if interval is None:
            raise SettingsError(f'{where}: a duration needs an interval; give a count, or set interval = "10s"')
        assert self.time is not None  # noqa: S101 (one of the two is always set)
        if self.time % interval:
            raise SettingsError(f"{where}: {self} is not a whole number of intervals of {format_duration(interval)}")
        return self.time // interval


def duration(value: object, info: ValidationInfo) -> object:
    """For pydantic: text becomes ns; a bare number is refused where a person wrote it."""
    if isinstance(value, str):
        return parse_duration(value)
    if info.context == WRITTEN and isinstance(value, int | float):
        raise ValueError(f'{value} has no unit; write e.g. "{value}s"')
    return value


def _interval(value: object, info: ValidationInfo) -> object:
    if value == "none":
        return None
    try:
        return duration(value, info)
    except ValueError as error:
        raise ValueError(f'{error}, or "none" where readings come irregularly') from None


def _span(value: object) -> object:
    if isinstance(value, Span):
        return value
    if isinstance(value, str):
        return Span(time=parse_duration(value))
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= sys.maxsize:
        raise ValueError(f'{value!r} is neither a count such as 360 nor a duration such as "1h"; write one of them')
    return Span(count=value)


def _span_or_never(value: object) -> object:
    if value in (None, "none"):
        return None
    try:
        return _span(value)
    except ValueError as error:
        raise ValueError(f'{error}; or "none" for never') from None


def _limit(value: object, info: ValidationInfo) -> object:
    if value in (None, "none", "0") or (value == 0 and not isinstance(value, bool)):
        return None
    try:
        return duration(value, info) or None
    except ValueError as error:
        raise ValueError(f'{error}; or "none" for no limit') from None


Duration = Annotated[int, BeforeValidator(duration), Field(gt=0)]
DurationLimit = Annotated[Annotated[int, Field(gt=0)] | None, BeforeValidator(_limit)]  # None = no limit
Interval = Annotated[Annotated[int, Field(gt=0)] | None, BeforeValidator(_interval)]
Spanned = Annotated[Span, BeforeValidator(_span)]
SpannedOrNever = Annotated[Span | None, BeforeValidator(_span_or_never)]  # None = never


def parse_time(text: str) -> int:
    """Nanoseconds since 1970 of ISO 8601 text, to the microsecond; UTC unless it names another zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{shown(text)} is not a time; write it as 2026-01-31T23:59:00Z") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    time = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000
    if not -(2**63) <= time < 2**63:
        raise ValueError(f"{shown(text)} is too far away; times go from 1678 to 2261")
    return time
