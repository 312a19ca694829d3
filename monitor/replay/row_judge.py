"""Gives each row of a file the outcome of its windows, in columns beside its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from monitor.alerts.lifecycle import merge_facts
from monitor.config.resolved import Grid
from monitor.pipeline.outcome import Outcome
from monitor.records.alerts import Alert, Fact, FactKind
from monitor.records.batches import Float64, Int64, Poll, State
from monitor.records.counters import SET_ASIDE
from monitor.replay.row_fates import RowFates

LATE, DUPLICATE, FUTURE = SET_ASIDE  # states of rows, besides those of a scored window
INVALID = "invalid"
ANOMALY, CHANGE = "anomaly", "change"  # the kinds of alert that windows open, as against the health of the stream

COLUMNS = ("score", "limit", "ratio", "anomaly_score", "state", "alert_id", "alert_opened")

Columns = dict[str, NDArray[Any]]


def anomaly_score(ratio: NDArray[np.floating]) -> Float64:
    """From 0 (as expected) to 1: ratio / (1 + ratio), 0.5 at the limit; NaN stays NaN."""
    wide = ratio.astype(np.float64)
    return np.asarray(wide / (1 + wide))


class Judge:
    """Gives each row of one stream the outcome of its windows.

    The first `warm_up` rows end no whole window, as nothing was read before them: they are in state "bootstrap".
    """

    def __init__(self, grid: Grid, warm_up: int = 0) -> None:
        self._grid, self._fates, self._warm_up = grid, RowFates(grid), warm_up
        self._row = 0
        self._parts: list[Columns] = []  # views of columns returned before: the open row, and those after it
        self._ids = {anomaly: np.full(0, None, object) for anomaly in (True, False)}  # alerts of their rows
        self._open: dict[bool, str | None] = {True: None, False: None}  # the anomaly, and the alert of another kind

    @property
    def decided(self) -> bool:
        """Nothing in the columns returned so far will change: no row waits for another one to confirm it."""
        return not self._parts

    def begin(self, facts: Sequence[Fact]) -> dict[UUID, Alert]:
        """Those alerts about the stream itself that are open after the training rows, by these facts about all."""
        merged = merge_facts([fact for fact in facts if fact.alert_kind != ANOMALY], {}, {})
        found = {each.alert.id: each.alert for each in merged if each.alert.resolved_at is None}
        self._open[False] = next((str(id_) for id_ in found), None)
        return found

    def learned(self, poll: Poll) -> Columns:
        """The output columns of training rows (n,): in state "bootstrap", without scores or alerts."""
        columns = _blank(poll.records, State.BOOTSTRAP)
        start, self._row = self._row, self._row + poll.records
        self._sort_out(poll, columns["state"], start)
        return columns

    def follow(self, clock: int) -> None:
        """Go on from where the pipeline's clock stands, ns."""
        self._fates.follow(clock)

    def judge(self, poll: Poll, outcomes: Sequence[Outcome]) -> tuple[Columns, list[Fact]]:
        """The output columns of a poll's rows (n,) by its outcomes, and the facts about alerts.

        `score`, `limit`, `ratio` and `anomaly_score` are NaN where there is none, `alert_id` is None; `alert_opened`
        is 1 on the row at which an alert opened. Where an anomaly and an alert of another kind are open, `alert_id` is
        the anomaly's. While the judge is not `decided`, later calls may still change what they returned.
        """
        parts = [*self._parts, _blank(poll.records, State.INSUFFICIENT)]
        parts[-1]["state"][: max(0, self._warm_up - self._row)] = _NAMES[State.BOOTSTRAP]
        columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[-1]}
        self._row += poll.records
        start = self._row - len(columns["state"])
        (readings,) = poll.readings.values()
        taken, end, time = self._sort_out(poll, columns["state"], start)
        for outcome in outcomes:
            self._fill(columns, taken - start, end, outcome)
        earlier = taken < self._row - poll.records
        offsets = np.concatenate([taken[earlier], readings.offset])
        times = np.concatenate([time[earlier], readings.time])

        def place(fact: Fact) -> int:
            """The row; what windows open goes by the grid, any other alert by the readings as they came."""
            if fact.alert_kind in (ANOMALY, CHANGE):
                return int(taken[np.searchsorted(end, fact.at)] - start)
            return int(offsets[_reading(times, fact.at)] - start)

        facts = [fact for outcome in outcomes for fact in outcome.facts]
        self._mark(columns, facts, place)
        self._keep(parts, columns, self._row if self._fates.open is None else self._fates.open)
        return parts[-1], facts

    def _sort_out(self, poll: Poll, state: NDArray[Any], start: int) -> tuple[Int64, Int64, Int64]:
        """Rows whose reading the aligner takes, their times on the grid and as read; the others get their state."""
        (readings,) = poll.readings.values()
        fates = self._fates.add(readings, ended=poll.finished)
        unread = np.ones(poll.records, bool)
        unread[readings.offset - (self._row - poll.records)] = False
        state[len(state) - poll.records :][unread] = INVALID
        for rows, name in ((fates.late, LATE), (fates.duplicate, DUPLICATE), (fates.future, FUTURE)):
            state[rows - start] = name
        return fates.taken, self._grid.times(self._grid.slots(fates.time)), fates.time

    def _keep(self, parts: list[Columns], columns: Columns, first: int) -> None:
        """Write `columns` back into their `parts`; row `first` and those after it may still change."""
        at = start = self._row - len(columns["state"])
        self._parts = []
        for part in parts:
            size = len(part["state"])
            for name, column in part.items():
                column[:] = columns[name][at - start : at - start + size]
            if at + size > first:
                self._parts.append({name: column[max(first - at, 0) :] for name, column in part.items()})
            at += size
        self._ids = {anomaly: ids[first - start :] for anomaly, ids in self._ids.items()}

    def _fill(self, columns: Columns, row: Int64, end: Int64, outcome: Outcome) -> None:
        """Copy the scores of windows that end at a row."""
        scores = outcome.scores
        place = np.searchsorted(end, scores.end)
        exact = end[place] == scores.end  # the others end on filled slots
        at = row[place[exact]]
        for name in ("score", "limit", "ratio"):
            columns[name][at] = getattr(scores, name)[exact]
        columns["state"][at] = _NAMES[scores.state[exact]]
        columns["anomaly_score"][at] = anomaly_score(scores.ratio[exact])

    def _mark(self, columns: Columns, facts: Sequence[Fact], place: Callable[[Fact], int]) -> None:
        """Fill in which alert is open at each row, and where it opened."""
        more = len(columns["alert_id"]) - len(self._ids[True])
        ids = {
            anomaly: np.concatenate([self._ids[anomaly], np.full(more, known, object)])
            for anomaly, known in self._open.items()
        }
        began: dict[UUID, int] = {}
        for fact in facts if len(columns["alert_id"]) else ():
            if fact.kind not in (FactKind.OPENED, FactKind.CLEARED):
                continue
            at, of_kind = place(fact), ids[fact.alert_kind == ANOMALY]
            if fact.kind is FactKind.OPENED:
                columns["alert_opened"][at] = 1
                began[fact.alert] = at
                of_kind[at:] = str(fact.alert)
            else:
                of_kind[at + (began.get(fact.alert) == at) :] = None
        columns["alert_id"][:] = np.where(ids[True] == None, ids[False], ids[True])  # noqa: E711 (by element)
        if len(columns["alert_id"]):
            self._open = {anomaly: column[-1] for anomaly, column in ids.items()}
        self._ids = ids


def _reading(time: Int64, at: int) -> int:
    """Which of the readings of these times (ns, in order of arrival) is meant by `at`, if need be the next one."""
    same = np.flatnonzero(time == at)
    return int(same[0]) if len(same) else min(int(np.searchsorted(np.maximum.accumulate(time), at)), len(time) - 1)


_NAMES = np.array([state.name.lower() for state in sorted(State)], dtype=object)


def _blank(count: int, state: State) -> Columns:
    """The columns of rows of which nothing is known, in the order of the output."""
    columns: Columns = {name: np.full(count, np.nan, np.float32) for name in ("score", "limit", "ratio")}
    columns["anomaly_score"] = np.full(count, np.nan, np.float64)
    columns["state"] = np.full(count, _NAMES[state], dtype=object)
    columns["alert_id"] = np.full(count, None, dtype=object)
    columns["alert_opened"] = np.zeros(count, np.int8)
    return columns
