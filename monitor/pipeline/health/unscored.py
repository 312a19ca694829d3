"""Streams that send but are not scored: an alert with the cause, while most of their readings are judged by no window.

A stream's readings are counted by stretches of `unscored_after` places (see `stretches`), those that were set aside as
late, duplicate or future included. The alert opens at the end of a stretch of which more than `OPEN` was not judged,
and resolves at the end of one of which at most `CLEAR` was not; a stretch with few readings is counted with the next.
It opens at once where a stretch has as many readings set aside as it has places, and after `RUN` readings from the
future with no other between them.

A window that is judged counts for as many readings as lie between windows; `counted` says which windows are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from monitor.config.families import Family
from monitor.pipeline.alerting.health_alerts import UNSCORED, Episode, HealthFacts
from monitor.pipeline.alignment.aligner import Aligner
from monitor.pipeline.health.causes import Kinds, Tally, why_unscored
from monitor.pipeline.health.places import Places
from monitor.pipeline.health.stretches import ASIDE, COUNTS, FAR, NEWEST, SIZES, Stretches, added
from monitor.pipeline.state.codec import Codes, Section, signature
from monitor.pipeline.state.columns import Columns, Spec
from monitor.pipeline.state.segments import Gridded, segment_starts, segments
from monitor.records.batches import NEVER, Bool, Int32, Int64, Scores
from monitor.records.streams import StreamIndex

OPEN, CLEAR = 0.4, 1 / 3  # shares of a stretch that were not judged; one gap costs a window, a third of it by default
RUN = 6  # readings from the future

_ALERT: dict[str, Spec] = {
    "opened": (np.int64, (), NEVER),  # NEVER = no alert
    "started": (np.int64, (), NEVER),
    "last": (np.int64, (), NEVER),
    "closed": (np.int64, (), NEVER),  # when the one before was resolved
    "bad": (np.int32, (), 0),  # readings that were not judged
}


class Arrived(NamedTuple):
    """The streams of a batch's readings (n,), the wall clock, ns, where they are live, and whether the source ended."""

    stream: Int32
    now: int | None
    ended: bool = False


NOTHING = Arrived(np.zeros(0, np.int32), None)


class Batch(NamedTuple):
    """What became of a batch: `judged` says which scores count as those of judged windows, (m,), `covered` of a stream
    and a span, ns, whether another alert says already why nothing was judged."""

    arrived: Arrived
    gridded: Gridded
    aligner: Aligner
    scores: Scores
    judged: Bool
    covered: Callable[[int, int, int], bool]


