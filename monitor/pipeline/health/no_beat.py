"""Hearts that stop, and leads that fall off: samples come, and no heartbeat is found in them.

An alert opens where no R-peak follows the last one within `LEAST` seconds or `INTERVALS` usual intervals, whichever is
longer; at the beginning of a stream, and where samples had stopped, the detector first has `LEARN` seconds to learn.
It is known `DELAY` seconds later, when a beat can no longer be found before that moment. It resolves with the second
of two beats in time; those in a signal too noisy to judge them, which have no values, do not count. Its cause says
whether the line is flat, and whether at the end of what the stream ever sent.

Everything goes by the times of samples and beats, so that any cut into batches gives the same alerts.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from monitor.config.families import Family
from monitor.pipeline.alerting.health_alerts import NO_BEAT, Episode, HealthFacts
from monitor.pipeline.health.causes import rounded
from monitor.pipeline.state.codec import Section, signature
from monitor.pipeline.state.columns import Columns, Spec, layout
from monitor.pipeline.state.segments import Gridded, segment_starts, segments
from monitor.records.batches import NEVER, Bool, Float32, Float64, Int64, Windows
from monitor.records.streams import StreamIndex

S = 10**9
LEAST, INTERVALS = 3 * S, 4  # ns; usual intervals
LEARN, DELAY, NEWS = 4 * S, 2 * S, 10 * S  # ns; NEWS: between newer numbers of an open alert
PAUSE = S // 10  # ns without a sample, after which a stream begins again
FLAT = S  # ns of equal samples that are a flat line
WEIGHT = 8  # beats over which the usual interval is averaged

_SPEC: dict[str, Spec] = {
    "sample": (np.int64, (), NEVER),  # time of the newest one
    "since": (np.int64, (), NEVER),  # time of the last R-peak, or of where the stream began again
    "learning": (np.int64, (), 0),  # ns that the next beat has beyond that
    "usual": (np.float64, (), 0.0),  # interval, ns
    "value": (np.float32, (), np.nan),  # of the newest sample, and since when all were equal to it
    "equal": (np.int64, (), NEVER),
    "low": (np.float32, (), np.inf),
    "high": (np.float32, (), -np.inf),
    "opened": (np.int64, (), NEVER),  # NEVER = no alert
    "started": (np.int64, (), NEVER),
    "last": (np.int64, (), NEVER),
    "limit": (np.int64, (), 0),  # ns that this alert went by
    "beat": (np.int64, (), NEVER),  # the last one while it is open
}
_ENDED: dict[str, Spec] = {"ended": (np.int64, (2, 2), NEVER)}  # when the last two alerts opened and were resolved


_BREAK = -1.0  # stands for the interval before a beat, where samples begin that say nothing
_LINE = ("value", "equal", "low", "high")


class Line(NamedTuple):
    """Samples, (n,): since when all were equal, and how far they ever went."""

    time: Int64
    value: Float32
    equal: Int64
    low: Float32
    high: Float32


class NoBeat:
    """The last beat of every stream, and its alert."""

    def __init__(self, family: Family, index: StreamIndex) -> None:
        self._index, self._watches = index, family.window.rules.found
        self.columns = Columns(_SPEC | _ENDED)
        none = np.zeros(0, np.int64)
        self._line = Line(none, none.astype(np.float32), none, none.astype(np.float32), none.astype(np.float32))
        self._ended: list[tuple[int, int, int]] = []  # alerts that this batch resolved: stream, opened, resolved
        self.sections: dict[str, Section] = {}
        if self._watches:
            self.sections["no_beat"] = Section(self.columns, signature("no_beat"), (layout(_SPEC),))

    def take(
        self,
        gridded: Gridded,
        time: Int64,
        windows: Windows,
        rr: Float64 | None,
        facts: HealthFacts,
        off: Bool | None = None,
    ) -> None:
        """Samples with their times, ns, the beats that were cut, and the interval before each, s.

        No beat is expected of samples that are `off` (n,), nor are their beats among these.
        """
        self._ended.clear()
        if not self._watches or rr is None:
            return
        breaks = _breaks(gridded, time, off)
        if off is not None:
            gridded, time = gridded.take(~off), time[~off]
        first, size = segments(gridded.stream)
        parts = dict(zip(gridded.stream[first].tolist(), zip(first.tolist(), size.tolist(), strict=True), strict=True))
        for code in sorted(set(parts) | set(windows.stream.tolist()) | set(breaks)):
            begin, count = parts.get(code, (0, 0))
            rows = slice(begin, begin + count)
            ours = np.flatnonzero(windows.stream == code)
            clear = ~np.isnan(windows.values[ours, -1, 0])
            beats = zip(windows.end[ours].tolist(), rr[ours].tolist(), clear.tolist(), strict=True)
            events = [(at, True, interval, plain) for at, interval, plain in beats]
            events += [(at, False, np.nan, True) for at in self._begins(code, time[rows])]
            events += [(at, False, _BREAK, True) for at in breaks.get(code, ())]
            self._line = self._equal(code, time[rows], gridded.values[rows, 0])
            for event in sorted(events):
                self._happened(code, event, facts)
            if count:
                self.columns["sample"][code] = max(int(time[rows][-1]), int(self.columns["sample"][code]))
            self._expect(code, int(self.columns["sample"][code]) - DELAY, facts)
            for name in _LINE:
                self.columns[name][code] = getattr(self._line, name)[-1]

    def _happened(self, code: int, event: tuple[int, bool, float, bool], facts: HealthFacts) -> None:
        """A beat, or samples that begin, after a pause or at a `_BREAK`."""
        at, beat, interval, plain = event
        self._expect(code, at, facts)
        if beat and (plain or self.columns["opened"][code] == NEVER):
            self._beat(code, at, interval, facts)
        elif beat:
            self.columns["beat"][code] = NEVER
        elif interval == _BREAK:
            self._rest(code)
        else:
            self.columns["since"][code], self.columns["learning"][code] = at, LEARN

    def covers(self, code: int, begin: int, end: int) -> bool:
        """Whether an alert of the stream was open between these times, ns; the newest sample is later by `DELAY`."""
        if not self._watches:
            return False
        opened = int(self.columns["opened"][code])
        ended = [times for stream, *times in self._ended if stream == code] + self.columns["ended"][code].tolist()
        return (opened != NEVER and opened <= end) or any(begin < last and first <= end for first, last in ended)

    def close(self, code: int, at: int, facts: HealthFacts) -> None:
        """Resolve the stream's alert at `at`, ns, though no beat did; it begins again with its next sample."""
        if not self._watches:
            return
        if self.columns["opened"][code] != NEVER:
            self._clear(code, at, facts)
        self.columns["since"][code] = self.columns["sample"][code] = NEVER

    def _begins(self, code: int, time: Int64) -> list[int]:
        """Times at which samples come after a pause."""
        before = np.concatenate([[self.columns["sample"][code]], time[:-1]])[: len(time)]
        return [int(at) for at in time[time - before > PAUSE]]

    def _equal(self, code: int, time: Int64, values: Float32) -> Line:
        """The line before the batch, then at each of its samples that is known."""
        known = ~np.isnan(values)
        before = [self.columns[name][code : code + 1] for name in _LINE]
        time = np.concatenate([self.columns["sample"][code : code + 1], time[known]])
        values = np.concatenate([before[0], values[known]])
        changed = np.concatenate([[False], values[1:] != values[:-1]])
        equal = np.maximum.accumulate(np.where(changed, time, before[1][0]))
        low = np.minimum.accumulate(np.concatenate([before[2], values[1:]]))
        high = np.maximum.accumulate(np.concatenate([before[3], values[1:]]))
        return Line(time, values, equal, low, high)

    def _beat(self, code: int, at: int, interval: float, facts: HealthFacts) -> None:
        columns = self.columns
        if columns["opened"][code] != NEVER:
            if 0 < at - columns["beat"][code] <= columns["limit"][code]:
                self._clear(code, at, facts)
            columns["beat"][code] = at
        columns["since"][code], columns["learning"][code] = max(at, int(columns["since"][code])), 0
        usual = float(columns["usual"][code])
        if not np.isnan(interval) and interval * S < (INTERVALS * usual or LEAST):
            columns["usual"][code] = usual + (interval * S - usual) / WEIGHT if usual else interval * S

    def _rest(self, code: int) -> None:
        """Expect no beat from here on, until samples begin again; an open alert stays as it is."""
        if self.columns["opened"][code] == NEVER:
            self.columns["since"][code] = self.columns["sample"][code] = NEVER

    def _expect(self, code: int, at: int, facts: HealthFacts) -> None:
        """No beat was found between the last one and `at`."""
        columns, since = self.columns, int(self.columns["since"][code])
        if since == NEVER:
            return
        if columns["opened"][code] == NEVER:
            limit = max(LEAST, round(INTERVALS * float(columns["usual"][code])))
            opens = since + limit + int(columns["learning"][code])
            if at < opens:
                return
            columns["opened"][code] = columns["last"][code] = opens
            columns["started"][code], columns["limit"][code], columns["beat"][code] = since, limit, NEVER
            facts.opened(self._episode(code))
        newest = int(columns["opened"][code]) + (at - int(columns["opened"][code])) // NEWS * NEWS
        if newest > columns["last"][code] and columns["beat"][code] == NEVER:
            columns["last"][code] = newest
            facts.continued(self._episode(code))

    def _clear(self, code: int, at: int, facts: HealthFacts) -> None:
        at = max(at, int(self.columns["last"][code]))
        facts.cleared(self._episode(code, cause=False), at, 0.0)
        ended = int(self.columns["opened"][code]), at
        self._ended.append((code, *ended))
        self.columns["ended"][code] = self.columns["ended"][code, 1].tolist(), ended
        self.columns["opened"][code] = NEVER

    def _episode(self, code: int, *, cause: bool = True) -> Episode:
        opened, started, last, limit = (
            int(self.columns[name][code]) for name in ("opened", "started", "last", "limit")
        )
        text = f"no heartbeat for {rounded(last - started)}, {self._looks(last + DELAY)}" if cause else ""
        ratio = (last - started) / (limit or LEAST)
        return Episode(NO_BEAT, self._index.name(code), opened, started, last, ratio, last, 0, text)

    def _looks(self, moment: int) -> str:
        """What the signal looked like then: when the newest numbers became known, which no earlier batch has seen."""
        row = max(0, int(np.searchsorted(self._line.time, moment, side="right")) - 1)
        time, value, equal, low, high = (column[row].item() for column in self._line)
        if equal == NEVER or time - equal < FLAT:
            return "though samples come and vary: the lead may be off, or what comes is noise"
        if low < high and value in {low, high}:
            return f"the line stands at {value:g}, the end of its range: an amplifier at its rail, or the lead is off"
        return f"the line is flat at {value:g}"


def _breaks(gridded: Gridded, time: Int64, off: Bool | None) -> dict[int, list[int]]:
    """Times of the first of samples in a row that are `off`, by stream."""
    found: dict[int, list[int]] = {}
    if off is None:
        return found
    begins = off.copy()
    begins[1:] &= ~off[:-1]
    first = segment_starts(gridded.stream)
    begins[first] = off[first]
    for code, at in zip(gridded.stream[begins].tolist(), time[begins].tolist(), strict=True):
        found.setdefault(code, []).append(at)
    return found
