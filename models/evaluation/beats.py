"""Heartbeats found in an ECG, compared with the marks of cardiologists, and premature ones among them.

A mark is matched to one beat at most, the nearest within 150 ms (ANSI/AAMI EC57). A beat is an alarm where its ratio,
score ÷ limit, is above 1; one that could not be judged has none. A premature beat that was not found counts as missed.

>>> found = compare(Record([100, 200, 300], [200], 100), [101, 198, 260], [0.5, 1.7, 1.2])
>>> found.matched, found.sensitivity, round(found.precision, 2), found.recall
(2, 0.6666666666666666, 0.5, 1.0)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

TOLERANCE: Final = 0.15  # s

Int64 = NDArray[np.int64]


@dataclass(frozen=True)
class Record:
    """Samples of the R-peaks and of the premature ones among them, as marked; `rate` in Hz."""

    marks: ArrayLike
    premature: ArrayLike
    rate: int


@dataclass(frozen=True)
class Beats:
    """How the beats found compare with the marks. `true_alarms` are premature beats above the limit."""

    marks: int
    found: int
    matched: int
    premature: int
    alarms: int
    true_alarms: int
    auc: float  # area under the ROC curve of the ratio, premature against other marks; NaN where one kind is missing

    @property
    def sensitivity(self) -> float:
        """Share of the marks that were found."""
        return self.matched / max(self.marks, 1)

    @property
    def predictivity(self) -> float:
        """Share of the beats found that are marked."""
        return self.matched / max(self.found, 1)

    @property
    def precision(self) -> float:
        """Share of the alarms that are premature beats."""
        return self.true_alarms / max(self.alarms, 1)

    @property
    def recall(self) -> float:
        """Share of the premature beats that are alarms."""
        return self.true_alarms / max(self.premature, 1)


def compare(record: Record, samples: ArrayLike, ratio: ArrayLike, start: float = 0.0) -> Beats:
    """Compare beats at these samples (n,) and their ratios (n,) with the marks, from `start` seconds on."""
    first = int(start * record.rate)
    found, ratios = np.asarray(samples, np.int64), np.asarray(ratio, np.float64)
    order = np.argsort(found, kind="stable")
    order = order[found[order] >= first]
    found, ratios = found[order], ratios[order]
    marks = np.asarray(record.marks, np.int64)
    marks = marks[marks >= first]
    partner = match(marks, found, round(TOLERANCE * record.rate))
    premature = np.isin(marks, np.asarray(record.premature))
    matched = partner >= 0
    score = np.where(matched, ratios[partner], np.nan) if len(found) else np.full(len(marks), np.nan)
    known = np.isfinite(score)
    return Beats(
        marks=len(marks), found=len(found), matched=int(matched.sum()), premature=int(premature.sum()),
        alarms=int((ratios > 1).sum()), true_alarms=int((score[premature] > 1).sum()),
        auc=_auc(score[known], premature[known]),
    )  # fmt: skip


def match(marks: Int64, found: Int64, tolerance: int) -> Int64:
    """Which of the beats `found` (sorted) belongs to each mark, -1 for none; the closest pairs come first."""
    first, last = np.searchsorted(found, marks - tolerance), np.searchsorted(found, marks + tolerance, side="right")
    mark = np.repeat(np.arange(len(marks)), last - first)
    beat = np.concatenate([np.arange(0), *map(np.arange, first, last)]).astype(np.int64)
    partner, free = np.full(len(marks), -1, np.int64), np.ones(len(found), bool)
    for pair in np.lexsort((beat, mark, np.abs(marks[mark] - found[beat]))).tolist():
        if partner[mark[pair]] < 0 and free[beat[pair]]:
            partner[mark[pair]], free[beat[pair]] = beat[pair], False
    return partner


def _auc(score: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(positive, score)) if 0 < positive.sum() < len(positive) else float("nan")
