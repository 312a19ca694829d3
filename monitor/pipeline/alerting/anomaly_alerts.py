"""From anomalies to alerts: the state machine of each stream.

An alert opens when `open_count` of the last `open_of` windows were anomalies, is updated while it lasts, becomes
critical once when the ratio reaches `critical`, and resolves after `resolve_after` windows in a row below
`resolve_below`. Windows without a verdict (insufficient, no limit yet) change nothing. Ids and times come from the
data, so the same readings give the same alerts in every process.

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
>>> [(change.at, change.state.value, change.severity.value) for change, _ in changes.transitions]
[(30, 'open', 'warning'), (40, 'open', 'critical'), (60, 'resolved', 'critical')]
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from monitor.config.families import Alerts
from monitor.pipeline.state.columns import Columns
from monitor.records.alerts import Alert, AlertState, Severity, Transition, alert_id
from monitor.records.batches import NEVER, Bool, Float32, Int64, Windows
from monitor.records.streams import StreamIndex


@dataclass(slots=True)
class Changes:
    """What happened to alerts in a batch. `opened` has each new alert with the row of the window that opened it."""

    touched: set[int] = field(default_factory=set)  # streams whose open alert changed
    resolved: list[Alert] = field(default_factory=list)
    transitions: list[tuple[Transition, Alert]] = field(default_factory=list)
    opened: list[tuple[Alert, int]] = field(default_factory=list)


class Alerter:
    """Alert state of every stream of a family under one run."""

    def __init__(self, run: str, family: str, index: StreamIndex, rule: Alerts) -> None:
        self._run, self._family, self._index, self._rule = run, family, index, rule
        self.columns = Columns(
            {
                "recent": (np.uint32, (), 0),  # bit 0 = newest window; 1 = anomaly
                "calm": (np.int32, (), 0),  # windows below resolve_below in a row
                "first": (np.int64, (), NEVER),  # start of the run of anomalies that may open an alert
                "opened": (np.int64, (), NEVER),  # NEVER = no alert
                "started": (np.int64, (), NEVER),
                "last": (np.int64, (), NEVER),
                "peak": (np.float64, (), 0.0),
                "peak_at": (np.int64, (), NEVER),
                "windows": (np.int32, (), 0),
                "number": (np.int32, (), 0),  # transitions so far
                "critical": (np.bool_, (), False),
            }
        )

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

    def settle(self, changes: Changes) -> list[Alert]:
        """Newest version of every alert that changed."""
        return changes.resolved + [self._alert(code) for code in sorted(changes.touched)]

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
        columns["calm"][code] = columns["number"][code] = 0
        columns["critical"][code] = ratio >= self._rule.critical
        alert = self._alert(code)
        changes.opened.append((alert, row))
        changes.touched.add(code)
        self._transition(code, alert, end, ratio, changes)

    def _update(self, code: int, window: tuple[int, int, float], changes: Changes) -> None:
        columns, (_, end, ratio) = self.columns, window
        if ratio > 1:
            columns["windows"][code] += 1
            columns["last"][code] = end
        if ratio > columns["peak"][code]:
            columns["peak"][code], columns["peak_at"][code] = ratio, end
        columns["calm"][code] = columns["calm"][code] + 1 if ratio < self._rule.resolve_below else 0
        if columns["calm"][code] >= self._rule.resolve_after:
            alert = self._alert(code, resolved_at=end)
            self._transition(code, alert, end, ratio, changes)
            changes.resolved.append(alert)
            changes.touched.discard(code)
            columns["opened"][code] = NEVER
            columns["recent"][code] = 0
            return
        changes.touched.add(code)
        if ratio >= self._rule.critical and not columns["critical"][code]:
            columns["critical"][code] = True
            self._transition(code, self._alert(code), end, ratio, changes)

    def _alert(self, code: int, resolved_at: int | None = None) -> Alert:
        """The stream's alert as its columns say."""
        row = {name: self.columns[name][code].item() for name in ("opened", "started", "last", "peak", "peak_at")}
        name = self._index.name(code)
        return Alert(
            id=alert_id(self._run, self._family, name, row["opened"]),
            run=self._run,
            family=self._family,
            stream=name,
            state=AlertState.OPEN if resolved_at is None else AlertState.RESOLVED,
            severity=Severity.CRITICAL if self.columns["critical"][code] else Severity.WARNING,
            opened_at=row["opened"],
            started_at=row["started"],
            last_at=row["last"],
            resolved_at=resolved_at,
            peak_ratio=row["peak"],
            peak_at=row["peak_at"],
            windows=int(self.columns["windows"][code]),
        )

    def _transition(self, code: int, alert: Alert, at: int, ratio: float, changes: Changes) -> None:
        number = int(self.columns["number"][code])
        self.columns["number"][code] = number + 1
        transition = Transition(
            alert=alert.id, number=number, at=at, state=alert.state, severity=alert.severity, ratio=ratio
        )
        changes.transitions.append((transition, alert))
