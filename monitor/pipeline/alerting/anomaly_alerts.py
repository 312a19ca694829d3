"""From anomalies to facts about alerts: when they open, worsen and clear, stream by stream.

An alert opens when `open_count` of the last `open_of` windows were anomalies, continues with each further anomaly,
worsens once when the ratio reaches `critical`, and clears after `resolve_after` windows in a row below `resolve_below`.
Windows without a verdict (insufficient, no limit yet) change nothing. Ids and times come from the data, so the same
readings give the same facts in every process. What people did to an alert is not known here; the store merges both.

Most streams are quiet most of the time: they are recognised with array operations, and only the windows of the
others are walked through one by one.

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
from dataclasses import dataclass, field, replace
from uuid import UUID

import numpy as np

from monitor.config.families import Alerts
from monitor.pipeline.alerting.health_alerts import HealthFacts
from monitor.pipeline.state.columns import Columns, Spec, layout
from monitor.records.alerts import Fact, FactKind, Severity, alert_id
from monitor.records.batches import NEVER, Bool, Float32, Int64, Windows
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
EARLIER = (layout({**_ALERT, "number": (np.int32, (), 0), **_SEVERITY}),)  # states of version 2 numbered transitions


@dataclass(slots=True)
class Changes:
    """What a batch says about alerts: facts, and the row of the window that opened each new alert."""

    facts: list[Fact] = field(default_factory=list)
    opened: list[tuple[UUID, int]] = field(default_factory=list)
    continued: set[int] = field(default_factory=set)  # streams whose open alert has newer numbers


class Alerter:
    """Alert state of every stream of a family under one run."""

    def __init__(self, run: str, family: str, index: StreamIndex, rule: Alerts) -> None:
        self._run, self._family, self._index, self._rule = run, family, index, rule
        self.columns = Columns({**_ALERT, **_SEVERITY})

    def step(self, windows: Windows, ratio: Float32, rows: Int64, changes: Changes) -> Bool:
        """Judge the windows at `rows`, which come in time order within each stream; NaN ratios are skipped.

        `ratio` belongs to `rows`. Adds to `changes` and returns, for each of them, whether an alert is open at it.
        """
        stream = windows.stream[rows]
        columns = self.columns
        busy = (columns["opened"][stream] != NEVER) | (columns["recent"][stream] != 0) | (ratio > 1)
        open_now = np.zeros(len(stream), bool)
        if not busy.any():
            return open_now
        busy = np.isin(stream, np.unique(stream[busy]))  # all windows of these streams, from their first on
        for i in np.flatnonzero(busy).tolist():
            row = int(rows[i])
            window = (int(windows.start[row]), int(windows.end[row]), float(ratio[i]))
            open_now[i] = self._window(int(stream[i]), window, row, changes)
        return open_now

    def facts(self, changes: Changes) -> list[Fact]:
        """Facts of the batch whose windows were all judged: what happened, then how open alerts continue."""
        ratios = self.columns["peak"]
        continued = sorted(changes.continued)
        return changes.facts + [self._fact(code, FactKind.CONTINUED, float(ratios[code])) for code in continued]

    def close(self, code: int, at: int, facts: HealthFacts) -> None:
        """Resolve the stream's alert at `at`, ns, though no window did."""
        if self.columns["opened"][code] != NEVER:
            cleared = self._fact(code, FactKind.CLEARED, math.nan, max(at, int(self.columns["last"][code])))
            facts.facts.append(replace(cleared, reason=facts.reason))
        self.columns.clear(np.array([code]))

    def _window(self, code: int, window: tuple[int, int, float], row: int, changes: Changes) -> bool:
        """One window of one stream; returns whether an alert is open at it."""
        columns, (start, _, ratio) = self.columns, window
        was_open = bool(columns["opened"][code] != NEVER)
        if np.isnan(ratio):
            return was_open
        anomaly = ratio > 1
        recent = ((int(columns["recent"][code]) << 1) | anomaly) & ((1 << self._rule.open_of) - 1)
        if anomaly and not columns["recent"][code]:
            columns["first"][code] = start
        columns["recent"][code] = recent
        if was_open:
            self._update(code, window, changes)
        elif recent.bit_count() >= self._rule.open_count:
            self._open(code, window, row, changes)
        return was_open or bool(columns["opened"][code] != NEVER)

    def _open(self, code: int, window: tuple[int, int, float], row: int, changes: Changes) -> None:
        columns, (_, end, ratio) = self.columns, window
        columns["opened"][code] = columns["last"][code] = columns["peak_at"][code] = end
        columns["started"][code] = columns["first"][code]
        columns["peak"][code] = ratio
        columns["windows"][code] = int(columns["recent"][code]).bit_count()
        columns["calm"][code] = 0
        columns["critical"][code] = ratio >= self._rule.critical
        fact = self._fact(code, FactKind.OPENED, ratio)
        changes.facts.append(fact)
        changes.opened.append((fact.alert, row))

    def _update(self, code: int, window: tuple[int, int, float], changes: Changes) -> None:
        columns, (_, end, ratio) = self.columns, window
        if ratio > 1:
            columns["windows"][code] += 1
            columns["last"][code] = end
            changes.continued.add(code)
        if ratio > columns["peak"][code]:
            columns["peak"][code], columns["peak_at"][code] = ratio, end
        columns["calm"][code] = columns["calm"][code] + 1 if ratio < self._rule.resolve_below else 0
        if columns["calm"][code] >= self._rule.resolve_after:
            changes.facts.append(self._fact(code, FactKind.CLEARED, ratio, end))
            changes.continued.discard(code)
            columns["opened"][code] = NEVER
            columns["recent"][code] = 0
        elif ratio >= self._rule.critical and not columns["critical"][code]:
            columns["critical"][code] = True
            changes.facts.append(self._fact(code, FactKind.WORSENED, ratio, end))

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
        )
