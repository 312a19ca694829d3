"""Outliers and changepoints, scored by the rules of the Skoltech Anomaly Benchmark, version 0.9.

Outliers are counted row by row over all files together. A changepoint is found by a detection in the minute from it on;
the first one counts, and the earlier it is, the more it is worth. A detection in no such minute is false.
Beside an F1 belong the shares of false alarms and of misses: in this benchmark most anomalies begin at the same row,
and an alarm from row 200 to the end of every file has F1 .78. Beside the score of changepoints belongs the number of
false ones: an alarm every 60 s scores 66.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

MINUTE: Final = 60 * 10**9  # ns
STEPS: Final = 1000  # points of the table from which the benchmark reads its curve


class Weights(NamedTuple):
    """What a false detection and a missed changepoint weigh; a perfect one weighs 1."""

    false: float
    miss: float


PROFILES: Final = {"standard": Weights(-0.11, -1.0), "low_fp": Weights(-0.22, -1.0), "low_fn": Weights(-0.11, -2.0)}


@dataclass(frozen=True)
class Outliers:
    """Rows that were flagged and were anomalous, or not; they can be added.

    >>> found = outliers([0, 0, 1, 1, 1], [0, 1, 1, 1, 0])
    >>> round(found.f1, 3), found.false_alarms, round(found.misses, 1)
    (0.667, 50.0, 33.3)
    """

    true: int = 0
    false: int = 0
    missed: int = 0
    quiet: int = 0

    def __add__(self, other: Outliers) -> Outliers:
        return Outliers(
            self.true + other.true, self.false + other.false, self.missed + other.missed, self.quiet + other.quiet
        )

    @property
    def f1(self) -> float:
        """From 0 to 1."""
        return 2 * self.true / max(2 * self.true + self.false + self.missed, 1)

    @property
    def false_alarms(self) -> float:
        """Share of the normal rows that were flagged (FAR), percent."""
        return 100 * self.false / max(self.false + self.quiet, 1)

    @property
    def misses(self) -> float:
        """Share of the anomalous rows that were not (MAR), percent."""
        return 100 * self.missed / max(self.true + self.missed, 1)


def outliers(anomalous: ArrayLike, flagged: ArrayLike) -> Outliers:
    """Count the rows of one file."""
    truth, found = np.asarray(anomalous, bool), np.asarray(flagged, bool)
    return Outliers(
        int((truth & found).sum()), int((~truth & found).sum()),
        int((truth & ~found).sum()), int((~truth & ~found).sum()),
    )  # fmt: skip


@dataclass(frozen=True)
class Changepoints:
    """Changepoints found, and false detections; they can be added.

    `promptness` is the sum over those found: 1 at the changepoint, 0 a minute later. `delay` is in seconds.
    """

    promptness: float = 0.0
    found: int = 0
    missed: int = 0
    false: int = 0
    delay: float = 0.0

    def __add__(self, other: Changepoints) -> Changepoints:
        return Changepoints(
            self.promptness + other.promptness, self.found + other.found, self.missed + other.missed,
            self.false + other.false, self.delay + other.delay,
        )  # fmt: skip

    def score(self, profile: str) -> float:
        """0 for a silent detector, 100 for a perfect one; NaN without a changepoint."""
        weights, count = PROFILES[profile], self.found + self.missed
        worth = (1 - weights.false) * self.promptness + weights.false * (self.found + self.false)
        gained = worth + weights.miss * self.missed - weights.miss * count
        return 100 * gained / (count * (1 - weights.miss)) if count else float("nan")

    @property
    def mean_delay(self) -> float:
        """Seconds from a changepoint to the detection that found it."""
        return self.delay / self.found if self.found else float("nan")


def changepoints(true: ArrayLike, detected: ArrayLike) -> Changepoints:
    """Count those of one file, by the times (ns, in order) of its changepoints and of the detections."""
    found, free = np.asarray(detected, np.int64), np.ones(np.size(detected), bool)
    result, reached = Changepoints(), None
    for at in np.asarray(true, np.int64).tolist():
        start = at if reached is None else max(at, reached)
        reached = at + MINUTE
        inside = (found >= start) & (found <= reached)
        free &= ~inside
        if inside.any():
            late = int(found[inside].min()) - start
            share = late / (reached - start) if reached > start else 1.0
            result += Changepoints(promptness=_promptness(share), found=1, delay=late / 1e9)
        else:
            result += Changepoints(missed=1)
    return result + Changepoints(false=int(free.sum()))


def switches(flagged: ArrayLike) -> NDArray[np.int64]:
    """Rows at which flags begin or end: what stands for changepoints where a detector gives none."""
    return np.flatnonzero(np.diff(np.asarray(flagged, np.int8), prepend=0))


def total_outliers(counts: Iterable[Outliers]) -> Outliers:
    """The sum of them."""
    return sum(counts, Outliers())


def total_changepoints(counts: Iterable[Changepoints]) -> Changepoints:
    """The sum of them."""
    return sum(counts, Changepoints())


def _promptness(share: float) -> float:
    """From 1 to 0 along a hyperbolic tangent, as the share of the minute that has gone by grows."""
    step = min(int(share * STEPS), STEPS - 1)
    turned = np.tanh(np.pi * step / (STEPS - 1) - np.pi / 2) / np.tanh(np.pi / 2)
    return float((1 - turned) / 2)
