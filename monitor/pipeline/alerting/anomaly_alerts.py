"""From anomalies to facts about alerts: when they open, worsen and clear, stream by stream.

An alert opens when `open_count` of the last `open_of` windows were anomalies, continues with each further anomaly,
worsens once when the ratio reaches `critical`, and clears after `resolve_after` windows in a row below `resolve_below`.
`policy` says when the next one may open, `held_alerts` which stay open longer, `flapping` which are too many to send.
With `min_duration` the first window of the run of anomalies must begin that long before the one at which it opens.
Windows without a verdict (insufficient, no limit yet) change nothing. Ids and times come from the data, so the same
readings give the same facts in every process. What people did to an alert is not known here; the store merges both.

Most streams are quiet most of the time: they are recognised with array operations, and of the others only windows from
an anomaly on until the stream is quiet again are walked through one by one.

One stream, six windows of 10 ns; 2 anomalies of 3 windows open an alert, 2 normal windows resolve it:

>>> rule = Alerts(open_count=2, open_of=3, resolve_below=0.9, resolve_after=2, critical=3.0)
>>> index = StreamIndex()
>>> index.intern(["m-1"]).tolist()
[0]
>>> alerter, changes = Alerter("live", "machines", index, rule), Changes()
>>> alerter.columns.grow(1)
>>> end, ratio = np.arange(10, 70, 10), np.array([0.5, 1.2, 1.5, 3.2, 0.5, 0.4], np.float32)
>>> none = np.zeros(6, np.int32)
>>> windows = Windows(none, end - 10, end, np.zeros((6, 1, 1), np.float32), np.zeros(6, np.float32))
>>> alerter.step(windows, ratio, np.arange(6), changes).tolist()
[False, False, True, True, True, True]
>>> [(fact.at, fact.kind.value, fact.severity.value) for fact in changes.facts]
[(30, 'opened', 'warning'), (40, 'worsened', 'critical'), (60, 'cleared', 'critical')]
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass, field, replace
from typing import NamedTuple
from uuid import UUID

import numpy as np

from monitor.config.families import Alerts
from monitor.pipeline.alerting.flapping import Flapping
from monitor.pipeline.alerting.health_alerts import HealthFacts
from monitor.pipeline.alerting.held_alerts import BEGAN, GROWN, HELD, OUTGROWN, SUPERSEDED, Holding
from monitor.pipeline.alerting.policy import SPEC, Places, Policy
from monitor.pipeline.state.codec import Codes
from monitor.pipeline.state.columns import Columns, Spec, layout
from monitor.pipeline.state.segments import segments
from monitor.records.alerts import Fact, FactKind, Severity, alert_id
from monitor.records.batches import NEVER, Bool, Float32, Float64, Int64, Windows
from monitor.records.streams import StreamIndex

_ALERT: dict[str, Spec] = {
    "recent": (np.uint32, (), 0),  # bit 0 = newest window; 1 = anomaly
    "calm": (np.int32, (), 0),  # windows below resolve_below in a row
    "first": (np.int64, (), NEVER),  # start of the run of anomalies that may open an alert
    "opened": (np.int64, (), NEVER),  # NEVER = no alert
    "started": (np.int64, (), NEVER),
    "last": (np.int64, (), NEVER),
    "peak": (np.float64, (), 0.0),
    "peak_at": (np.int64, (), NEVER),
    "windows": (np.int32, (), 0),
}
_SEVERITY: dict[str, Spec] = {"critical": (np.bool_, (), False)}
EARLIER = (
    layout({**_ALERT, **_SEVERITY}),
    layout({**_ALERT, "number": (np.int32, (), 0), **_SEVERITY}),  # states of version 2 numbered transitions
    layout({**_ALERT, **_SEVERITY, **SPEC, **HELD}),
)


_Window = tuple[int, int, float, int]  # start, end (ns), ratio, number among those of its stream


class _Batch(NamedTuple):
    """Windows, which of them are judged, and the ratio of each of those and its number in its stream."""

    windows: Windows
    rows: Int64
    ratio: Float32
    number: Int64


class Opening(NamedTuple):
    """An alert that opened, at the window at `row`; its ratio had to reach the `bar`."""

    alert: UUID
    row: int
    bar: float


@dataclass(slots=True)
class Changes:
    """What a batch says about alerts: facts, and what opened."""

    facts: list[Fact] = field(default_factory=list)
    opened: list[Opening] = field(default_factory=list)
    continued: set[int] = field(default_factory=set)  # streams whose open alert has newer numbers


class Alerter:
    """Alert state of every stream of a family under one run."""

    def __init__(self, run: str, family: str, index: StreamIndex, rule: Alerts, holding: Holding | None = None) -> None:
        self._run, self._family, self._index, self._rule = run, family, index, rule
        self._policy, self._holding = Policy(rule), holding
        self.flapping = None if rule.flapping is None else Flapping(rule.flapping)
        self.columns = Columns({**_ALERT, **_SEVERITY, **SPEC, **HELD, **BEGAN})

    def step(self, windows: Windows, ratio: Float32, rows: Int64, changes: Changes) -> Bool:
        """Judge the windows at `rows`, which come in time order within each stream; NaN ratios are skipped.

        `ratio` belongs to `rows`. Adds to `changes` and returns, for each of them, whether an alert is open at it.
        """
        stream, columns = windows.stream[rows], self.columns
        number = self._policy.number(columns, stream)
        busy = (columns["opened"][stream] != NEVER) | (columns["recent"][stream] != 0) | (ratio > 1)
        open_now = np.zeros(len(stream), bool)
        if busy.any():
            busy = np.isin(stream, np.unique(stream[busy]))
        self._learn(windows, rows[~busy & ~np.isnan(ratio)])
        first, size = segments(stream[busy])
        places = np.flatnonzero(busy)
        batch = _Batch(windows, rows, ratio, number)
        for begin, count in zip(first.tolist(), size.tolist(), strict=True):
            self._stream(batch, int(places[begin]), int(places[begin]) + count, open_now, changes)
        return open_now

    def _stream(self, batch: _Batch, begin: int, end: int, open_now: Bool, changes: Changes) -> None:
        """Walk through the windows of one stream, from one anomaly to the next while it is quiet."""
        windows, rows, ratio, number = batch
        code, columns, place = int(windows.stream[rows[begin]]), self.columns, begin
        anomalies = (begin + np.flatnonzero(ratio[begin:end] > 1)).tolist()
        while True:
            if columns["opened"][code] == NEVER and columns["recent"][code] == 0:
                later = bisect_left(anomalies, place)
                after = anomalies[later] if later < len(anomalies) else end
                self._learn(windows, rows[place:after][~np.isnan(ratio[place:after])])
                place = after
            if place == end:
                return
            row = int(rows[place])
            window = (int(windows.start[row]), int(windows.end[row]), float(ratio[place]), int(number[place]))
            open_now[place] = self._level(windows, window, row, changes)
            place += 1

    def facts(self, changes: Changes) -> list[Fact]:
        """Facts of the batch whose windows were all judged: what happened, then how open alerts continue."""
        ratios = self.columns["peak"]
        continued = sorted(changes.continued)
        return changes.facts + [self._fact(code, FactKind.CONTINUED, float(ratios[code])) for code in continued]

    def bars(self, codes: Codes, clock: Int64) -> Float64:
        """The ratio that would open an alert of each of these streams, whose clocks are at `clock`, ns; at least 1."""
        return self._policy.now(self.columns, codes, clock)

    def close(self, code: int, at: int, facts: HealthFacts) -> None:
        """Resolve the stream's alert at `at`, ns, though no window did."""
        if self.columns["opened"][code] != NEVER:
            cleared = self._fact(code, FactKind.CLEARED, math.nan, max(at, int(self.columns["last"][code])))
            facts.facts.append(replace(cleared, reason=facts.reason))
        for name, (_, _, fill) in (_ALERT | _SEVERITY | HELD | BEGAN).items():  # what its policy has counted stays
            self.columns[name][code] = fill

    def _learn(self, windows: Windows, rows: Int64) -> None:
        """What is usual for streams that are quiet at these windows."""
        if self._holding is not None and len(rows):
            self._holding.levels.follow(windows, rows)

    def _level(self, windows: Windows, window: _Window, row: int, changes: Changes) -> bool:
        """One window of one stream, and whether its level is away; it is learned where no alert is open."""
        code, holding = int(windows.stream[row]), self._holding
        if holding is None or np.isnan(window[2]):
            return self._window(code, window, row, changes)
        away = holding.levels.away(windows, row)
        same = self.columns["held"][code] != NEVER and window[2] > 1 and not holding.levels.moved(windows, row)
        open_ = self._window(code, window, row, changes, away, same=same)
        if self.columns["opened"][code] == NEVER:
            holding.levels.learn(windows, row)
        return open_

    def _window(
        self, code: int, window: _Window, row: int, changes: Changes, away: float = 0.0, *, same: bool = False
    ) -> bool:
        """One window of one stream; returns whether an alert is open at it. `same`: it is that of the held level."""
        columns, (start, _, ratio, _) = self.columns, window
        was_open = bool(columns["opened"][code] != NEVER)
        if np.isnan(ratio):
            return was_open
        anomaly = ratio > 1
        recent = ((int(columns["recent"][code]) << 1) | anomaly) & ((1 << self._rule.open_of) - 1)
        if anomaly and not columns["recent"][code]:
            columns["first"][code] = start
        columns["recent"][code] = recent
        may_open = not was_open or (self._gives_way(code, ratio) and not same)
        if may_open and recent.bit_count() >= self._rule.open_count and self._try_open(code, window, row, changes):
            return True
        if was_open:
            self._update(code, window, changes, away)
        return was_open

    def _gives_way(self, code: int, ratio: float) -> bool:
        """Whether the stream's open alert leaves room for the next one."""
        grown = self._holding and self._policy.pauses and ratio >= GROWN * self.columns["began"][code]
        return bool(grown or self.columns["held"][code] != NEVER)

    def _try_open(self, code: int, window: _Window, row: int, changes: Changes) -> bool:
        """Open an alert unless it is too soon: `min_duration`, the refractory period, or a ratio below the bar."""
        columns, policy, (start, end, ratio, number) = self.columns, self._policy, window
        bar = 1.0
        if start - int(columns["first"][code]) < (self._rule.min_duration or 0):
            return False
        if policy.limits:
            one, at = np.array([code]), Places(np.array([number]), np.array([end]))
            bar = float(policy.bar(columns, one, at)[0])
            if ratio < bar or policy.quiet(columns, one, at)[0]:
                return False
            policy.spend(columns, one, at)
        if columns["opened"][code] != NEVER:
            superseded = self._fact(code, FactKind.CLEARED, ratio, end)
            reason = SUPERSEDED if columns["held"][code] != NEVER else OUTGROWN
            changes.facts.append(replace(superseded, reason=reason))
            changes.continued.discard(code)
        fact = self._open(code, window)
        changes.facts.append(fact)
        changes.opened.append(Opening(fact.alert, row, bar))
        return True

    def _open(self, code: int, window: _Window) -> Fact:
        columns, (_, end, ratio, _) = self.columns, window
        columns["opened"][code] = columns["last"][code] = columns["peak_at"][code] = end
        columns["started"][code] = columns["first"][code]
        columns["peak"][code] = columns["began"][code] = ratio
        columns["windows"][code] = int(columns["recent"][code]).bit_count()
        columns["calm"][code], columns["held"][code] = 0, NEVER
        columns["critical"][code] = ratio >= self._rule.critical
        fact = self._fact(code, FactKind.OPENED, ratio)
        if self.flapping is None:
            return fact
        flap = self.flapping.opened(code, end)
        return replace(fact, flapping_until=flap.until, reason=flap.reason)

    def _update(self, code: int, window: _Window, changes: Changes, away: float) -> None:
        columns, (_, end, ratio, _) = self.columns, window
        if ratio > 1:
            columns["windows"][code] += 1
            columns["last"][code] = end
            changes.continued.add(code)
        if ratio > columns["peak"][code]:
            columns["peak"][code], columns["peak_at"][code] = ratio, end
        columns["calm"][code] = columns["calm"][code] + 1 if ratio < self._rule.resolve_below else 0
        if columns["calm"][code] >= self._rule.resolve_after:
            self._end(code, window, changes, away)
        elif ratio >= self._rule.critical and not columns["critical"][code]:
            columns["critical"][code] = True
            changes.facts.append(self._fact(code, FactKind.WORSENED, ratio, end))

    def _end(self, code: int, window: _Window, changes: Changes, away: float) -> None:
        """The score is calm: the alert resolves, or is held."""
        columns, holding, (_, end, ratio, _) = self.columns, self._holding, window
        if holding is None or not holding.holds(columns, code, away):
            changes.facts.append(self._fact(code, FactKind.CLEARED, ratio, end))
            changes.continued.discard(code)
            columns["opened"][code] = columns["held"][code] = NEVER
            columns["recent"][code] = 0
        elif columns["held"][code] == NEVER:
            holding.begin(columns, code, end)
            changes.facts.append(self._fact(code, FactKind.CONTINUED, float(columns["peak"][code])))
            columns["recent"][code] = 0

    def _fact(self, code: int, kind: FactKind, ratio: float, at: int | None = None) -> Fact:
        """A fact about the stream's alert as its columns say; `at` is its newest anomaly unless given."""
        columns, name = self.columns, self._index.name(code)
        opened = int(columns["opened"][code])
        return Fact(
            kind=kind,
            alert=alert_id(self._run, self._family, name, opened),
            run=self._run,
            family=self._family,
            stream=name,
            at=int(columns["last"][code]) if at is None else at,
            ratio=ratio,
            severity=Severity.CRITICAL if columns["critical"][code] else Severity.WARNING,
            opened_at=opened,
            started_at=int(columns["started"][code]),
            last_at=int(columns["last"][code]),
            peak_ratio=float(columns["peak"][code]),
            peak_at=int(columns["peak_at"][code]),
            windows=int(columns["windows"][code]),
            cause=self._holding.cause(columns, code) if self._holding is not None else "",
        )
