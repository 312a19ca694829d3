"""A lasting share of records that cannot be read: an alert of the stream, or of the family, while it lasts.

Counted are the newest records of each partition: `FAMILY` of all of them, and `STREAM` of each stream that a record
names although it cannot be read. An alert opens with a record that cannot be read, when those are more than half, and
is resolved when they are less than a quarter. While the family's alert is open in a partition none opens of its
streams. Records count in the order of their offsets, so that any cut into batches gives the same alerts, and each
partition is judged by itself, so that it takes its share along to the worker that reads it next.

Four records of a new partition, none of which can be read:

>>> share = Share(FAMILY, "")
>>> facts = HealthFacts("live", "machines")
>>> times, bad = np.arange(4) * 10, np.ones(4, bool)
>>> share.step(Arrivals(bad, times, lambda row: "no field value"), facts).tolist()
[False, False, False, True]
>>> [(fact.kind.value, fact.at, fact.ratio, fact.cause) for fact in facts.facts]
[('opened', 30, 2.0, '4 of the newest 4 records cannot be read: no field value')]
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from monitor.pipeline.alerting.health_alerts import UNREADABLE, Episode, HealthFacts
from monitor.records.batches import NEVER, Bool, DeadLetter, Float64, Int64, Readings

_ALERT = ("opened", "started", "last", "peak", "peak_at", "count", "cause")


class Rule(NamedTuple):
    """How many of the newest records are looked at, and how many of them must be unreadable at least."""

    newest: int
    least: int


FAMILY, STREAM = Rule(40, 4), Rule(7, 4)
MOST_STREAMS = 200  # of a partition that are judged by themselves: names come from outside


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Records in the order of their offsets: which are `bad` (n,), their times in ns (n,), and why a bad one is so.

    No alert opens at a record that is `covered` (n,) by another alert; None = none is.
    """

    bad: Bool
    time: Int64
    why: Callable[[int], str]  # by row
    covered: Bool | None = None


class _Batch(NamedTuple):
    """Records that are judged, with the number of unreadable ones and their share, 1.0 = half, as of each of them."""

    records: Arrivals
    counts: Int64
    seen: Int64
    ratio: Float64

    def sentence(self, row: int) -> str:
        """What is wrong as of this record, which cannot be read."""
        return f"{self.counts[row]} of the newest {self.seen[row]} records cannot be read: {self.records.why(row)}"


