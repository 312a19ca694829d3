"""Anomalous ranges and alerts of one series, counted: which ranges were found, how late, which alerts were false.

A range is a run of anomalous rows, an alert a run of flagged rows. A range is found if a row of it is flagged; its
delay is the number of rows from its first to the first flagged one. An alert that touches no range is false. Tallies
of several series can be added.

>>> found = events([0, 0, 1, 1, 1, 0, 0, 1, 0, 0], [1, 0, 0, 1, 1, 1, 0, 0, 0, 0])
>>> (found.found, found.ranges), found.delays, (found.false, found.alerts)
((1, 2), (1,), (1, 2))
>>> round(found.recall, 2), round(found.precision, 2), round(found.false_per_1000, 1)
(0.5, 0.5, 166.7)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Bool = NDArray[np.bool_]
Int64 = NDArray[np.int64]


@dataclass(frozen=True)
class Events:
    """Counts of ranges and alerts. `delays` are those of the ranges found, in rows; `quiet` rows lie in no range."""

    ranges: int = 0
    alerts: int = 0
    false: int = 0
    quiet: int = 0
    delays: tuple[int, ...] = ()

    def __add__(self, other: Events) -> Events:
        return Events(
            self.ranges + other.ranges, self.alerts + other.alerts, self.false + other.false,
            self.quiet + other.quiet, self.delays + other.delays,
        )  # fmt: skip

    @property
    def found(self) -> int:
        """Ranges in which at least one row was flagged."""
        return len(self.delays)

    @property
    def recall(self) -> float:
        """Share of the ranges that were found, 0 to 1; NaN without a range."""
        return self.found / self.ranges if self.ranges else float("nan")

    @property
    def precision(self) -> float:
        """Share of the alerts that touch a range, 0 to 1; NaN without an alert."""
        return 1 - self.false / self.alerts if self.alerts else float("nan")

    @property
    def false_per_1000(self) -> float:
        """False alerts for each 1,000 rows that lie in no range; NaN without such rows."""
        return 1000 * self.false / self.quiet if self.quiet else float("nan")

    @property
    def delay(self) -> float:
        """Median delay of the ranges found, in rows; NaN where none was."""
        return float(np.median(self.delays)) if self.delays else float("nan")


def runs(flags: ArrayLike) -> Int64:
    """First row of each run of true flags and the row after its last, (n, 2)."""
    edges = np.diff(np.asarray(flags).astype(np.int8), prepend=0, append=0)
    return np.flatnonzero(edges).reshape(-1, 2)


def events(anomalous: ArrayLike, flagged: ArrayLike) -> Events:
    """Count ranges and alerts of one series; both (rows,), true where a row is anomalous, or flagged."""
    truth, flags = np.asarray(anomalous, bool), np.asarray(flagged, bool)
    ranges, alerts = runs(truth), runs(flags)
    false = sum(not truth[first:end].any() for first, end in alerts.tolist())
    first_flagged = (np.flatnonzero(flags[first:end])[:1] for first, end in ranges.tolist())
    delays = tuple(int(rows[0]) for rows in first_flagged if len(rows))
    return Events(len(ranges), len(alerts), false, int((~truth).sum()), delays)
