"""Rows of a file that no window judged: how many, why, the first of each reason, and whether they are too many."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.config.durations import format_duration
from monitor.pipeline.health.causes import rounded
from monitor.records.batches import NEVER, Int64, Poll, State
from monitor.records.counters import SET_ASIDE

FEW = 0.05  # share of the rows to judge
RUN = 2  # windows; one gap leaves less than one without a verdict
_JUDGED = tuple(state.name.lower() for state in (State.OK, State.ANOMALY, State.BOOTSTRAP))


@dataclass(slots=True)
class Reason:
    """Rows of one reason, and the first of them in words."""

    rows: int
    first: str


@dataclass(slots=True)
class NotJudged:
    """Collects what `Judge` says of each poll; `window` is its length in rows, `interval` in ns.

    `rows` are those that were to be judged, `bad` those that were not, and `run` is the longest run of these.
    """

    window: int = 1
    interval: int | None = None
    rows: int = 0
    bad: int = 0
    run: int = 0
    reasons: dict[str, Reason] = field(default_factory=dict)
    _run: int = 0
    _row: int = 0
    _steps: Counter[int] = field(default_factory=Counter)
    _last: int | None = None  # time of the newest row on the grid
    _newest: int = NEVER  # ... of any row

    @property
    def too_many(self) -> bool:
        """More than a few percent, or a run."""
        return self.bad > FEW * self.rows or self.run >= RUN * self.window

    def sentences(self) -> list[str]:
        """What was not judged and why; empty where everything was."""
        if not self.bad:
            return []
        together = f", {self.run:,} of them in a row" if self.run > 1 else ""
        found = [f"{self.bad:,} of {self.rows:,} rows were not judged{together}"]
        found += [f"{reason.rows:,} {name}; the first is {reason.first}" for name, reason in self.reasons.items()]
        if step := self._usual_step():
            found.append(
                f"readings seem to come every {rounded(step)} there, the interval is "
                f"{format_duration(self.interval or 0)}: give another --interval, or raise align.max_gap"
            )
        return found

    def learned(self, poll: Poll) -> None:
        """Training rows are not to be judged."""
        self._row += poll.records
        (readings,) = poll.readings.values()
        if len(readings):
            self._last = int(readings.time.max())

    def add(self, poll: Poll, states: NDArray[Any]) -> None:
        """The rows of a poll with their states (n,)."""
        (readings,) = poll.readings.values()
        bad = ~np.isin(states.astype(str), _JUDGED)
        self.rows += len(states)
        self.bad += int(bad.sum())
        for i, same in enumerate(np.split(bad, np.flatnonzero(np.diff(bad)) + 1)):
            self._run = (self._run if i == 0 else 0) + len(same) if same.size and same[0] else 0
            self.run = max(self.run, self._run)
        time = np.full(len(states), NEVER)
        time[readings.offset - self._row] = readings.time
        self._explain(poll, states, np.flatnonzero(bad), time)
        self._note_steps(states, time)
        self._row += poll.records

    def _explain(self, poll: Poll, states: NDArray[Any], rows: Int64, time: Int64) -> None:
        newest = np.maximum.accumulate(np.maximum(time, self._newest))
        self._newest = max(self._newest, int(newest[-1])) if len(newest) else self._newest
        dead = {letter.offset - self._row: letter for letter in poll.dead}
        for row in rows.tolist():
            letter = dead.get(row)
            name = _in_words(str(states[row]))
            name = f"{name} ({letter.reason})" if letter is not None else name
            if name in self.reasons:
                self.reasons[name].rows += 1
            elif letter is not None:
                self.reasons[name] = Reason(1, letter.error)
            else:
                behind = int(newest[row] - time[row])
                more = f", {rounded(behind)} before the newest" if behind > 0 else ""
                self.reasons[name] = Reason(1, f"row {self._row + row:,}, {_utc(int(time[row]))}{more}")

    def _note_steps(self, states: NDArray[Any], time: Int64) -> None:
        """How far rows without a verdict are from the row before them on the grid."""
        taken = ~np.isin(states.astype(str), (*SET_ASIDE, "invalid"))
        times = time[taken]
        if not len(times):
            return
        steps = np.diff(times, prepend=times[0] if self._last is None else self._last)
        poor = states[taken] == State.INSUFFICIENT.name.lower()
        self._steps.update(steps[poor].tolist())
        self._last = int(times[-1])

    def _usual_step(self) -> int | None:
        """The step of most rows without a verdict, where it is none of the grid's."""
        if not self._steps or self.interval is None:
            return None
        step, count = self._steps.most_common(1)[0]
        return step if 2 * count > self._steps.total() and step > 1.5 * self.interval else None


def _in_words(state: str) -> str:
    match state:
        case "late":
            return "late: their time lies before that of an earlier row"
        case "duplicate":
            return "duplicates: an earlier row has their time"
        case "future":
            return "far ahead of the rows before them, and not confirmed by the next row"
        case "invalid":
            return "unreadable"
        case _:
            return "at the end of no whole window, after gaps or with values missing"


def _utc(time: int) -> str:
    return str(np.datetime64(time, "ns").astype("datetime64[s]")).replace("T", " ")
