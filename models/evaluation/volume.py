"""VUS-PR: volume under the surface of precision, recall and tolerance.

Labels of ranges are seldom exact to the row. So each anomalous range gets a slope on both sides, of half a buffer's
width, on which a row at distance d counts sqrt(1 - d / buffer). Precision and recall are taken over these soft labels
at 250 limits, and recall is multiplied by the share of the ranges of which any row is above the limit. The area under
that curve, averaged over all buffers from 0 to the widest, is the volume: 0 to 1, threshold-free; the share of
anomalous rows for scores that say nothing (Paparrizos et al. 2022, doi:10.14778/3551793.3551830).

The slope behind a range is one row shorter than the one before it, as in the authors' program, so that figures compare.

>>> truth = np.zeros(200, bool); truth[90:110] = True
>>> round(vus_pr(truth, truth * 1.0, buffer=0), 2), round(vus_pr(truth, np.roll(truth, 3) * 1.0, buffer=0), 2)
(1.0, 0.86)
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.evaluation.events import Bool, runs

LIMITS: Final = 250

Float64 = NDArray[np.float64]


def vus_pr(anomalous: ArrayLike, scores: ArrayLike, buffer: int) -> float:
    """Of the scores (rows,) of one series, finite, higher is worse; `buffer` is the widest, in rows.

    NaN where no row, or every row, is anomalous.
    """
    truth, given = np.asarray(anomalous, bool), np.asarray(scores, np.float64)
    if truth.all() or not truth.any():
        return float("nan")
    order = np.argsort(-given, kind="stable")
    descending = given[order]
    limits = descending[np.linspace(0, len(given) - 1, LIMITS, dtype=np.int64)]
    above = np.searchsorted(-descending, -limits, side="right")  # rows at each limit or above it
    areas = [_area(truth, soft_labels(truth, width), given, (order, limits, above)) for width in range(buffer + 1)]
    return float(np.mean(areas))


def soft_labels(truth: Bool, buffer: int) -> Float64:
    """The labels, (rows,), 0 to 1, with a slope on both sides of each range."""
    soft = truth.astype(np.float64)
    if buffer <= 1:
        return soft
    reach = buffer // 2
    for first, end in runs(truth).tolist():
        before, behind = np.arange(max(first - reach, 0), first), np.arange(end, min(end - 1 + reach, len(truth)))
        soft[before] += np.sqrt(1 - (first - before) / buffer)
        soft[behind] += np.sqrt(1 - (behind - (end - 1)) / buffer)
    return np.minimum(soft, 1.0)


def _area(
    truth: Bool, soft: Float64, scores: Float64, ranked: tuple[NDArray[np.int64], Float64, NDArray[np.int64]]
) -> float:
    """Under the precision-recall curve of the soft labels, by the trapezoidal rule."""
    order, limits, above = ranked
    highest = np.sort([scores[first:end].max() for first, end in runs(soft > 0).tolist()])
    exist = (len(highest) - np.searchsorted(highest, limits)) / len(highest)
    true = np.cumsum(soft[order])[above - 1]
    precision = np.append(1.0, true / above)
    recall = np.append(0.0, np.minimum(true / ((truth.sum() + soft.sum()) / 2), 1.0) * exist)
    return float((np.diff(recall) * (precision[1:] + precision[:-1]) / 2).sum())
