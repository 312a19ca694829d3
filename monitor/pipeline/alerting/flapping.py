"""Streams whose alerts open and resolve again and again: one message says so, and the next ones are not sent.

A stream flaps from the opening on that is one more than `count` within `period`, until no alert of it has opened for
`period`. All of its alerts are recorded as ever. Times are event times of openings: a restart changes nothing.

>>> flapping = Flapping(Budget(count=2, period=100))
>>> [flapping.opened(0, at).until for at in (0, 50, 100, 190, 291)]
[None, None, 200, 290, None]
>>> flapping = Flapping(Budget(count=2, period=100))
>>> [bool(flapping.opened(0, at).reason) for at in (0, 50, 100, 190, 291)]
[False, False, True, False, False]
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from monitor.config.budgets import Budget
from monitor.config.durations import format_duration
from monitor.pipeline.state.columns import Columns
from monitor.records.batches import NEVER


class Flap(NamedTuple):
    """Until when the stream flaps if no other alert opens, event time, ns; None = it does not.

    `reason` is a sentence where it begins.
    """

    until: int | None = None
    reason: str = ""


class Flapping:
    """The newest openings of every stream of a family."""

    def __init__(self, rule: Budget) -> None:
        self._rule = rule
        self.columns = Columns(
            {"openings": (np.int64, (rule.count,), NEVER), "flapping": (np.bool_, (), False)}  # the newest comes first
        )

    def opened(self, code: int, at: int) -> Flap:
        """An alert of the stream opens then."""
        count, period = self._rule.count, self._rule.period
        self.columns.grow(code + 1)
        openings, flapping = self.columns["openings"][code], self.columns["flapping"]
        was = bool(flapping[code]) and at - int(openings[0]) <= period
        flapping[code] = was or at - int(openings[-1]) <= period
        openings[1:], openings[0] = openings[:-1].copy(), at
        if not flapping[code]:
            return Flap()
        began = (
            f"it flaps: more than {count} alerts opened within {format_duration(period)}; the next ones are not sent "
            f"until none has opened for {format_duration(period)}"
        )
        return Flap(at + period, "" if was else began)
