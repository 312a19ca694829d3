"""Maintenance windows as the pipeline sees them: for which streams a switch is off, and when.

A maintenance is known by its times alone: plain sorted spans per pattern of names, looked up for many readings or
windows at once. Nothing of it is saved, and where no span is near it costs two comparisons a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple, Protocol

import numpy as np

from monitor.pipeline.state.codec import Codes
from monitor.pipeline.state.columns import Columns
from monitor.records.batches import Bool, Int32, Int64, Windows
from monitor.records.streams import StreamIndex

_UNKNOWN, _NEVER = -2, -1  # groups of streams
_DAY = 86400 * 10**9
_BEFORE, _BEYOND = 7 * _DAY, 60 * _DAY  # ns that are asked for around what is needed


class Pattern(Protocol):
    """Spans [begin, end), ns, sorted and disjoint, for the streams whose names match a pattern."""

    @property
    def streams(self) -> str:
        """As shells match names."""
        ...

    @property
    def spans(self) -> Sequence[tuple[int, int]]:
        """When it is off."""
        ...


class Planned(Protocol):
    """All maintenance. The answers depend on nothing but what is asked."""

    def switches(self, family: str, switch: str) -> bool:
        """Whether `score` or `learn` is ever off for some stream of the family."""
        ...

    def off(self, family: str, switch: str, begin: int, end: int) -> Sequence[Pattern]:
        """When and for which streams it is off within [begin, end), ns."""
        ...


class Spans(NamedTuple):
    """Sorted and disjoint: begins (n,) and ends (n,), ns."""

    begin: Int64
    end: Int64


class Off(NamedTuple):
    """Which windows (m,) maintenance leaves out of judging, and of learning; None = none."""

    score: Bool | None = None
    learn: Bool | None = None


NOTHING_OFF = Off()


class Switch:
    """When `score` or `learn` is off for the streams of a family."""

    def __init__(self, name: str, family: str, index: StreamIndex) -> None:
        self._name, self._family, self._index = name, family, index
        self._planned: Planned | None = None
        self._from, self._to = 0, 0  # what the spans were asked for
        self._patterns: list[tuple[str, Sequence[tuple[int, int]]]] = []
        self._all = spans([])
        self._groups: list[Spans] = []
        self._group_of: dict[tuple[int, ...], int] = {}
        self._columns = Columns({"group": (np.int32, (), _UNKNOWN)})

    def follow(self, planned: Planned) -> None:
        """Go by this from now on."""
        self._planned = planned if planned.switches(self._family, self._name) else None
        self._from = self._to = 0

    def forget(self, codes: Codes) -> None:
        """These codes will be given to other streams."""
        self._columns.grow(len(self._index))
        self._columns.clear(codes)

    def overlaps(self, stream: Int32, begin: Int64, end: Int64) -> Bool | None:
        """Which rows (n,) have some of [begin, end] (ns, both inclusive) within a span; None where none has."""
        if self._planned is None or not len(stream):
            return None
        low, high = int(begin.min()), int(end.max())
        self._cover(self._planned, low, high)
        if not _overlap(self._all, np.array([low]), np.array([high]))[0]:
            return None
        group = self._grouped(stream)
        off = np.zeros(len(stream), bool)
        for number in np.unique(group[group >= 0]).tolist():
            rows = np.flatnonzero(group == number)
            off[rows] = _overlap(self._groups[number], begin[rows], end[rows])
        return off if off.any() else None

    def at(self, stream: Int32, time: Int64) -> Bool | None:
        """As `overlaps`, of moments."""
        return self.overlaps(stream, time, time)

    def _cover(self, planned: Planned, low: int, high: int) -> None:
        """Have the spans at hand from `low` to `high`."""
        if self._from < self._to and self._from <= low and high < self._to:
            return
        if self._from < self._to:
            low, high = min(low, self._from + _BEFORE), max(high, self._to - _BEYOND)
        self._from, self._to = low - _BEFORE, high + _BEYOND
        found = planned.off(self._family, self._name, self._from, self._to)
        self._patterns = [(each.streams, each.spans) for each in found]
        self._all = spans([span for _, several in self._patterns for span in several])
        self._groups, self._group_of = [], {}
        self._columns.grow(len(self._index))
        self._columns["group"][:] = _UNKNOWN

    def _grouped(self, stream: Int32) -> Int32:
        """The number of each stream's spans among `_groups` (n,); negative = none."""
        self._columns.grow(len(self._index))
        group = self._columns["group"]
        for code in np.unique(stream[group[stream] == _UNKNOWN]).tolist():
            group[code] = self._number(self._index.name(code))
        return np.asarray(group[stream])

    def _number(self, name: str) -> int:
        ours = tuple(i for i, (pattern, _) in enumerate(self._patterns) if fnmatchcase(name, pattern))
        if not ours:
            return _NEVER
        if ours not in self._group_of:
            self._group_of[ours] = len(self._groups)
            self._groups.append(spans([span for i in ours for span in self._patterns[i][1]]))
        return self._group_of[ours]


class Switches:
    """Both switches of a family that readings meet."""

    def __init__(self, family: str, index: StreamIndex) -> None:
        self.score, self.learn = Switch("score", family, index), Switch("learn", family, index)

    def follow(self, planned: Planned) -> None:
        """Go by this from the next batch on."""
        for switch in (self.score, self.learn):
            switch.follow(planned)

    def off(self, windows: Windows) -> Off:
        """Windows that hold a reading of such a time."""
        span = windows.stream, windows.start, windows.end
        return Off(self.score.overlaps(*span), self.learn.overlaps(*span))

    def forget(self, codes: Codes) -> None:
        """These codes will be given to other streams."""
        for switch in (self.score, self.learn):
            switch.forget(codes)


def spans(of: Sequence[tuple[int, int]]) -> Spans:
    """These spans, some of which may overlap, as disjoint ones."""
    found: list[tuple[int, int]] = []
    for begin, end in sorted(of):
        if found and begin <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((begin, end))
    columns = np.array(found, np.int64).reshape(-1, 2)
    return Spans(columns[:, 0].copy(), columns[:, 1].copy())


def _overlap(of: Spans, begin: Int64, end: Int64) -> Bool:
    """Which of [begin, end], both inclusive, have a moment in a span."""
    first = np.searchsorted(of.end, begin, side="right")  # the first that ends after it begins
    near = first < len(of.end)
    return np.asarray(near & (of.begin[np.minimum(first, len(of.end) - 1)] <= end)) if len(of.end) else near
