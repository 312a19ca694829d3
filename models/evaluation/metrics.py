"""How good a detector is on labelled windows, one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics

from models.errors import DataError

if TYPE_CHECKING:
    from models.artefacts.data import Float32


@dataclass(frozen=True)
class Metrics:
    """Point metrics with the ANOMALOUS windows as the positive class; each 0 to 1.

    accuracy, precision, recall and f1 are of the decision `score > limit`; the areas under the ROC and the
    precision-recall curve are of the score alone.
    """

    accuracy: float
    precision: float
    recall: float
    f1: float
    roc_auc: float
    pr_auc: float


def evaluate(scores: Float32, normal: NDArray[np.bool_], limit: float) -> Metrics:
    """Metrics of scores (n,) against `normal` (n,). Raises DataError unless both classes are there and all finite."""
    if len(scores) != len(normal):
        raise DataError(f"{len(scores)} scores but {len(normal)} labels")
    if normal.all() or not normal.any():
        raise DataError(f"{int(normal.sum())} of {len(normal)} test windows are normal; both classes are needed")
    if not np.isfinite(scores).all():
        raise DataError(f"{int((~np.isfinite(scores)).sum())} windows have no score; leave incomplete windows out")
    anomalous, judged = ~normal, scores > limit
    averages = metrics.precision_recall_fscore_support(anomalous, judged, average="binary", zero_division=0)
    precision, recall, f1 = (float(value) for value in averages[:3])
    return Metrics(
        accuracy=float(metrics.accuracy_score(anomalous, judged)),
        precision=precision,
        recall=recall,
        f1=f1,
        roc_auc=float(metrics.roc_auc_score(anomalous, scores)),
        pr_auc=float(metrics.average_precision_score(anomalous, scores)),
    )
