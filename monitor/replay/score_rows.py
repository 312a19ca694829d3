"""Score a file of readings row by row: train on its first rows, run the others through the live pipeline.

The result of a row depends on the rows before it only, and not on how many are read at a time. A row *ends* the
windows that its reading completes; where it brings filled slots with it, an alert that opens on one of them counts as
opened at the row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from monitor.alerts.lifecycle import merge_facts
from monitor.config.families import Family
from monitor.config.resolved import Grid
from monitor.pipeline import loop
from monitor.pipeline.family import Outcome, Pipeline
from monitor.ports.source import Source
from monitor.records.alerts import Alert, Fact, FactKind
from monitor.records.batches import NEVER, Bool, Float64, Int64, Poll, Readings, State
from monitor.replay.learn_rows import Learned, growing_in, learn_rows, prime
from monitor.replay.not_judged import NotJudged
from monitor.training import fit

LATE, DUPLICATE, INVALID = "late", "duplicate", "invalid"  # besides the states of a scored window
ANOMALY = "anomaly"  # the kind of alert that windows open, as against the health of the stream
TAKEN = 0.01  # share of the training rows that may fall into a slot already taken, on a grid that fits

COLUMNS = ("score", "limit", "ratio", "anomaly_score", "state", "alert_id", "alert_opened")

Columns = dict[str, NDArray[Any]]


class RowSource(Source, Protocol):
    """A source over a file: after each poll, `rows` is the table of the rows it read, the unreadable ones too."""

    @property
    def rows(self) -> Any:
        """One row per record of the poll."""
        ...


@dataclass(slots=True)
class Summary:
    """What was found in a file; `states` counts its rows, `alerts` are in the order in which they opened."""

    rows: int = 0
    training_rows: int = 0
    growing: list[str] = field(default_factory=list)  # a sentence for each channel that only grows where it is learned
    garbage: int = 0  # training rows that were left out: they lie absurdly far from the others
    unlearned: tuple[str, ...] = ()  # channels that hardly ever have a value in the training rows: nothing judges them
    states: dict[str, int] = field(default_factory=dict)
    alerts: dict[UUID, Alert] = field(default_factory=dict)
    not_judged: NotJudged = field(default_factory=NotJudged)  # of rows; beats are found, and none is left out
    first: int | None = None  # ns: the first and the last time that was read
    last: int | None = None

    def learned(self, learned: Learned, pipeline: Pipeline) -> None:
        """Note what is to be said of the file's one stream: what was left out, and what only grows."""
        self.growing = growing_in(pipeline, learned.blocks)
        for profile in learned.profiles.values():
            self.garbage += profile.garbage
            names = zip(pipeline.family.channels, profile.learned.tolist(), strict=True)
            self.unlearned += tuple(name for name, known in names if not known)

    def add(self, columns: Columns, facts: list[Fact]) -> None:
        """Count a poll's rows and merge the facts about its alerts."""
        names, counts = np.unique(columns["state"].astype(str), return_counts=True)
        for name, count in zip(names.tolist(), counts.tolist(), strict=True):
            self.states[name] = self.states.get(name, 0) + count
        self.rows += len(columns["state"])
        self.alerts |= {each.alert.id: each.alert for each in merge_facts(facts, self.alerts, {})}


def anomaly_score(ratio: NDArray[np.floating]) -> Float64:
    """From 0 (as expected) to 1: ratio / (1 + ratio), 0.5 at the limit; NaN stays NaN."""
    wide = ratio.astype(np.float64)
    return np.asarray(wide / (1 + wide))


