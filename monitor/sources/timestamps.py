"""Times as plants write them, to int64 nanoseconds since 1970 (UTC), a whole column at a time.

A time that cannot be read becomes `NEVER`. Times beyond about 146 years from 1970 count as unreadable: no sensor means
them, and the arithmetic of later stages would leave int64.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from monitor.records.batches import NEVER, Bool, Int64
from monitor.sources.times import plausible
from monitor.sources.times.calendar import LAST
from monitor.sources.times.counts import UNITS, from_floats, from_integers
from monitor.sources.times.iso import parse_iso
from monitor.sources.times.patterns import Pattern
from monitor.sources.times.repeated_hours import Arrivals, RepeatedHours
from monitor.sources.times.zones import Zone

__all__ = ["LAST", "Arrivals", "Raw", "TimeReader", "Times", "to_ns"]

Raw = Sequence[int | float | str] | Int64
_SHOWN = 60  # characters of a time in a sentence
_INTEGERS = re.compile(r"(?:[+-]?[0-9]{1,30}\n)+")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Times:
    """Times in ns (n,), and which of them were naive: local times of a zone, made UTC. None: no zone is set."""

    ns: Int64
    naive: Bool | None = None

    def at(self, rows: Int64) -> Times:
        """The times at `rows`."""
        return Times(self.ns[rows], None if self.naive is None else self.naive[rows])

    def put(self, rows: Bool, others: Times) -> Times:
        """These times with the `others` at `rows`."""
        ns = self.ns.copy()
        ns[rows] = others.ns
        if self.naive is None or others.naive is None:
            return Times(ns)
        naive = self.naive.copy()
        naive[rows] = others.naive
        return Times(ns, naive)


class TimeReader:
    """Reads the times of one family, or of one file.

    `unit` is "s", "ms", "us", "ns", "ticks", "filetime" or "excel" for numbers; "auto" takes them for s, ms, us or ns
    by their size, where that is a plausible time. Other text is ISO 8601; with "iso" there are no numbers. A pattern of
    `strptime` reads text and numbers that look like it, and nothing else. `zone` is where times were taken that name
    none, by default UTC: ticks, Excel days and patterns without %z never name one. Raises ValueError for a unit or a
    zone that there is not.
    """

    def __init__(self, unit: str = "auto", zone: str = "") -> None:
        self._unit = unit
        self._pattern = _pattern(unit) if "%" in unit else None
        if self._pattern is None and unit not in (*UNITS, "auto", "iso"):
            known = ", ".join(("auto", "iso", *UNITS))
            raise ValueError(f"time_unit: {unit!r} is not known; choose one of {known}, or a pattern like %Y%m%d%H%M")
        self._zone = Zone(zone) if zone and zone != "UTC" else None
        self._repeated = None if self._zone is None else RepeatedHours(self._zone)

    def read(self, raw: Raw) -> Times:
        """Times of numbers and texts. Integers are exact, a float is rounded to the microsecond (Excel days: to ms).

        A local time that comes twice is the first of the two until `settle` has seen the streams.
        """
        kinds = {int} if isinstance(raw, np.ndarray) else set(map(type, raw))
        if len(kinds) == 1:
            ns, naive = self._column(raw, kinds.pop())
        else:
            ns, naive = np.full(len(raw), NEVER, np.int64), np.zeros(len(raw), np.bool_)
            for kind in kinds:
                rows = [row for row, item in enumerate(raw) if type(item) is kind]
                ns[rows], naive[rows] = self._column([raw[row] for row in rows], kind)
        return self.localise(ns, naive)

    def localise(self, ns: Int64, naive: Bool) -> Times:
        """The same times, with the `naive` ones taken for local times of the zone; NEVER where clocks skip one."""
        if self._zone is None:
            return Times(ns)
        naive = naive & (ns != NEVER)
        if naive.any():
            ns = ns.copy()
            ns[naive] = self._zone.to_utc(ns[naive])
        return Times(ns, naive & (ns != NEVER))

    def settle(self, times: Times, arrivals: Callable[[], Arrivals]) -> Int64:
        """The times, with those of repeated hours resolved. Call it once for each reading, in order of arrival.

        `arrivals` is called only where some of the times lie near a repeated hour.
        """
        if self._repeated is None or times.naive is None:
            return times.ns
        changes = self._repeated.concern(times.ns, times.naive)
        return self._repeated.resolve(times.ns, times.naive, changes, arrivals()) if changes else times.ns

    def explain(self, item: float | str) -> str:
        """Why `read` gives no time for this, in a sentence."""
        shown = repr(item[:_SHOWN]) if isinstance(item, str) else str(item)[:_SHOWN]
        (ns,), (naive,) = self._column([item], type(item))
        if ns != NEVER and naive and self._zone is not None and (change := self._zone.skipped(int(ns))) is not None:
            jump = (change.after - change.before) // (60 * 10**9)
            return f"{shown} does not exist in {self._zone.name}: the clocks were put forward by {jump} minutes"
        if self._pattern is not None:
            return f"{shown} does not look like {self._unit}"
        if (meaning := self.misread(item)) is not None:
            return f'{shown} {meaning.looks}; set time_unit = "{meaning.unit}"'
        what = {"auto": "an epoch time", "iso": ""}.get(self._unit, f"a number of {self._unit}")
        known = f"neither ISO 8601 nor {what}" if what else "not ISO 8601"
        return f"{shown} is {known}, or beyond 1824 to 2115"

    def misread(self, item: float | str) -> plausible.Meaning | None:
        """What an item probably means that has no time, where that is a number and no unit is named; else None."""
        number = _number(item) if isinstance(item, str) else item
        if self._unit != "auto" or number is None or not abs(number) < LAST:
            return None
        return plausible.meaning(number)

    def _column(self, raw: Raw, kind: type) -> tuple[Int64, Bool]:
        """Times that are all of one type, naive ones as if they were UTC; and which are naive."""
        if kind is str:
            return self._texts(cast("Sequence[str]", raw))
        if self._pattern is not None:
            digits = self._pattern.digits
            return _patterned(self._pattern, [digits(int(n)) if n == n // 1 else "" for n in cast("list[float]", raw)])
        if self._unit == "iso":
            ns = np.full(len(raw), NEVER, np.int64)
        elif kind is float:
            ns = from_floats(cast("Sequence[float]", raw), self._unit)
        else:
            ns = from_integers(cast("Sequence[int]", raw), self._unit)
        if self._unit == "auto":
            first, last = plausible.bounds()
            if ns.min() < first or ns.max() > last:
                ns = np.where((ns >= first) & (ns <= last), ns, NEVER)
        naive = self._unit in UNITS and UNITS[self._unit].naive
        return ns, np.full(len(raw), naive)

    def _texts(self, texts: Sequence[str]) -> tuple[Int64, Bool]:
        if self._pattern is not None:
            return _patterned(self._pattern, texts)
        if self._unit != "iso" and _INTEGERS.fullmatch("\n".join([*texts, ""])):
            return self._column(list(map(int, texts)), int)
        ns, zoned = parse_iso(texts)
        naive = ~zoned
        for row in np.flatnonzero(ns == NEVER).tolist() if self._unit != "iso" else ():
            if (number := _number(texts[row])) is not None:
                (ns[row],), (naive[row],) = self._column([number], type(number))
        return ns, naive


def to_ns(raw: Raw, unit: str) -> Int64:
    """Times in ns of numbers and texts; `unit` as in `TimeReader`."""
    return TimeReader(unit).read(raw).ns


def _pattern(unit: str) -> Pattern:
    try:
        return Pattern(unit)
    except ValueError as error:
        raise ValueError(f"time_unit: {unit!r}: {error}") from None


def _patterned(pattern: Pattern, texts: Sequence[str]) -> tuple[Int64, Bool]:
    return pattern.parse(texts), np.full(len(texts), not pattern.zoned)


def _number(text: str) -> int | float | None:
    """The number that `text` holds, if it is one; a whole number keeps all its digits."""
    if _NUMBER.fullmatch(text.strip()) is None or len(text) > _SHOWN:
        return None
    try:
        return int(text)
    except ValueError:
        return float(text)
