"""Scores as the mean of a stream's last few, so that what lasts counts and what is over at once does not."""

from __future__ import annotations

import numpy as np

from monitor.pipeline.state.columns import Columns
from monitor.records.batches import Float32, Int32, Int64
from monitor.records.compiled import compiled


class Smoothed:
    """Mean of a stream's last `count` scores, of fewer at first; NaN stays NaN and does not count."""

    def __init__(self, count: int) -> None:
        self.columns = Columns({"last": (np.float32, (count,), 0.0), "filled": (np.int64, (), 0)})

    def apply(self, stream: Int32, score: Float32) -> Float32:
        """(m,), sorted by stream and time."""
        out = np.full(len(score), np.nan, np.float32)
        _smooth(stream, score, self.columns["last"], self.columns["filled"], out)
        return out


@compiled
def _smooth(stream: Int32, score: Float32, last: Float32, filled: Int64, out: Float32) -> None:
    size = last.shape[1]
    for row in range(len(stream)):
        of = stream[row]
        if np.isnan(score[row]):
            continue
        last[of, filled[of] % size] = score[row]
        filled[of] += 1
        total, known = 0.0, min(filled[of], size)
        for place in range(known):
            total += last[of, place]
        out[row] = total / known
