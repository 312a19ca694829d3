"""When the next alert of a stream may open: the refractory period, and a bar that rises with its recent alerts.

No alert opens within `quiet_after` of the last opening. After that the ratio must reach the *bar*, 1 at first:

- `rise`, `memory`: bar = 1 + rise · s, where s counts the openings so far and each is forgotten as exp(-age / memory).
- `budget` (n alerts in a period P): bar = 2^(s / n), where s counts the openings too, and n of them are forgotten in
  each P, evenly. As many alerts at once as the budget allows double the bar, and a period without one halves it. So the
  bar settles where the stream opens n alerts in each P, whatever its scores are like: in k periods it opens
  n · (k + log2 b) + 1 at most, where b is the largest ratio that occurs. An anomaly beyond the bar always opens.

What is kept is s as of the newest opening. It means the same under every setting, so that another budget applies at
once to what the stream has spent. All ages are in windows of the stream or in event time: a restart changes nothing.

>>> policy, columns = Policy(Alerts(budget="1 per week")), Columns(SPEC)
>>> columns.grow(1)
>>> one, week = np.array([0]), 7 * 86400 * 10**9
>>> for at in (0, week // 2):
...     policy.spend(columns, one, at=Places(np.array([0]), np.array([at])))
>>> [round(float(policy.bar(columns, one, Places(one, np.array([at])))[0]), 2) for at in (week // 2, week, 2 * week)]
[2.83, 2.0, 1.0]
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from monitor.config.durations import Span
from monitor.config.families import Alerts
from monitor.pipeline.state.codec import Codes
from monitor.pipeline.state.columns import Columns, Spec
from monitor.pipeline.state.segments import segments
from monitor.records.batches import NEVER, Bool, Float64, Int32, Int64

SPEC: dict[str, Spec] = {
    "judged": (np.int64, (), 0),  # windows so far
    "opening": (np.int64, (), NEVER),  # at which of them the newest alert opened
    "opening_at": (np.int64, (), NEVER),  # the end of that window, ns
    "spent": (np.float64, (), 0.0),  # openings as of the newest one, less what was forgotten before it
}
_MOST = 100.0  # doublings of the bar: beyond every ratio


class Places(NamedTuple):
    """Where windows lie in their stream: number among its windows, and end (ns), (n,) each."""

    number: Int64
    end: Int64


class Policy:
    """Works on columns of `SPEC`, which may be among others."""

    def __init__(self, rule: Alerts) -> None:
        self._quiet_after, self._memory = rule.quiet_after, rule.memory
        self._rise, self._budget = rule.rise, rule.budget
        self.pauses = bool(rule.quiet_after.time or rule.quiet_after.count)
        self.limits = bool(self.pauses or rule.rise or rule.budget)

    def number(self, columns: Columns, stream: Int32) -> Int64:
        """The number of each of these windows, sorted by stream, among those of its stream; counts them."""
        if not self.limits:
            return np.zeros(len(stream), np.int64)
        first, size = segments(stream)
        before = columns["judged"][stream[first]]
        columns["judged"][stream[first]] += size
        return np.arange(len(stream)) + np.repeat(before - first, size)

    def quiet(self, columns: Columns, codes: Codes, at: Places) -> Bool:
        """Whether these streams are in their refractory period."""
        opened = columns["opening"][codes] != NEVER
        limit = self._quiet_after.time if self._quiet_after.count is None else self._quiet_after.count
        return np.asarray(opened & (limit != 0) & (_age(columns, codes, at, self._quiet_after) <= (limit or 0)))

    def bar(self, columns: Columns, codes: Codes, at: Places) -> Float64:
        """The ratio that an anomaly of each of these streams must reach to open an alert, at least 1."""
        left = self._left(columns, codes, at)
        if self._budget is not None:
            return np.exp2(np.minimum(left / self._budget.count, _MOST))
        return 1 + self._rise * left

    def now(self, columns: Columns, codes: Codes, clock: Int64) -> Float64:
        """The bar behind each stream's newest window, whose stream has come to `clock`, ns."""
        if not self.limits:
            return np.ones(len(codes))
        return self.bar(columns, codes, Places(columns["judged"][codes], clock))

    def spend(self, columns: Columns, codes: Codes, at: Places) -> None:
        """An alert of each of these (unique) streams opens there."""
        columns["spent"][codes] = 1 + self._left(columns, codes, at)
        columns["opening"][codes], columns["opening_at"][codes] = at

    def _left(self, columns: Columns, codes: Codes, at: Places) -> Float64:
        """Openings that are not forgotten yet."""
        spent = np.where(columns["opening"][codes] == NEVER, 0.0, columns["spent"][codes])
        if self._budget is not None:
            ago = _age(columns, codes, at, Span(time=self._budget.period))
            return np.maximum(spent - ago / self._budget.period * self._budget.count, 0)
        if not self._rise:
            return spent * 0
        memory = self._memory.time if self._memory.count is None else self._memory.count
        return np.asarray(spent * np.exp(-_age(columns, codes, at, self._memory) / (memory or 1)))


def _age(columns: Columns, codes: Codes, at: Places, unit: Span) -> Int64:
    """Of the newest opening of each stream, in windows or ns as `unit` is given; 0 where there was none."""
    name, here = ("opening_at", at.end) if unit.count is None else ("opening", at.number)
    since = columns[name][codes]
    return np.where(since == NEVER, 0, np.maximum(here - since, 0))
