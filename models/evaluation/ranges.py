"""Range-based precision and recall (Tatbul et al. 2018, arXiv:1803.03639): how much of each range, in how many pieces.

Recall is the mean over the anomalous ranges of `existence` · (1 if any of it is flagged) + (1 - `existence`) · the
share of it that is flagged, divided by the number of alerts that share it. Precision is the mean over the alerts of
the share of each that lies in anomalous ranges, divided by the number of those. With `front` the early rows of an
anomalous range weigh more: the first of n weighs n, the last 1; precision weighs rows alike, as the paper advises.

>>> truth, flags = [0, 1, 1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1, 0, 1]
>>> recall(truth, flags), precision(truth, flags)
(0.5, 0.3333333333333333)
>>> recall(truth, flags, existence=0.5), recall(truth, flags, front=True)
(0.75, 0.3)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from models.evaluation.events import Bool, runs


def recall(anomalous: ArrayLike, flagged: ArrayLike, *, existence: float = 0.0, front: bool = False) -> float:
    """Of the anomalous ranges, 0 to 1; NaN without any. `existence`, 0 to 1, is the share that being found earns."""
    truth, flags = np.asarray(anomalous, bool), np.asarray(flagged, bool)
    rewards = [
        existence * bool(flags[first:end].any()) + (1 - existence) * _overlap(flags[first:end], front=front)
        for first, end in runs(truth).tolist()
    ]
    return float(np.mean(rewards)) if rewards else float("nan")


def precision(anomalous: ArrayLike, flagged: ArrayLike) -> float:
    """Of the alerts, 0 to 1; NaN without any."""
    truth, flags = np.asarray(anomalous, bool), np.asarray(flagged, bool)
    rewards = [_overlap(truth[first:end], front=False) for first, end in runs(flags).tolist()]
    return float(np.mean(rewards)) if rewards else float("nan")


def f1(precision_: float, recall_: float) -> float:
    """Their harmonic mean; 0 where nothing was flagged, as nothing was found then."""
    total = precision_ + recall_
    return 2 * precision_ * recall_ / total if total > 0 else 0.0


def _overlap(inside: Bool, *, front: bool) -> float:
    """Weighted share of true rows of a range, (rows,), divided by the number of runs that they come in."""
    weights = np.arange(len(inside), 0, -1) if front else np.ones(len(inside))
    return float(weights[inside].sum() / weights.sum()) / max(1, len(runs(inside)))
