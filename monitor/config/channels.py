"""What every kind of channel has in its table `[notify.NAME]`: filters, a rate, quiet hours, a stand-in, heartbeats."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import cached_property
from typing import ClassVar
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from monitor.config.durations import Duration, format_duration
from monitor.config.quiet_hours import QuietHours, parse_hours
from monitor.config.sections import Section
from monitor.records.alerts import Alert, Severity

_SECOND = 10**9
_MINUTE = 60 * _SECOND


class Channel(Section):
    """What every kind of channel has: which alerts it gets, when, how many, and what happens while it fails.

    An empty list of `kinds`, `streams` (patterns) or `families` means all; `severity` is the lowest one. Beyond
    `per_minute` tries in any 60 s, and after `quiet` hours in `zone`, what waits goes as one digest. What is given up
    goes to `fallback`, and what waits too where the channel has failed for `fallback_after`. A message is sent every
    `heartbeat` while a worker has committed within `heartbeat_commit_age`.
    """

    JOINS: ClassVar[bool] = True  # False: the receiver keeps the state of each alert, which a digest does not say

    kinds: tuple[str, ...] = ()
    severity: Severity = Severity.WARNING
    streams: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    per_minute: int | None = Field(default=None, ge=1, le=600)
    quiet: tuple[str, ...] = ()
    zone: str = "UTC"
    fallback: str | None = None
    fallback_after: Duration = 10 * _MINUTE
    heartbeat: Duration | None = None
    heartbeat_commit_age: Duration = 10 * _MINUTE

    @field_validator("quiet")
    @classmethod
    def _times_of_day(cls, quiet: tuple[str, ...]) -> tuple[str, ...]:
        for hours in quiet:
            parse_hours(hours)
        return quiet

    @field_validator("heartbeat")
    @classmethod
    def _not_too_often(cls, heartbeat: int | None) -> int | None:
        if heartbeat is not None and heartbeat < _SECOND:
            raise ValueError(f"{format_duration(heartbeat)} is too often; write 1s or more")
        return heartbeat

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (KeyError, OSError, ValueError):  # not known, a folder of zones, or no name of a file at all
            raise ValueError(f"{zone[:40]!r} is not known; write the name of a zone, such as Europe/Prague") from None
        return zone

    @cached_property
    def quiet_hours(self) -> QuietHours:
        """When only what is critical is sent."""
        return QuietHours([parse_hours(hours) for hours in self.quiet], ZoneInfo(self.zone))

    def wants(self, alert: Alert, severity: Severity) -> bool:
        """Whether its filters let a change of the alert through, which had that severity then."""
        rising = list(Severity)
        return (
            rising.index(severity) >= rising.index(self.severity)
            and (not self.kinds or alert.kind in self.kinds)
            and (not self.families or alert.family in self.families)
            and (not self.streams or any(fnmatchcase(alert.stream, pattern) for pattern in self.streams))
        )
