"""Channels that rest longer than they ever did while they were learned from, while others of their stream go on.

Where the configuration does not say after what time a stream is frozen, a channel of several is when it has had one
value for `RESTS` times its longest rest while it was learned from (see `frozen_alerts`), and in all windows of that
time another channel of the stream has moved: a machine that stands still has no frozen channel. It is seen by the
windows alone, whose first and last reading are compared: windows that rest from end to end and follow one another are
one rest. So it goes by the grid, and any cut of the input into batches gives the same alerts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitor.config.families import Family
from monitor.pipeline.alerting.health_alerts import HealthFacts
from monitor.pipeline.health.frozen_alerts import FrozenAlerts, never_rested
from monitor.pipeline.health.rests import rests_began
from monitor.pipeline.scoring.stream_scaling import Profiles
from monitor.pipeline.state.columns import Columns
from monitor.pipeline.state.segments import segment_starts
from monitor.records.batches import NEVER, Bool, Int64, Windows


class Resting:
    """Since when each channel of every stream has rested, as its windows show it."""

    def __init__(self, family: Family, profiles: Profiles, alerts: FrozenAlerts) -> None:
        self._family, self._profiles, self._alerts = family, profiles, alerts
        self.watches = family.may_freeze and family.health.frozen_after is None and len(family.channels) > 1
        self._step = family.grid.interval or 0
        each = (len(family.channels),)
        self.columns = Columns(
            {"since": (np.int64, each, NEVER), "until": (np.int64, each, NEVER), "stood": (np.int64, (), NEVER)}
        )
        self.dtype, self.dump = self.columns.dtype, self.columns.dump
        self.clear, self.grow = self.columns.clear, self.columns.grow
        self._needed = False  # some channel rests

    def load(self, codes: NDArray[np.integer], rows: NDArray[np.void]) -> None:
        """Put back what `dump` gave."""
        self.columns.load(codes, rows)
        self._needed |= bool((rows["since"] != NEVER).any())

    def watch(self, windows: Windows, facts: HealthFacts) -> None:
        """Take in windows, sorted by stream and time."""
        alerts = self._alerts.columns
        if not self.watches or not len(windows):
            return
        equal = windows.values[:, 0] == windows.values[:, -1]  # (m, channels)
        if not (equal.any() or self._needed or alerts.left):
            return
        concerned = ((self.columns["since"] != NEVER) | (alerts["opened"] != NEVER)).any(axis=1)
        concerned[windows.stream[equal.any(axis=1)]] = True
        some = windows.take(np.flatnonzero(concerned[windows.stream]))
        if not len(some):  # those that rest sent nothing
            return
        rests = np.asarray((some.values == some.values[:, :1]).all(axis=1))
        self._events(some, rests, rests_began(self.columns, self._step, some, rests), facts)
        self._needed = bool(((self.columns["since"] != NEVER) | (alerts["opened"] != NEVER)).any())

    def _stood(self, windows: Windows, stands: Bool) -> Int64:
        """End of the newest window up to each one (m,) in which nothing moved; remembers the last."""
        first = segment_starts(windows.stream)
        last = np.append(first[1:], len(windows)) - 1
        newest = np.maximum.accumulate(np.where(stands, np.arange(len(windows)), -1))
        inside = newest >= np.repeat(first, last - first + 1)
        stood = np.where(inside, windows.end[np.maximum(newest, 0)], self.columns["stood"][windows.stream])
        self.columns["stood"][windows.stream[last]] = stood[last]
        return np.asarray(stood)

    def _events(self, windows: Windows, rests: Bool, since: Int64, facts: HealthFacts) -> None:
        """Open the alerts of those that have rested for too long, and resolve those of others that move."""
        lacks = np.asarray(np.isnan(windows.values).any(axis=1))
        moves = ~(rests | lacks)
        opened = np.asarray(self._alerts.columns["opened"][windows.stream] != NEVER)
        moving = np.asarray(moves.any(axis=1))
        stood = self._stood(windows, ~moving)
        rows, channels = np.nonzero(rests & moving[:, None])
        patience = never_rested(self._family, self._profiles, windows.stream[rows], channels)
        frozen = np.zeros_like(rests)
        frozen[rows, channels] = windows.end[rows] - np.maximum(since[rows, channels], stood[rows]) >= patience
        opened |= np.isin(windows.stream, windows.stream[frozen.any(axis=1)])[:, None]
        for row, channel in np.argwhere(frozen | (moves & opened)).tolist():
            cell, end = (int(windows.stream[row]), channel), int(windows.end[row])
            if frozen[row, channel]:
                times = int(since[row, channel]), end
                self._alerts.open(cell, times, float(windows.values[row, -1, channel]), facts)
            else:
                self._alerts.resolve(cell, end, facts)