class Unscored:
    """The newest two stretches of every stream, and its alert."""

    def __init__(self, family: Family, index: StreamIndex) -> None:
        self._index, self._channels = index, family.channels
        self._by = " by the model" if family.judges_parts else ""  # a sentence's end; companions judge some without it
        self._kinds = Kinds(family.grid.interval, family.window.rules.found)
        self._places = places = Places(family)
        absent: Spec = (np.int32, (2, len(family.channels)), 0)
        self.columns, self.alerts = Columns(NEWEST | {"absent": absent}), Columns(_ALERT)
        meaning = signature(family.grid, places.stretch, places.hop, len(family.channels))
        self.sections = {
            "stretches": Section(self.columns, meaning),
            "unscored": Section(self.alerts, signature("unscored")),  # open alerts outlive other settings
        }

    def take(self, batch: Batch, facts: HealthFacts) -> None:
        """Count a batch that was judged, and add facts about alerts."""
        gridded, columns = batch.gridded, self.columns
        first, size = segments(gridded.stream)
        streams = gridded.stream[first]
        if not self._places.stretch:
            return self._switched_off(gridded, first, facts)
        slow = self._slow(batch, streams, first, size)
        quick = ~slow[streams]
        if quick.any():
            columns["counts"][streams[quick], 0, COUNTS.index("slots")] += size[quick].astype(np.int32)
            begins, judged = segments(batch.scores.stream)
            ours = batch.scores.stream[begins]
            ours, judged = ours[~slow[ours]], judged[~slow[ours]]
            columns["counts"][ours, 0, COUNTS.index("judged")] += judged.astype(np.int32)
        if slow.any():
            self._count(batch, slow, facts)
        columns["placed"][streams] += size
        columns["newest"][streams] = gridded.slot[first + size - 1]
        self._run_ahead(batch, streams, facts)
        return None

    def close(self, code: int, at: int, facts: HealthFacts) -> None:
        """Resolve the stream's alert at `at`, ns, though no stretch did; its next stretch is counted from the start."""
        if self.alerts["opened"][code] != NEVER:
            self._clear(code, at, 0.0, facts)
        for name in NEWEST.keys() - {"placed", "newest"} | {"absent"}:
            self.columns[name][code] = self.columns.spec[name][2]

    def _slow(self, batch: Batch, streams: Codes, first: Int64, size: Int64) -> Bool:
        """Which streams (by code) need more than a sum: all but those judged throughout, inside of one stretch."""
        gridded, scores = batch.gridded, batch.scores
        slow = np.zeros(len(self.columns["stretch"]), bool)
        slow[batch.arrived.stream] = True  # all that arrived may still wait for its slot
        number, placed = self.columns["stretch"][streams], self.columns["placed"][streams]
        begin, end = self._places.ends(gridded, first, size, placed)
        over = self._places.complete(batch.aligner, streams, placed + size) >= number  # what waits is far ahead
        slow[streams] = (begin != number) | (end != number) | over | self._places.late_windows
        if batch.arrived.ended:
            slow |= self.columns["stretch"] != NEVER
        if self._places.late_windows:
            slow[scores.stream] = True
        slow[gridded.stream[gridded.restart]] = True
        slow[gridded.stream[gridded.imputed]] = True
        slow[scores.stream[~batch.judged]] = True
        for _, aside in batch.aligner.aside:
            slow[aside.stream] = True
        if batch.aligner.missing is not None:
            slow[batch.aligner.missing.stream] = True
        return slow

    def _count(self, batch: Batch, slow: Bool, facts: HealthFacts) -> None:
        """Count stretch by stretch, and close those that are complete."""
        codes = np.flatnonzero(slow)
        tables = [self._kept(codes, 0), self._kept(codes, 1), *self._places.tables(batch, slow, self.columns)]
        found = added(tables)
        complete = self._places.complete(batch.aligner, found.stream, self._after(batch, found.stream))
        closing = found.number <= complete
        self._close(found, complete, closing, batch, facts)
        self._keep(codes, found.take(np.flatnonzero(~closing)))
        self._flooded(found, complete, batch, facts)

    def _after(self, batch: Batch, stream: Codes) -> Int64:
        """`placed` after the batch."""
        more = np.bincount(batch.gridded.stream, minlength=len(self.columns["placed"]))
        return np.asarray(self.columns["placed"][stream] + more[stream])

    def _kept(self, codes: Codes, which: int) -> Stretches:
        """The older or newer stretch of these streams, where they have one."""
        columns = self.columns
        codes = codes[columns["stretch"][codes] != NEVER]
        codes = codes[columns["counts"][codes, which].any(axis=1)]
        rows = (columns[name][codes, which] for name in ("counts", "sizes", "absent"))
        return Stretches(codes.astype(np.int64), columns["stretch"][codes] + which, *rows)

    def _keep(self, codes: Codes, rest: Stretches) -> None:
        columns = self.columns
        columns["stretch"][codes] = NEVER
        for name, empty in (("counts", 0), ("sizes", FAR), ("absent", 0)):
            columns[name][codes] = empty
        oldest = segment_starts(rest.stream.astype(np.int32))
        columns["stretch"][rest.stream[oldest]] = rest.number[oldest]
        which = np.minimum(rest.number - columns["stretch"][rest.stream], 1)
        for name in ("counts", "sizes", "absent"):
            columns[name][rest.stream, which] = getattr(rest, name)

    def _close(self, found: Stretches, complete: Int64, closing: Bool, batch: Batch, facts: HealthFacts) -> None:
        """Judge complete stretches, or add them to the next one; streams that are well are passed over at once.

        Those that wait for the next one are no longer `closing`.
        """
        readings = found.readings
        bad = (readings < self._places.least) | (found.unjudged(self._places.hop) > CLEAR * readings)
        bad |= self.alerts["opened"][found.stream] != NEVER
        bad &= closing
        if not bad.any():
            return
        for row in np.flatnonzero(closing & np.isin(found.stream, found.stream[bad])).tolist():
            following = row + 1 < len(found.stream) and found.stream[row + 1] == found.stream[row]
            if found.number[row] < NEVER // 2 // self._places.stretch:  # the stream had no time yet
                continue
            if found.readings[row] >= self._places.least:
                self._flood(found, row, None, facts)
                self._judge(found, row, batch, facts)
            elif following:
                found.counts[row + 1] += found.counts[row]
                found.sizes[row + 1] = np.minimum(found.sizes[row + 1], found.sizes[row])
                found.absent[row + 1] += found.absent[row]
            else:
                found.number[row], closing[row] = complete[row] + 1, False

    def _judge(self, found: Stretches, row: int, batch: Batch, facts: HealthFacts) -> None:
        code, number = int(found.stream[row]), int(found.number[row])
        at = self._places.end(batch, found, row, self.columns["placed"])
        unjudged, readings = int(found.unjudged(self._places.hop)[row]), int(found.readings[row])
        share, enough = unjudged / readings, unjudged >= self._places.least  # fewer are a window that was not whole yet
        if self.alerts["opened"][code] == NEVER:
            if share > OPEN and enough and not batch.covered(code, self._places.begin(found, row, at), at):
                self._open(found, row, at, facts)
        elif number < self.columns["since"][code]:  # the next stretch was flooded before this one was complete
            return
        elif share > CLEAR:
            self._continue(found, row, at, facts)
        elif number > self.columns["since"][code]:
            self._clear(code, at, share, facts)

    def _continue(self, found: Stretches, row: int, at: int, facts: HealthFacts) -> None:
        code, unjudged = int(found.stream[row]), int(found.unjudged(self._places.hop)[row])
        before = self.columns["counted"][code] if found.number[row] == self.columns["newest_bad"][code] else 0
        self.alerts["bad"][code] += unjudged - before
        self.columns["newest_bad"][code], self.columns["counted"][code] = found.number[row], unjudged
        self.alerts["last"][code] = max(at, int(self.alerts["last"][code]))
        facts.continued(self._episode(code, unjudged / int(found.readings[row]), self._cause(found, row)))

    def _switched_off(self, gridded: Gridded, first: Int64, facts: HealthFacts) -> None:
        """Resolve alerts that are open from when this was not switched off."""
        for row in first[self.alerts["opened"][gridded.stream[first]] != NEVER].tolist():
            self._clear(int(gridded.stream[row]), int(self._places.grid.times(gridded.slot[row])), 0.0, facts)

    def _clear(self, code: int, at: int, share: float, facts: HealthFacts) -> None:
        at = max(at, int(self.alerts["last"][code]))
        facts.cleared(self._episode(code, share, ""), at, share / OPEN)
        self.alerts["closed"][code], self.alerts["opened"][code] = at, NEVER

    def _open(self, found: Stretches, row: int, at: int, facts: HealthFacts) -> None:
        code, unjudged = int(found.stream[row]), int(found.unjudged(self._places.hop)[row])
        self._begin(code, int(found.number[row]), (at, self._places.begin(found, row, at)), unjudged)
        facts.opened(self._episode(code, max(OPEN, unjudged / int(found.readings[row])), self._cause(found, row)))

    def _begin(self, code: int, number: int, times: tuple[int, int], bad: int) -> None:
        """Note an alert that opens in the stretch of this number; `times` are when it opened and when it began."""
        at = max(times[0], int(self.alerts["closed"][code]) + 1)  # the alert before was another one
        self.alerts["opened"][code] = self.alerts["last"][code] = at
        self.alerts["started"][code], self.alerts["bad"][code] = min(at, times[1]), bad
        self.columns["since"][code] = self.columns["newest_bad"][code] = number
        self.columns["counted"][code] = bad

    def _flooded(self, found: Stretches, complete: Int64, batch: Batch, facts: HealthFacts) -> None:
        """Open where so much was set aside that a stretch which is not complete can be no good one any more.

        Not live, and before the end, only once those before it are complete: else the order would depend on the cut.
        """
        aside = sum(found.column(name) for name in ASIDE)
        due = found.number == complete + 1
        if batch.arrived.now is not None or batch.arrived.ended:
            due = found.number > complete
        for row in np.flatnonzero(due & (aside >= self._places.stretch)).tolist():
            self._flood(found, row, batch.arrived.now, facts)

    def _flood(self, found: Stretches, row: int, now: int | None, facts: HealthFacts) -> None:
        """The same fact whenever the stretch is looked at; only live, the cause is the one of that moment."""
        code, number, most = int(found.stream[row]), int(found.number[row]), self._places.stretch
        aside = sum(int(found.column(name)[row]) for name in ASIDE)
        if aside < most or self.alerts["opened"][code] != NEVER or number < NEVER // 2 // most:
            return
        began = self._places.begin(found, row, NEVER if now is None else now)
        if began == NEVER:  # without a grid, when it began is not known
            return
        self._begin(code, number, (began, began), most)
        cause = f"{most:,} readings were late, duplicates or from the future within {most:,} slots of the clock"
        facts.opened(self._episode(code, 1.0, cause if now is None else self._cause(found, row)))

    def _run_ahead(self, batch: Batch, streams: Codes, facts: HealthFacts) -> None:
        """Open where a stream brings nothing but readings from the future."""
        future = [aside.stream for name, aside in batch.aligner.aside if name == "future"]
        others = [aside.stream for name, aside in batch.aligner.aside if name != "future"]
        ahead, opened = self.columns["ahead"], self.alerts["opened"]
        if not future and not ahead.any():
            return
        before = ahead.copy()
        for stream in future:
            np.add.at(ahead, stream, 1)
        ahead[np.concatenate([streams, *others]).astype(np.int64)] = 0
        if batch.arrived.now is None:
            return
        more = ahead // self._places.stretch > before // self._places.stretch
        for code in np.flatnonzero((ahead >= RUN) & (more | (opened == NEVER))).tolist():
            kept = added([self._kept(np.array([code]), which) for which in (0, 1)])
            if not len(kept.stream):
                continue
            if opened[code] == NEVER:
                self._open(kept, len(kept.stream) - 1, batch.arrived.now, facts)
            else:
                self._continue(kept, len(kept.stream) - 1, batch.arrived.now, facts)

    def _cause(self, found: Stretches, row: int) -> str:
        counts = dict(zip(COUNTS, found.counts[row].tolist(), strict=True))
        hop, unjudged = self._places.hop, int(found.unjudged(self._places.hop)[row])
        aside = sum(counts[name] for name in ASIDE)
        counts["incomplete"] = max(0, unjudged - aside - hop * counts["poor"])
        sizes = dict(zip(SIZES, found.sizes[row].tolist(), strict=True))
        absent = dict(zip(self._channels, found.absent[row].tolist(), strict=True))
        why = why_unscored(Tally(counts, sizes, absent), self._kinds)
        return f"{unjudged:,} of the last {found.readings[row]:,} readings were not judged{self._by}: {why}"

    def _episode(self, code: int, share: float, cause: str) -> Episode:
        names = ("opened", "started", "last", "bad")
        opened, started, last, bad = (int(self.alerts[name][code]) for name in names)
        return Episode(UNSCORED, self._index.name(code), opened, started, last, share / OPEN, last, bad, cause)
