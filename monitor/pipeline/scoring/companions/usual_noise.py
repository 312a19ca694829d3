"""How noisy the signal around a beat is, compared with what is usual of its stream.

The usual level is followed on a log scale, slowly: what is louder than `LOUD` times the usual is noise that comes and
goes, in which other rules hold (see `rhythm` and `shape_errors`).
"""

from __future__ import annotations

import math

import numpy as np

from monitor.pipeline.state.columns import Columns
from monitor.records.batches import Float64, Int32, Int64
from monitor.records.compiled import compiled

LOUD = 2.2  # times the usual level
FOLLOW, CLIP = 300.0, 0.5  # beats after which the usual level is another, and logs by which one of them may move it


class UsualNoise:
    """The usual level of noise of every stream."""

    def __init__(self) -> None:
        self._columns = Columns({"log": (np.float64, (), 0.0), "heard": (np.int64, (), 0)})
        self.dtype = self._columns.dtype
        self.dump, self.load = self._columns.dump, self._columns.load
        self.clear, self.grow = self._columns.clear, self._columns.grow

    def ratio(self, stream: Int32, level: Float64) -> Float64:
        """Level ÷ usual level (m,) of beats, sorted by stream and time; 1 where either is not known."""
        out, column = np.ones(len(stream)), self._columns
        _follow(stream, level, column["log"], column["heard"], out)
        return out


@compiled
def _follow(stream: Int32, level: Float64, usual: Float64, heard: Int64, out: Float64) -> None:
    """Compare each level with those before it, and take it in."""
    for row in range(len(stream)):
        of, now = stream[row], level[row]
        if not now > 0:
            continue
        log = math.log(now)
        if heard[of] == 0:
            usual[of] = log
        heard[of] += 1
        away = log - usual[of]
        out[row] = math.exp(away)
        usual[of] += min(max(away, -CLIP), CLIP) / min(heard[of], FOLLOW)
