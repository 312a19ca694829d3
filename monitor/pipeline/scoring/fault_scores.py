"""Scores of each stream since its open alert opened: what a limit begins from where that level is the new normal.

A limit that cannot begin from them, as it does not learn, is `raised` instead, until the stream gets another model.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from monitor.pipeline.state.columns import Columns, Spec
from monitor.records.batches import Bool, Float32, Int32


class Seen(NamedTuple):
    """Mean and standard deviation of `number` scores; 0 where there are none."""

    mean: float
    std: float
    number: int


class FaultScores:
    """Count, sum and sum of squares around the first, of every stream."""

    def __init__(self) -> None:
        zero: Spec = (np.float64, (), 0.0)
        sums: dict[str, Spec] = {"count": (np.int32, (), 0), "first": zero, "total": zero, "squares": zero}
        self.columns = Columns({**sums, "raised": (np.float32, (), 1.0)})

    def follow(self, stream: Int32, score: Float32, open_: Bool) -> None:
        """Take in the scores of windows at which an alert is open, in time order by stream; others end what was."""
        count = self.columns["count"]
        if not open_.any() and not count[stream].any():
            return
        first, total, squares = (self.columns[name] for name in ("first", "total", "squares"))
        concerned = np.isin(stream, np.unique(stream[open_ | (count[stream] > 0)]))
        for i in np.flatnonzero(concerned).tolist():
            code = stream[i]
            if not open_[i]:
                count[code] = 0
                continue
            if count[code] == 0:
                first[code], total[code], squares[code] = score[i], 0.0, 0.0
            away = score[i] - first[code]
            count[code] += 1
            total[code] += away
            squares[code] += away * away

    def take(self, code: int) -> Seen:
        """What was seen of this stream since its alert opened; it begins again."""
        count = int(self.columns["count"][code])
        self.columns["count"][code] = 0
        if not count:
            return Seen(0.0, 0.0, 0)
        first, total, squares = (float(self.columns[name][code]) for name in ("first", "total", "squares"))
        shift = total / count
        return Seen(first + shift, math.sqrt(max(squares / count - shift * shift, 0.0)), count)


def leads(stream: Int32, opens: Bool) -> Bool:
    """Which of these windows, sorted by stream, come before one at which an alert of their stream opens.

    They hold its fault in part, and were not judged anomalous: nothing is learned from them.
    """
    found = np.zeros(len(stream), bool)
    for row in np.flatnonzero(opens).tolist():
        found[:row] |= stream[:row] == stream[row]
    return found