class Share:
    """The newest records of one stream, or of a family in one partition (`stream` ""), and the alert about them.

    A stream is taken to have been readable before its first record here, a family to be new.
    """

    def __init__(self, rule: Rule, stream: str) -> None:
        self._rule, self._stream = rule, stream
        self._recent: Bool = np.zeros(rule.newest if stream else 0, bool)  # newest last; True = unreadable
        self.first = NEVER  # time of the first unreadable one since all of the newest could be read
        self.closed, self._closed_row = NEVER, -1  # when the alert before was resolved: the next one opens later
        self.opened = self.started = self.last = self.peak_at = NEVER
        self.peak, self.count, self.cause = 0.0, 0, ""

    @property
    def settled(self) -> bool:
        """Enough records were seen, all of them were read, and no alert is open: only an unreadable one matters."""
        full = len(self._recent) == self._rule.newest
        return full and self.opened == NEVER and not self._recent.any()

    def step(self, records: Arrivals, facts: HealthFacts) -> Bool:
        """Judge records one after the other; returns whether an alert is open at each of them, (n,)."""
        batch, end, self._closed_row = self._batch(records), len(records.bad), -1
        opens = records.bad & (batch.counts >= self._rule.least) & (batch.ratio > 1)
        if records.covered is not None:
            opens &= ~records.covered
        clears = np.asarray(~records.bad & (batch.ratio < 0.5))
        open_now, newer, row = np.zeros(end, bool), False, 0
        while row < end:
            begin, row = row, _next(opens if self.opened == NEVER else clears, row)
            if self.opened != NEVER:
                open_now[begin:row] = True
                newer |= self._extend(batch, begin, row)
                if row < end:
                    self._clear(batch, row, facts)
                    newer = False
            elif row < end:
                self._open(batch, row)
                open_now[row] = True
                facts.opened(self._episode())
            row += 1
        if newer:
            facts.continued(self._episode())
        if end:
            self.first = self._since(batch, end - 1)
            self._forget_closed(batch, end - 1)
            self._recent = np.concatenate([self._recent, records.bad])[-self._rule.newest :]
        return open_now

    def close(self, facts: HealthFacts) -> None:
        """Resolve the alert, though no record did."""
        if self.opened != NEVER:
            facts.cleared(self._episode(), self.last, math.nan)

    def dump(self) -> dict[str, Any]:
        """What is saved."""
        recent = "".join("01"[bad] for bad in self._recent.tolist())
        alert = {name: getattr(self, name) for name in _ALERT} if self.opened != NEVER else {}
        return {"recent": recent, "first": self.first, "closed": self.closed} | alert

    def load(self, saved: Mapping[str, Any]) -> None:
        """Resume from what was saved."""
        self._recent = np.array([bit == "1" for bit in saved["recent"]], bool)
        for name in ("first", "closed", *_ALERT):
            setattr(self, name, saved.get(name, getattr(self, name)))

    def _batch(self, records: Arrivals) -> _Batch:
        total = np.cumsum(np.concatenate([[False], self._recent, records.bad]).astype(np.int64))
        ends = np.arange(len(self._recent) + 1, len(total))
        begins = np.maximum(ends - self._rule.newest, 0)
        counts, seen = total[ends] - total[begins], ends - begins
        return _Batch(records, counts, seen, 2 * counts / np.maximum(seen, 1))

    def _open(self, batch: _Batch, row: int) -> None:
        self._forget_closed(batch, row)
        self.opened = self.last = self.peak_at = max(int(batch.records.time[row]), self.closed + 1)
        self.started = min(self._since(batch, row), self.opened)
        self.peak, self.count = float(batch.ratio[row]), int(batch.counts[row])
        self.cause = batch.sentence(row)

    def _extend(self, batch: _Batch, begin: int, end: int) -> bool:
        """Unreadable records in [begin, end) belong to the open alert; false when there is none."""
        rows = begin + np.flatnonzero(batch.records.bad[begin:end])
        if not len(rows):
            return False
        steps = np.arange(1, len(rows) + 1)  # records of one moment differ: the newest cause counts
        times = np.maximum.accumulate(np.maximum(batch.records.time[rows], self.last + steps) - steps) + steps
        worst = int(batch.ratio[rows].argmax())
        if batch.ratio[rows[worst]] > self.peak:
            self.peak, self.peak_at = float(batch.ratio[rows[worst]]), int(times[worst])
        self.count, self.last, self.cause = self.count + len(rows), int(times[-1]), batch.sentence(int(rows[-1]))
        return True

    def _clear(self, batch: _Batch, row: int, facts: HealthFacts) -> None:
        at = max(int(batch.records.time[row]), self.last + 1)  # behind commands that counted from `last`
        facts.cleared(self._episode(), at, float(batch.ratio[row]))
        self.opened, self.closed, self._closed_row = NEVER, at, row

    def _forget_closed(self, batch: _Batch, row: int) -> None:
        """The alert before is over for good once all of the newest records could be read, up to this one."""
        if (batch.counts[self._closed_row + 1 : row + 1] == 0).any():
            self.closed = NEVER

    def _since(self, batch: _Batch, row: int) -> int:
        """`first`, as of this record."""
        clean = np.flatnonzero(batch.counts[: row + 1] == 0)
        if len(clean) and clean[-1] == row:
            return NEVER
        if not len(clean) and self.first != NEVER:
            return self.first
        return int(batch.records.time[clean[-1] + 1 if len(clean) else 0])

    def _episode(self) -> Episode:
        times = (self.opened, self.started, self.last)
        return Episode(UNREADABLE, self._stream, *times, self.peak, self.peak_at, self.count, self.cause)


