"""Hours in which a channel is left alone, as local times of day in a zone: "22:00-06:00"."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_HOURS = re.compile(r"\s*([01]\d|2[0-3]):([0-5]\d)\s*-\s*([01]\d|2[0-3]):([0-5]\d)\s*")
_UTC = ZoneInfo("UTC")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_hours(text: str) -> tuple[time, time]:
    """The two times of day of "22:00-06:00". Raises ValueError."""
    found = _HOURS.fullmatch(text)
    if found is None:
        raise ValueError(f'{text[:40]!r} is no pair of times of day; write e.g. "22:00-06:00"')
    hour, minute, end_hour, end_minute = map(int, found.groups())
    begin, end = time(hour, minute), time(end_hour, end_minute)
    if begin == end:
        raise ValueError(f"{text[:40]!r} has no length; to send nothing at all, remove the channel")
    return begin, end


@dataclass(frozen=True, slots=True)
class QuietHours:
    """Daily hours in a zone. They begin and end when its clocks show so, however long that is on a day of change.

    A time of day that the clocks leave out lies where they go on; of one that they show twice, the first one counts.
    """

    hours: Sequence[tuple[time, time]] = ()
    zone: ZoneInfo = _UTC

    def until(self, now: int) -> int | None:
        """The end of the hours that `now` lies in, None outside of them; wall clock, ns."""
        return max((end for begin, end in self._near(now) if begin <= now < end), default=None)

    def ended(self, now: int) -> int | None:
        """The end of the newest hours before `now`; None where there are none."""
        return max((end for _, end in self._near(now) if end <= now), default=None)

    def _near(self, now: int) -> Iterator[tuple[int, int]]:
        """Those that begin from two days before `now` on to the day after it, in ns."""
        today = datetime.fromtimestamp(now // 10**9, self.zone).date()
        for day in (today + timedelta(days) for days in (-2, -1, 0, 1)):
            for begin, end in self.hours:
                yield self._instant(day, begin), self._instant(day + timedelta(days=end <= begin), end)

    def _instant(self, day: date, at: time) -> int:
        local = datetime.combine(day, at, self.zone)
        return (local.astimezone(UTC) - _EPOCH) // timedelta(seconds=1) * 10**9
