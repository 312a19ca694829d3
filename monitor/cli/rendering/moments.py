"""Times as people read them: in UTC or a zone of their choice, and how long ago that was."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

_UNITS = ((365 * 86_400, 730 * 86_400, "y"), (86_400, 172_800, "d"), (3_600, 7_200, "h"), (60, 120, "min"), (1, 0, "s"))


@dataclass(frozen=True, slots=True)
class Moments:
    """Shows times (ns since 1970) in `zone`, None = that of this machine; `now` is the wall clock, ns."""

    now: int
    zone: tzinfo | None = UTC
    label: str = "UTC"

    def text(self, time: int) -> str:
        """To the second: 2014-02-03 04:05:06."""
        return f"{datetime.fromtimestamp(time // 10**9, UTC).astimezone(self.zone):%Y-%m-%d %H:%M:%S}"

    def aged(self, time: int) -> str:
        """With how long ago it was: 2014-02-03 04:05:06 (3 min ago)."""
        return f"{self.text(time)} ({self.ago(time)})"

    def ago(self, time: int) -> str:
        """How long ago it was: 3 min ago; "in 3 min" where it is still to come."""
        return f"{_length(self.now - time)} ago" if time <= self.now else f"in {_length(time - self.now)}"

    def left(self, time: int) -> str:
        """The time that is left until then, at least 0: 2 h."""
        return _length(max(0, time - self.now))

    def since(self, time: int) -> str:
        """The time that has passed since then, at least 0: 2 h."""
        return _length(max(0, self.now - time))


def _length(nanoseconds: int) -> str:
    """In the largest unit of which there are two or more; seconds where there is none."""
    seconds = nanoseconds // 10**9
    size, _, unit = next(row for row in _UNITS if seconds >= row[1])
    return f"{seconds // size:,} {unit}"
