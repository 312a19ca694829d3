"""Scores of different statistics on one scale: each divided by its usual size in the past of the stream."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from monitor.pipeline.state.codec import StreamPart
from monitor.pipeline.state.columns import Columns
from monitor.pipeline.state.segments import running, segment_starts
from monitor.records.batches import Float32, Float64, Int32

FEWEST = 30  # scores of a stream before its next one has a scale


class Calibration(StreamPart, Protocol):
    """The scale of one companion's scores, for every stream."""

    def apply(self, stream: Int32, score: Float32) -> Float32:
        """Scores (m,), sorted by stream and time, on the common scale: judged by the past, then learned from.

        NaN stays NaN and is not learned from.
        """
        ...


class RootMeanSquare:
    """Score divided by the root mean square of all scores that the stream had before; NaN for the first `FEWEST`.

    1 is as usual, whatever the unit. Sums only grow, so that no rounding error does; 16 bytes a stream.
    """

    def __init__(self) -> None:
        self._columns = Columns({"count": (np.float64, (), 0.0), "squares": (np.float64, (), 0.0)})
        self.dtype = self._columns.dtype
        self.dump, self.load = self._columns.dump, self._columns.load
        self.clear, self.grow = self._columns.clear, self._columns.grow

    def apply(self, stream: Int32, score: Float32) -> Float32:
        """See `Calibration`."""
        wide = score.astype(np.float64)
        known = ~np.isnan(wide)
        count = self._add("count", stream, known.astype(np.float64))
        squares = self._add("squares", stream, np.where(known, wide * wide, 0.0))
        with np.errstate(divide="ignore", invalid="ignore"):
            usual = np.sqrt(squares / count)
            return np.where(count >= FEWEST, wide / usual, np.nan).astype(np.float32)

    def _add(self, name: str, stream: Int32, value: Float64) -> Float64:
        """The sum before each row; the stream's goes on from there."""
        streams = stream[segment_starts(stream)]
        before, after = running(stream, self._columns[name][streams], value)
        self._columns[name][streams] = after
        return before
