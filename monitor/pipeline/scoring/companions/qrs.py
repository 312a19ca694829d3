"""How far the QRS complex of a beat is from the usual one of its stream, wherever noise has moved it.

The mean of normal QRS complexes is slid over the R-peak and scaled; what is left of the beat at the best place, as a
share of the complex's size, is the residual (template matching, as in C. Orphanidou et al., "Signal-quality indices for
the electrocardiogram and photoplethysmogram", IEEE J. Biomed. Health Inform. 19(3), 2015). Only the band in which
electrodes and breath move least is compared, and only the QRS: an error over the whole beat grows with every noise in
it, this one hardly does before R-peaks are lost.

Departures: the residual instead of a correlation, since a complex of another size is another one; the scale is
bounded. The mean is learned from beats that came in time and are not too unlike it. And a residual counts by the noise
beside its complex: a normal complex in noise leaves its usual residual and the noise, whose powers add up.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from monitor.pipeline.state.columns import Columns
from monitor.records.batches import Bool, Float32, Float64, Int32, Int64
from monitor.records.compiled import compiled

FAST, SLOW = 0.012, 0.04  # s, standard deviations of the two filters between which the compared band lies
BEFORE, AFTER = 0.08, 0.1  # s around the R-peak
SLIDE = 0.023  # s
LEAST, MOST = 0.6, 1.6  # scale
LEARNED, ALWAYS = 0.7, 16  # residual up to which a beat is learned, and how many beats are learned whatever it is
MEMORY = 100.0  # beats
CLEAN = 0.1  # the power that noise is compared with, as a share of the complex's: about what clean beats leave


class Compared(NamedTuple):
    """Of beats (m,): what is left of the complex, and how much larger noise makes such an error, 1 without noise."""

    residual: Float32
    noise: Float32


class Qrs:
    """The usual QRS complex of every stream. Signals have `points` values, evenly spaced, the R-peak at `peak`.

    `step` is the time between two of them, s.
    """

    def __init__(self, points: int, peak: float, step: float) -> None:
        self._fast, self._slow = FAST / step, SLOW / step
        middle, self._slide = round(peak), max(1, round(SLIDE / step))
        self._first = max(middle - round(BEFORE / step), self._slide)
        self._end = min(middle + round(AFTER / step) + 1, points - self._slide)
        complex_ = (np.float64, (max(self._end - self._first, 1),), 0.0)
        self._columns = Columns({"complex": complex_, "learned": (np.int64, (), 0)})
        self.dtype = self._columns.dtype
        self.dump, self.load = self._columns.dump, self._columns.load
        self.clear, self.grow = self._columns.clear, self._columns.grow

    def compare(self, stream: Int32, signal: Float32, beside: Float64, learnable: Bool) -> Compared:
        """Signals (m, points) sorted by stream and time, `beside` whose complexes the band has this spread; NaN = 0.

        The residual is NaN where any value is none, or where no complex is known yet. Beats that are `learnable` are
        learned from after they are compared.
        """
        from scipy.ndimage import gaussian_filter1d  # slow to import: not where no beats are found

        out, column = Compared(*np.full((2, len(stream)), np.nan, np.float32)), self._columns
        out.noise[:] = 1
        fast, slow = (
            gaussian_filter1d(signal.astype(np.float64), sigma, axis=1, mode="nearest")
            for sigma in (self._fast, self._slow)
        )
        with np.errstate(invalid="ignore"):  # infinity less infinity is NaN, which is left out
            beats = _Beats(stream, fast - slow, np.nan_to_num(beside), learnable)
        _follow(beats, (self._first, self._slide), (column["complex"], column["learned"]), out)
        return out


class _Beats(NamedTuple):
    stream: Int32
    band: Float64
    beside: Float64
    learnable: Bool


@compiled
def _follow(beats: _Beats, at: tuple[int, int], past: tuple[Float64, Int64], out: Compared) -> None:
    (first, slide), (complex_, learned), band = at, past, beats.band
    size = complex_.shape[1]
    for row in range(len(beats.stream)):
        of, usual = beats.stream[row], complex_[beats.stream[row]]
        if not np.isfinite(band[row]).all():
            continue
        best, place = np.inf, first
        power = 0.0
        for i in range(size):
            power += usual[i] * usual[i]
        if learned[of] and power > 0:
            for begin in range(first - slide, first + slide + 1):
                residual = _residual(band[row], begin, usual, power)
                if residual < best:
                    best, place = residual, begin
            best = math.sqrt(best)
            out.residual[row] = best
            out.noise[row] = math.sqrt(1 + size * beats.beside[row] * beats.beside[row] / power / CLEAN)
        if beats.learnable[row] and (learned[of] < ALWAYS or best <= LEARNED):
            learned[of] += 1
            _learn(band[row], place, usual, min(learned[of], MEMORY))


@compiled
def _residual(band: Float64, begin: int, usual: Float64, power: float) -> float:
    """What is left of the band's power from `begin` on beside a scaled `usual`, which has this power and mean 0."""
    mean = product = total = 0.0
    for i in range(len(usual)):
        value = band[begin + i]
        mean += value
        product += value * usual[i]
        total += value * value
    total -= mean * mean / len(usual)
    scale = min(max(product / power, LEAST), MOST)
    return max(total - 2 * scale * product + scale * scale * power, 0.0) / power


@compiled
def _learn(band: Float64, begin: int, usual: Float64, count: float) -> None:
    mean = 0.0
    for i in range(len(usual)):
        mean += band[begin + i]
    mean /= len(usual)
    for i in range(len(usual)):
        usual[i] += (band[begin + i] - mean - usual[i]) / count
