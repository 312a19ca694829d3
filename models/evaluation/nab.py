"""Alerts on labelled series, scored by the rules of the Numenta Anomaly Benchmark, version 1.1.

A window of a series is the stretch of rows in which an alert is right; only its earliest alert counts, and the earlier
it is, the more it is worth: nearly all of 1 at the window's first row, nearly nothing at its last. Each alert outside
is wrong and costs up to 1, less shortly after a window. The first rows are probation: alerts there are no alerts, and
a window that ends there does not count. Three profiles weigh hits, misses and false alerts; a total is scaled so that
a silent detector has 0 and a perfect one 100.

>>> labels = Labels(1000, ((500, 599),))
>>> labels.probation
150
>>> found = tally(labels, [10, 500, 900])
>>> found.hits, found.windows, found.false
(1, 1, 1)
>>> round(found.score("standard"), 2), round(found.score("low_fp"), 2)
(94.5, 89.0)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float64 = NDArray[np.float64]

PROBATION_SHARE: Final = 0.15
PROBATION_MOST: Final = 750  # rows
FORGIVEN: Final = 3.0  # widths of a window after which an alert behind it costs all


class Weights(NamedTuple):
    """What a hit, a missed window and a false alert weigh."""

    hit: float
    miss: float
    false: float


PROFILES: Final = {
    "standard": Weights(1.0, 1.0, 0.11),
    "low_fp": Weights(1.0, 1.0, 0.22),
    "low_fn": Weights(1.0, 2.0, 0.11),
}


@dataclass(frozen=True)
class Labels:
    """Of one series of `rows`: its anomaly windows in order, each as its first and its last row."""

    rows: int
    windows: tuple[tuple[int, int], ...] = ()

    @property
    def probation(self) -> int:
        """First row that is judged."""
        return min(int(PROBATION_SHARE * self.rows), PROBATION_MOST)

    @cached_property
    def window(self) -> NDArray[np.int64]:
        """Number of the window in which each row lies, -1 outside."""
        found = np.full(self.rows, -1)
        for number, (first, last) in enumerate(self.windows):
            found[first : last + 1] = number
        return found

    @cached_property
    def worth(self) -> Float64:
        """What an alert at each row is worth: 0 to 1 in a window, 0 to -1 outside."""
        worth = np.full(self.rows, -1.0)
        ends = [first for first, _ in self.windows[1:]] + [self.rows]
        for (first, last), end in zip(self.windows, ends, strict=False):
            width = last - first + 1
            worth[first : last + 1] = _sigmoid((np.arange(first, last + 1) - last - 1) / width) / _sigmoid(-1.0)
            behind = np.arange(last + 1, end) - last
            distance = behind / (width - 1) if width > 1 else np.full(len(behind), np.inf)
            worth[last + 1 : end] = np.where(distance > FORGIVEN, -1.0, _sigmoid(distance))
        return worth


@dataclass(frozen=True)
class Tally:
    """What alerts on one or more series led to; tallies can be added.

    `reward` is the sum over the windows hit, `cost` (at most 0) over the `false` alerts. `windows` are those that can
    be hit, `labelled` all of them.
    """

    reward: float = 0.0
    cost: float = 0.0
    hits: int = 0
    false: int = 0
    windows: int = 0
    labelled: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.reward + other.reward, self.cost + other.cost, self.hits + other.hits, self.false + other.false,
            self.windows + other.windows, self.labelled + other.labelled,
        )  # fmt: skip

    def score(self, profile: str) -> float:
        """0 for a silent detector, 100 for a perfect one, below 0 for many false alerts; NaN without a window."""
        weights = PROFILES[profile]
        gained = weights.hit * self.reward + weights.miss * self.hits + weights.false * self.cost
        most = weights.hit * self.labelled + weights.miss * self.windows
        return 100 * gained / most if most else float("nan")


def tally(labels: Labels, alerts: ArrayLike) -> Tally:
    """Count what alerts at these rows are worth on one series."""
    rows = np.unique(np.asarray(alerts, np.int64))
    rows = rows[rows >= labels.probation]
    window, worth = labels.window[rows], labels.worth[rows]
    hit = window >= 0
    best: dict[int, float] = {}
    for number, value in zip(window[hit].tolist(), worth[hit].tolist(), strict=True):
        best[number] = max(value, best.get(number, 0.0))
    windows = sum(last >= labels.probation for _, last in labels.windows)
    return Tally(
        sum(best.values()), float(worth[~hit].sum()), len(best), int((~hit).sum()), windows, len(labels.windows)
    )


def total(tallies: Iterable[Tally]) -> Tally:
    """The sum of them."""
    return sum(tallies, Tally())


def blind(labels: Sequence[Labels], every: int) -> Tally:
    """What alerts at every `every`-th row are worth, whatever the series: no detector may be proud of less."""
    return total(tally(each, np.arange(every - 1, each.rows, every)) for each in labels)


def _sigmoid(position: ArrayLike) -> Float64:
    """From 1 far before an edge to -1 far behind it, 0 on it; in widths of the window."""
    return np.asarray(2 / (1 + np.exp(5 * np.minimum(np.asarray(position, np.float64), 60))) - 1)
