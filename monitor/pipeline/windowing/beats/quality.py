"""How noisy the signal is around a beat: too noisy, and nothing can be said of it.

The measure is the envelope in which R-peaks are found (see `peaks`), read every block for `RECENT` seconds. Its lower
fifth is what is left between the beats: P and T waves are slower, and a fifth of the time is free of them even beside
ectopic beats. Electrodes that move and muscles that tremble fill it up. As a *share* of the highest envelope of that
time, which is a beat's, it is below 0.08 in a clean signal at rest, and above 0.2 most of what is found is noise. As a
*level* it is in the unit of the signal.

A heart that races leaves no such gap, however clean the signal. So where the last intervals are short and alike, the
beats are beats: noise that is taken for them comes at any time.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from monitor.pipeline.state.columns import Columns, Spec
from monitor.pipeline.windowing.beats.chunks import Chunk
from monitor.pipeline.windowing.beats.found import Found
from monitor.records.batches import Bool, Float32, Float64, Int32, Int64

MOST = 0.2  # share of noise up to which a beat is judged
LEARNED, TIMES = 0.06, 1.5  # ... and learned from; or so many times the median of all beats
RECENT = 2.0  # s of the envelope that count, and that must be known
INTERVALS, SHORT, ALIKE = 4, 0.55, 0.2  # of a heart that races: s, and the share of them by which they differ
LOWER = 0.2  # the quantile that is noise


class Noise(NamedTuple):
    """Around beats, (m,) each; NaN while too little is known."""

    level: Float64
    share: Float64


class Quality:
    """The envelope of the last seconds of every stream; blocks are of `block` samples."""

    def __init__(self, rate: float, block: int, margin: int) -> None:
        self._block, self._margin = block, margin
        self._kept = round(RECENT * rate / block)
        envelope: Spec = (np.float32, (self._kept,), np.nan)
        self.columns = Columns({"envelope": envelope, "intervals": (np.float32, (INTERVALS,), np.nan)})

    def begin(self, streams: Int32) -> None:
        """Forget what came before: these streams restart."""
        self.columns.clear(streams)

    def follow(self, chunk: Chunk, heights: Float64, first: int) -> Float32:
        """Take in the envelope of the chunk's new blocks, (k, columns) from column `first` on.

        Returns it behind what was known before, a value for each block, (k, kept + new).
        """
        before, ready = chunk.before // self._block, chunk.ready // self._block
        number = before[:, None] + np.arange(int((ready - before).max(initial=0)))
        place = (number + 1) * self._block - 1 - self._margin
        column = np.clip(place - chunk.origin[:, None] - first, 0, heights.shape[1] - 1)
        new = np.take_along_axis(heights, column, axis=1).astype(np.float32)
        new[(place < 0) | (number >= ready[:, None])] = np.nan
        envelope = np.concatenate([self.columns["envelope"][chunk.stream], new], axis=1)
        newest = (ready - before)[:, None] + np.arange(self._kept)
        self.columns["envelope"][chunk.stream] = np.take_along_axis(envelope, newest, axis=1)
        return envelope

    def noise(self, chunk: Chunk, envelope: Float32, found: Found, known: Int64) -> Noise:
        """Around beats in order of time, for each of which `known` samples of its stream were needed."""
        row = found.row
        before, ready = chunk.before[row] // self._block, chunk.ready[row] // self._block
        end = np.minimum(np.maximum(-(-known // self._block) - before, 0), ready - before)
        recent = np.sort(envelope[row[:, None], end[:, None] + np.arange(self._kept)], axis=1)  # NaN last
        top = recent[:, -1].astype(np.float64)
        level = np.where(np.isnan(top), np.nan, recent[:, int(LOWER * self._kept)])
        share = level / np.maximum(top, np.finfo(np.float32).tiny)
        return Noise(level, np.where(self._races(chunk.stream[row], found.interval), np.minimum(share, MOST), share))

    def _races(self, stream: Int32, interval: Float64) -> Bool:
        """Whether the intervals up to each of these beats are short and alike."""
        last, races = self.columns["intervals"], np.zeros(len(stream), bool)
        for beat, (code, newest) in enumerate(zip(stream.tolist(), interval.tolist(), strict=True)):
            last[code, :-1], last[code, -1] = last[code, 1:], newest
            low, high = float(last[code].min()), float(last[code].max())
            races[beat] = high <= SHORT and high - low <= ALIKE * high
        return races


def too_noisy(share: Float64) -> Bool:
    """Which beats stand in a signal too noisy to judge them."""
    return np.asarray(share > MOST)


def learnable(share: Float64) -> Bool:
    """Which beats of a history (m,) are quiet enough to learn from, by what is usual of them."""
    known = share[~np.isnan(share)]
    most = max(LEARNED, TIMES * float(np.median(known))) if len(known) else LEARNED
    return np.asarray(~(share > most))
