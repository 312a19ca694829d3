"""All figures of scores against labels, each under the name of the limit that it belongs to.

- `AtLimit`: of the decisions `score > limit`, with the limit that the detector would have had in use, found without
  labels. These are what a plant would have met.
- `ThresholdFree`: of the order of the scores alone. They say what a detector knows, not what it would have done.
- `Oracle`: at the limits that the test labels themselves choose. No limit in use can know them; they belong beside
  published figures of the same kind, and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.errors import DataError
from models.evaluation import ranges
from models.evaluation.events import Bool, Events, events
from models.evaluation.metrics import Metrics, evaluate
from models.evaluation.volume import vus_pr

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class AtLimit:
    """Decisions at the detector's own limit. Of a series also its events, and range-based precision and recall."""

    limit: float
    accuracy: float
    precision: float
    recall: float
    f1: float
    events: Events | None = None
    range_precision: float | None = None
    range_recall: float | None = None


@dataclass(frozen=True)
class ThresholdFree:
    """Areas under the ROC and the precision-recall curve, and of a series the volume under its surface; 0 to 1."""

    roc_auc: float
    pr_auc: float
    vus_pr: float | None = None


@dataclass(frozen=True)
class Oracle:
    """The best that any limit reaches on these labels; each figure has a limit of its choice."""

    accuracy: float
    f1: float


def of_windows(scores: ArrayLike, anomalous: ArrayLike, limit: float) -> tuple[AtLimit, ThresholdFree]:
    """Of windows in no order, both (n,). Infinite scores count as the largest. Raises DataError as `evaluate` does."""
    given, truth = finite(scores), np.asarray(anomalous, bool)
    found = _points(given, truth, limit)
    at_limit = AtLimit(limit, found.accuracy, found.precision, found.recall, found.f1)
    return at_limit, ThresholdFree(found.roc_auc, found.pr_auc)


def of_series(scores: ArrayLike, anomalous: ArrayLike, limit: float, *, buffer: int) -> tuple[AtLimit, ThresholdFree]:
    """Of the rows of one series in time order, both (rows,); `buffer`, in rows, is the tolerance of VUS-PR.

    A NaN score is a row that was not judged: it is not flagged, and the least anomalous one. Raises DataError.
    """
    given, truth = finite(np.where(np.isnan(scores), 0.0, scores)), np.asarray(anomalous, bool)
    found = _points(given, truth, limit)
    flags = given > limit
    at_limit = AtLimit(
        limit, found.accuracy, found.precision, found.recall, found.f1, events(truth, flags),
        ranges.precision(truth, flags), ranges.recall(truth, flags),
    )  # fmt: skip
    return at_limit, ThresholdFree(found.roc_auc, found.pr_auc, vus_pr(truth, given, buffer))


def oracle(scores: ArrayLike, anomalous: ArrayLike) -> Oracle:
    """The best accuracy and the best F1 of any limit, of windows or rows (n,)."""
    given, truth = finite(scores), np.asarray(anomalous, bool)
    order = np.argsort(-given, kind="stable")
    last = np.flatnonzero(np.append(np.diff(given[order]) != 0, True))  # equal scores lie on one side of a limit
    above = np.append(0, last + 1)
    true = np.append(0, np.cumsum(truth[order])[last])
    accuracy = (true + (len(truth) - truth.sum()) - (above - true)) / len(truth)
    f1 = 2 * true / np.maximum(above + truth.sum(), 1)
    return Oracle(float(accuracy.max()), float(f1.max()))


def finite(scores: ArrayLike) -> Float64:
    """The scores with infinity as the largest number, so that they can be ranked."""
    return np.minimum(np.asarray(scores, np.float64), np.finfo(np.float32).max)


def _points(scores: Float64, truth: Bool, limit: float) -> Metrics:
    if scores.shape != truth.shape:
        raise DataError(f"{len(scores)} scores but {len(truth)} labels")
    return evaluate(scores.astype(np.float32), ~truth, limit)
