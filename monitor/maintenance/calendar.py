"""All maintenance at once: which spans of time are switched off for which streams."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from monitor.maintenance.occurrences import Span, merged, occurrences
from monitor.records.maintenance import Maintenance, Muted, Muting

_AROUND = 100 * 86400 * 10**9  # ns that are expanded before and after what is asked about
_AHEAD = 30 * 86400 * 10**9  # ns that the end of a silence is looked for; one that lasts longer is looked at again then


class Off(NamedTuple):
    """When something is switched off for the streams that match a pattern: spans that are sorted and disjoint."""

    streams: str
    spans: Sequence[Span]


class _Expanded(NamedTuple):
    """The spans of a maintenance that overlap [begin, end), ns."""

    begin: int
    end: int
    spans: list[Span]


class Calendar:
    """The maintenance of all families. Expanded as far as was asked for, which changes no answer."""

    def __init__(self, of: Iterable[Maintenance] = ()) -> None:
        self.of = tuple(of)
        self._expanded = [_Expanded(0, 0, [])] * len(self.of)

    @property
    def mutes(self) -> bool:
        """Whether some of it withholds announcements."""
        return any(not each.notify for each in self.of)

    def switches(self, family: str, switch: str) -> bool:
        """Whether the `switch` (score, learn) is off for some stream of the family at some time."""
        return any(True for _ in self._with(family, switch))

    def off(self, family: str, switch: str, begin: int, end: int) -> list[Off]:
        """When the `switch` is off at least in [begin, end), ns; the spans may go on beyond."""
        found = (Off(each.streams, self._spans(place, begin, end)) for place, each in self._with(family, switch))
        return [off for off in found if off.spans]

    def muted(self, family: str, stream: str, at: int) -> Muted | None:
        """Whether alerts of a stream ("" = of the family) are not announced at `at`, and until when; see `Muting`."""
        found = self._muting(family, stream, at)
        if found is None:
            return None
        name, until = found
        while until < at + _AHEAD:  # one that begins before this one ends
            later = self._muting(family, stream, until)
            if later is None:
                break
            until = later[1]
        return Muted(f"maintenance {name}", until)

    def _with(self, family: str, switch: str) -> Iterator[tuple[int, Maintenance]]:
        """What has the switch off for a family, and its place."""
        for place, each in enumerate(self.of):
            if not getattr(each, switch) and (not each.families or family in each.families):
                yield place, each

    def _muting(self, family: str, stream: str, at: int) -> tuple[str, int] | None:
        """The maintenance that lasts longest of those at that moment, and its end."""
        found: tuple[str, int] | None = None
        for place, each in self._with(family, "notify"):
            if not fnmatchcase(stream, each.streams):
                continue
            spans = self._spans(place, at, at + 1)
            row = bisect_right(spans, (at, 2**63)) - 1
            if row >= 0 and at < spans[row][1] and (found is None or spans[row][1] > found[1]):
                found = each.name, spans[row][1]
        return found

    def _spans(self, place: int, begin: int, end: int) -> list[Span]:
        """Those of one maintenance at least in [begin, end)."""
        known = self._expanded[place]
        if known.begin <= begin and end <= known.end:
            return known.spans
        if known.begin < known.end:
            begin, end = min(begin, known.begin + _AROUND), max(end, known.end - _AROUND)
        begin, end = begin - _AROUND, end + _AROUND
        made = _Expanded(begin, end, merged(occurrences(self.of[place], begin, end)))
        self._expanded[place] = made
        return made.spans  # another thread may have put others there


class ByCalendar:
    """What is muted by `planned` maintenance and by that which people have entered, which may be new at every call."""

    def __init__(self, planned: Iterable[Maintenance]) -> None:
        self._planned = tuple(planned)
        self._calendar = Calendar(self._planned)

    def __call__(self, entered: Iterable[Maintenance]) -> Muting:
        """The muting of all of it; expanded again only where it is not the same as before."""
        of = (*self._planned, *entered)
        if of != self._calendar.of:
            self._calendar = Calendar(of)
        return self._calendar.muted