def common_interval(time: Int64) -> int | None:
    """The step between most of the times (ns, in order of arrival), or None where they come irregularly.

    It is the median step, if more than half of the steps equal it and a grid of it has a slot for every time.
    """
    steps = np.diff(time)
    if not len(steps):
        return None
    step = int(np.sort(steps)[len(steps) // 2])
    if step <= 0 or 2 * np.count_nonzero(steps == step) <= len(steps):
        return None
    distinct = np.unique(time)
    taken = len(distinct) - len(np.unique(Grid(step).slots(distinct)))
    return step if taken <= TAKEN * len(distinct) else None


def score_rows(
    source: RowSource,
    first: Poll,
    fresh: Callable[[], Pipeline],
    create: Callable[[], fit.Trainable],
    write: Callable[[Any, Columns], None],
) -> Summary:
    """Train on the rows of `first`, then judge every other row of `source`.

    `fresh` makes a pipeline over the source's streams, whose family has `lateness` 0; `create` an untrained detector.
    `write` is called with the rows of each poll and their columns, as `Judge` gives them.
    Raises ModelError when there is too little to learn from.
    """
    gridding, pipeline = fresh(), fresh()
    judge, summary = Judge(pipeline.family.grid), _summary(pipeline.family, first)
    columns = judge.learned(first)
    summary.not_judged.learned(first)
    summary.add(columns, [])
    write(source.rows, columns)
    learned = learn_rows(pipeline, gridding, first, create)
    summary.learned(learned, pipeline)
    prime(pipeline, gridding, learned.blocks)
    summary.alerts |= judge.begin(learned.facts)
    return _judge_rows(pipeline, judge, source, summary, write)


def score_other_rows(
    source: RowSource,
    learned: Poll,
    fresh: Callable[[], Pipeline],
    create: Callable[[], fit.Trainable],
    write: Callable[[Any, Columns], None],
) -> Summary:
    """Train on the rows of `learned`, which are from another file, then judge every row of `source`.

    As `score_rows` otherwise, but that no window reaches back into the training rows.
    """
    pipeline = fresh()
    judge, summary = Judge(pipeline.family.grid), _summary(pipeline.family, learned)
    summary.learned(learn_rows(pipeline, fresh(), learned, create), pipeline)
    return _judge_rows(pipeline, judge, source, summary, write)


def _summary(family: Family, learned: Poll) -> Summary:
    missed = NotJudged(family.shape.length if family.window.rules.consecutive else 1, family.grid.interval)
    return Summary(training_rows=learned.records, not_judged=missed)


def _judge_rows(
    pipeline: Pipeline, judge: Judge, source: RowSource, summary: Summary, write: Callable[[Any, Columns], None]
) -> Summary:
    for poll, steps in loop.run(source, {pipeline.name: pipeline}):
        columns, alerts = judge.judge(poll, [step.outcome for step in steps])
        summary.not_judged.add(poll, columns["state"])
        summary.add(columns, alerts)
        write(source.rows, columns)
    return summary


class Judge:
    """Gives each row of one stream the outcome of its windows."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self._clock = NEVER  # slot of the newest accepted row
        self._row = 0
        self._open: dict[bool, str | None] = {True: None, False: None}  # the anomaly, and the alert of another kind

    def begin(self, facts: Sequence[Fact]) -> dict[UUID, Alert]:
        """Those alerts about the stream itself that are open after the training rows, by these facts about all."""
        merged = merge_facts([fact for fact in facts if fact.alert_kind != ANOMALY], {}, {})
        found = {each.alert.id: each.alert for each in merged if each.alert.resolved_at is None}
        self._open[False] = next((str(id_) for id_ in found), None)
        return found

    def learned(self, poll: Poll) -> Columns:
        """The output columns of training rows (n,): in state "bootstrap", without scores or alerts."""
        columns = _blank(poll.records, State.BOOTSTRAP)
        self._accepted(poll, columns)
        return columns

    def judge(self, poll: Poll, outcomes: Sequence[Outcome]) -> tuple[Columns, list[Fact]]:
        """The output columns of a poll's rows (n,) by its outcomes, and the facts about alerts.

        `score`, `limit`, `ratio` and `anomaly_score` are NaN where there is none, `alert_id` is None; `alert_opened`
        is 1 on the row at which an alert opened. Where an anomaly and an alert of another kind are open, `alert_id` is
        the anomaly's.
        """
        columns = _blank(poll.records, State.INSUFFICIENT)
        start = self._row
        row, end = self._accepted(poll, columns)
        (readings,) = poll.readings.values()
        for outcome in outcomes:
            self._fill(columns, row, end, outcome)

        def place(fact: Fact) -> int:
            """The row; an anomaly goes by the grid, any other alert by the readings as they came."""
            if fact.alert_kind == ANOMALY:
                return int(row[np.searchsorted(end, fact.at)])
            return int(readings.offset[_reading(readings.time, fact.at)] - start)

        facts = [fact for outcome in outcomes for fact in outcome.facts]
        self._mark(columns, facts, place)
        return columns, facts

    def _accepted(self, poll: Poll, columns: Columns) -> tuple[Int64, Int64]:
        """Rows of the poll whose reading the aligner takes, and their times on the grid; the others get their state."""
        (readings,) = poll.readings.values()
        row = readings.offset - self._row
        self._row += poll.records
        taken = self._accept(readings, row, columns["state"])
        return row[taken], self._grid.times(self._grid.slots(readings.time[taken]))

    def _accept(self, readings: Readings, row: Int64, state: NDArray[Any]) -> Bool:
        """Which readings the aligner has taken; with no lateness that is seen from the slots before each one."""
        slot = self._grid.slots(readings.time)
        newest = np.maximum.accumulate(np.concatenate([[self._clock], slot]))
        before = newest[:-1]
        self._clock = int(newest[-1])
        unread = np.ones(len(state), bool)
        unread[row] = False
        state[unread] = INVALID
        state[row[slot < before]] = LATE
        state[row[slot == before]] = DUPLICATE
        return np.asarray(slot > before)

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
        ids = {anomaly: np.full(len(columns["alert_id"]), known, object) for anomaly, known in self._open.items()}
        began: dict[UUID, int] = {}
        for fact in facts:
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
