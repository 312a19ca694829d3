"""Streams of one channel that always moved while they were learned from, and have stopped.

Where the configuration does not say after what time a stream is frozen, one of a single channel is when it has had one
value for `FEWEST` readings, a window at least, and for `USUAL` times what is usual since. Only streams that moved while
they were learned from are watched: no rest was longer than a share 1 / `RESTS` of that (see `frozen_alerts`). One that
rests now and then, at 0 when nothing happens, has no time after which it is stuck. No other stream is asked: those of a
family arrive in any order. So a machine that is switched off for the first time is frozen, too; what is usual makes
sure that it is so once or twice, not every night.

Usual is the rest that a moment of the past week lay in, 0 where the value moved: the sum of the squares of all rests
over the week, each forgotten as exp(-age / week). Nights at rest are much of it, a sensor that was stuck for an hour is
not. Rests are seen by the windows alone, as in `resting`: any cut of the input into batches gives the same alerts.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import exp
from typing import NamedTuple

import numpy as np

from monitor.config.families import WEEK, Family
from monitor.pipeline.alerting.health_alerts import HealthFacts
from monitor.pipeline.health.frozen_alerts import FEWEST, FOREVER, FrozenAlerts, never_rested
from monitor.pipeline.health.rests import rests_began
from monitor.pipeline.scoring.stream_scaling import Profiles
from monitor.pipeline.state.columns import Columns
from monitor.pipeline.state.segments import segment_starts
from monitor.records.batches import NEVER, Bool, Float32, Int32, Int64, Windows

USUAL = 8  # times the usual rest


class _Rest(NamedTuple):
    """A rest as far as a batch shows it: its first and last row there, none where only its end is new."""

    stream: int
    since: int
    end: int  # of its newest window
    rows: slice
    over: bool


class Stopped:
    """Since when every stream has rested, and how it usually does."""

    def __init__(self, family: Family, profiles: Profiles, alerts: FrozenAlerts) -> None:
        self._family, self._profiles, self._alerts = family, profiles, alerts
        self.watches = family.may_freeze and family.health.frozen_after is None and len(family.channels) == 1
        self._step = family.grid.interval or 0
        self._fewest = max(FEWEST, family.shape.length) * self._step
        self.columns = Columns(
            {
                "since": (np.int64, (1,), NEVER), "until": (np.int64, (1,), NEVER),
                "rested": (np.float64, (), 0.0), "rested_at": (np.int64, (), NEVER),
            }
        )  # fmt: skip
        self.dtype, self.dump, self.load = self.columns.dtype, self.columns.dump, self.columns.load
        self.clear, self.grow = self.columns.clear, self.columns.grow

    def watch(self, windows: Windows, facts: HealthFacts) -> None:
        """Take in windows, sorted by stream and time."""
        if not self.watches or not len(windows):
            return
        filled = windows.imputed >= 1  # it has no value: that is no rest
        rests = _at_rest(windows.values[:, :, 0]) & ~filled
        opened = self._alerts.columns["opened"][:, 0]
        concerned = (self.columns["since"][:, 0] != NEVER) | (opened != NEVER)
        concerned[windows.stream[rests]] = True
        rows = np.flatnonzero(concerned[windows.stream])
        if not len(rows):
            return
        some, rests, filled = windows.take(rows), rests[rows], filled[rows]
        frozen = np.full(len(some), NEVER)
        for rest in self._rests(some, rests):
            self._take(rest, some.end, frozen)
        alerted = np.isin(some.stream, np.concatenate([np.flatnonzero(opened != NEVER), some.stream[frozen != NEVER]]))
        moves = ~(rests | filled | np.isnan(some.values).any(axis=(1, 2)))
        for row in np.flatnonzero((frozen != NEVER) | (moves & alerted)).tolist():
            cell, end = (int(some.stream[row]), 0), int(some.end[row])
            if rests[row]:
                self._alerts.open(cell, (int(frozen[row]), end), float(some.values[row, -1, 0]), facts)
            else:
                self._alerts.resolve(cell, end, facts)

    def _rests(self, windows: Windows, rests: Bool) -> Iterator[_Rest]:
        """Rests that may be frozen or are over, by stream and in order of time."""
        first, stream = segment_starts(windows.stream), windows.stream
        known, until = (self.columns[name][stream[first], 0].copy() for name in ("since", "until"))
        since = rests_began(self.columns, self._step, windows, rests[:, None])[:, 0]
        edge = (stream[1:] != stream[:-1]) | (since[1:] != since[:-1])
        begin = np.concatenate([[0], np.flatnonzero(edge) + 1])
        last = np.append(begin[1:], len(stream)) - 1
        over = np.append(stream[begin[1:]] == stream[begin[:-1]], False)
        gone = np.flatnonzero((known != NEVER) & (since[first] != known))  # it ended between two batches
        code = np.concatenate([stream[first[gone]], stream[begin]])
        began = np.concatenate([known[gone], since[begin]])
        ended = np.concatenate([until[gone], windows.end[last]])
        done = np.concatenate([np.ones(len(gone), bool), over])
        row = np.concatenate([first[gone], begin])
        stop = np.concatenate([first[gone], last + 1])
        chosen = np.flatnonzero(began != NEVER)
        length = ended[chosen] - began[chosen]
        opened, started = (self._alerts.columns[name][code[chosen], 0] for name in ("opened", "started"))
        fresh = (opened == NEVER) | (started != began[chosen])  # an alert about an earlier rest will be over
        may_open = fresh & (length >= self._patience(code[chosen], began[chosen]))
        chosen = chosen[(length >= self._fewest) & (done[chosen] | may_open)]
        for i in chosen[np.lexsort((began[chosen], code[chosen]))].tolist():
            rows = slice(int(row[i]), int(stop[i]))
            yield _Rest(int(code[i]), int(began[i]), int(ended[i]), rows, bool(done[i]))

    def _take(self, rest: _Rest, end: Int64, frozen: Int64) -> None:
        """Mark in `frozen` (m,) the window, of those that `end` at (m,), at which the rest is too long, with its begin.

        Remembers a rest that is over.
        """
        patience = int(self._patience(np.array([rest.stream], np.int32), np.array([rest.since]))[0])
        late = np.flatnonzero(end[rest.rows] - rest.since >= patience)
        if len(late):
            frozen[rest.rows.start + late[0]] = rest.since
        if rest.over:
            columns, weeks = self.columns, (rest.end - rest.since) / WEEK
            age = (rest.end - int(columns["rested_at"][rest.stream])) / WEEK
            columns["rested"][rest.stream] = columns["rested"][rest.stream] * exp(-age) + weeks**2
            columns["rested_at"][rest.stream] = rest.end

    def _patience(self, stream: Int32, since: Int64) -> Int64:
        """For how long these streams may rest, ns, each since a time (n,)."""
        rested, at = self.columns["rested"][stream], self.columns["rested_at"][stream]
        usual = rested * np.exp(-(since - np.where(rested > 0, at, since)) / WEEK) * WEEK
        steps = np.minimum(USUAL * usual / self._step, FOREVER // self._step)
        never = never_rested(self._family, self._profiles, stream, np.zeros(len(stream), np.int64))
        never = np.where(never > self._fewest, FOREVER, never)  # it rests now and then
        return np.maximum(never, steps.astype(np.int64) * self._step)


def _at_rest(values: Float32) -> Bool:
    """Which windows (m, length) hold one value."""
    rests = np.asarray(values[:, 0] == values[:, -1])
    some = np.flatnonzero(rests)
    rests[some] = (values[some] == values[some, :1]).all(axis=1)
    return rests