def _next(found: Bool, row: int) -> int:
    """The first true one from `row` on; the end where there is none."""
    hits = np.flatnonzero(found[row:])
    return row + int(hits[0]) if len(hits) else len(found)


class Partition:
    """What could not be read of one partition lately: the share of its family, and those of its streams."""

    def __init__(self) -> None:
        self._family = Share(FAMILY, "")
        self._streams: dict[str, Share] = {}

    @property
    def settled(self) -> bool:
        """Nothing is wrong: records that can be read need not be shown to `step`."""
        return self._family.settled and not self._streams

    def step(self, read: Readings, dead: Sequence[DeadLetter], names: Mapping[str, int], facts: HealthFacts) -> None:
        """Judge the records of a batch: readings of those that were read, and the others, each by rising offset.

        `names` has the code of each stream that readings name. A record without a time counts as one of 1970.
        """
        rows = _firsts(read.offset)
        offset = np.concatenate([read.offset[rows], np.array([letter.offset for letter in dead], np.int64)])
        when = np.array([letter.time or 0 for letter in dead], np.int64)
        order = np.argsort(offset, kind="stable")
        offset, bad = offset[order], (np.arange(len(offset)) >= len(rows))[order]
        time = np.concatenate([read.time[rows], when])[order]
        letters = {letter.offset: letter for letter in dead}
        covered = self._family.step(Arrivals(bad, time, partial(_why, letters, offset)), facts)
        of: dict[str, set[int]] = {name: set() for name in self._streams}
        for letter in dead:
            if letter.stream:
                of.setdefault(letter.stream, set()).add(letter.offset)
        for name, mine in of.items():
            share = self._share(name)
            if share is None:
                continue
            if (code := names.get(name)) is not None:
                mine.update(read.offset[read.stream == code].tolist())
            at = np.searchsorted(offset, np.array(sorted(mine), np.int64))
            records = Arrivals(bad[at], time[at], partial(_why, letters, offset[at]), covered[at])
            share.step(records, facts)
        self._streams = {name: share for name, share in self._streams.items() if not share.settled}

    def close(self, which: Callable[[str], bool], facts: HealthFacts) -> None:
        """Resolve the alerts of these streams, which are judged no more."""
        for name in list(filter(which, self._streams)):
            self._streams.pop(name).close(facts)

    def dump(self) -> dict[str, Any]:
        """What is saved."""
        streams = {name: share.dump() for name, share in self._streams.items()}
        return {"family": self._family.dump(), "streams": streams}

    @classmethod
    def of(cls, saved: Mapping[str, Any]) -> Partition:
        """Resume from what was saved."""
        found = cls()
        found._family.load(saved["family"])
        for name, share in saved["streams"].items():
            found._streams[name] = Share(STREAM, name)
            found._streams[name].load(share)
        return found

    def _share(self, name: str) -> Share | None:
        """That of a stream; the oldest one without an alert makes room for it. None: all others have an alert."""
        if name not in self._streams and len(self._streams) >= MOST_STREAMS:
            calm = next((other for other, share in self._streams.items() if share.opened == NEVER), None)
            if calm is None:
                return None
            del self._streams[calm]
        return self._streams.setdefault(name, Share(STREAM, name))


def _why(letters: Mapping[int, DeadLetter], offset: Int64, row: int) -> str:
    letter = letters[int(offset[row])]
    return f"{letter.error} (partition {letter.partition}, offset {letter.offset})"


def _firsts(offset: Int64) -> Int64:
    """The first reading of each record."""
    return np.flatnonzero(np.append(True, offset[1:] != offset[:-1])[: len(offset)])
