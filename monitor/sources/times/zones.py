"""Local times of a zone whose clocks change: to UTC, and the times that come twice or not at all.

A time that comes twice is read as the first of the two here; `repeated_hours` finds out which one is meant.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from monitor.records.batches import NEVER, Bool, Int64
from monitor.sources.times.calendar import DAY, SECOND

NEAR = 3 * 3600 * SECOND
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Change(NamedTuple):
    """The clocks of a zone change at `at`, ns; they are so far ahead of UTC `before` and `after` it, ns."""

    at: int
    before: int
    after: int


class Zone:
    """A zone of the IANA database, such as Europe/Berlin. Raises ValueError where there is none of this name."""

    def __init__(self, name: str) -> None:
        self.name = name
        try:
            self._zone = ZoneInfo(name)
        except (KeyError, ValueError, OSError):  # OSError: a folder, such as "Europe"
            raise ValueError(
                f"time_zone: {name!r} is not known; give a name of the IANA database, such as Europe/Berlin or UTC"
            ) from None
        self._changes: NDArray[np.int64] = np.zeros((0, 3), np.int64)  # (change, at-before-after)
        self._from = self._to = 0  # the years that were searched for changes

    def to_utc(self, local: Int64) -> Int64:
        """Local times in ns to UTC; NEVER for one that is skipped, the first one for one that comes twice."""
        if not len(local):
            return local
        at, before, after = self._table(int(local.min()), int(local.max()))
        place = np.searchsorted(at + np.maximum(before, after), local, side="right")
        ahead = np.append(before, after[-1:] if len(after) else self._ahead(int(local[0])))
        utc: Int64 = local - ahead[place]
        if len(at):
            coming = np.minimum(place, len(at) - 1)
            skipped: Bool = (place < len(at)) & (local >= (at + before)[coming])
            utc[skipped & (after > before)[coming]] = NEVER
        return utc

    def repeats(self, first: int, last: int) -> list[Change]:
        """Changes that make clocks go back, at most `NEAR` before or after the times from `first` to `last`, ns."""
        at, before, after = self._table(first, last)
        chosen = (after < before) & (at > first - NEAR) & (at - (before - after) < last + NEAR)
        return [Change(*map(int, row)) for row in self._changes[chosen]]

    def skipped(self, local: int) -> Change | None:
        """The change by which the clocks jump over this local time, ns, if one does."""
        for row in self._changes if self._table(local, local) else ():
            change = Change(*map(int, row))
            if change.at + change.before <= local < change.at + change.after:
                return change
        return None

    def _table(self, first: int, last: int) -> tuple[Int64, Int64, Int64]:
        """The changes in the years of these times and beside them."""
        start, end = _year(first) - 1, _year(last) + 2
        if self._from == self._to or start < self._from or end > self._to:
            start, end = (start, end) if self._from == self._to else (min(start, self._from), max(end, self._to))
            found = [change for year in range(start, end) for change in self._of_year(year)]
            self._changes = np.array(found, dtype=np.int64).reshape(-1, 3)
            self._from, self._to = start, end
        at, before, after = self._changes.T
        return at, before, after

    def _of_year(self, year: int) -> list[Change]:
        edges = np.arange(f"{year}-01-01", f"{year + 1}-01-02", dtype="datetime64[D]").astype(np.int64) * 86_400
        ahead = [self._ahead(edge * SECOND) for edge in edges.tolist()]
        found = []
        for day, (before, after) in enumerate(pairwise(ahead)):
            if before != after:
                low, high = int(edges[day]), int(edges[day + 1])  # seconds
                while high - low > 1:
                    middle = (low + high) // 2
                    low, high = (middle, high) if self._ahead(middle * SECOND) == before else (low, middle)
                found.append(Change(high * SECOND, before, after))
        return found

    def _ahead(self, utc: int) -> int:
        """How far the clocks are ahead of UTC at this time, ns."""
        moment = (_EPOCH + timedelta(seconds=utc // SECOND)).astimezone(self._zone)
        return int((moment.utcoffset() or timedelta()) / timedelta(seconds=1)) * SECOND


def _year(when: int) -> int:
    return (_EPOCH + timedelta(days=when // DAY)).year
