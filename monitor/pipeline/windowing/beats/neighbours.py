"""How alike the QRS complexes before and after an early beat are.

Noise that was taken for a beat lies between two of the same kind. An ectopic beat does so as well where it comes after
each normal one, but the next one is late then. So two intervals that are together one expected one, and two complexes
alike, say that what lies between them is none; the second of a pair of ectopic beats is not like what was before the
first one, and noise in the pause behind an ectopic beat is like nothing.

The measure is the correlation of the two complexes in the band in which they are compared, at the best of the places to
which noise may have moved the second one's R-peak.
"""

from __future__ import annotations

import numpy as np

from monitor.pipeline.windowing.beats.chunks import Chunk
from monitor.pipeline.windowing.beats.found import Found
from monitor.pipeline.windowing.beats.prominence import FAST, SLOW, WITHIN
from monitor.records.batches import Float64, Int64

CUT = (-0.25, 0.2)  # s around an R-peak; so much is known of the next beat when it is found
SLIDE = 0.023  # s


class Neighbours:
    """For samples at `rate` Hz, of which at least `kept` before those that a beat needed are still there."""

    def __init__(self, rate: float, kept: int) -> None:
        self._rate, self._kept = rate, kept
        self._span = np.arange(round(CUT[0] * rate), round(CUT[1] * rate) + 1)
        self._slide = max(1, round(SLIDE * rate))
        first, end = (int(np.searchsorted(self._span, round(edge * rate))) for edge in WITHIN)
        self._first, self._end = max(first, self._slide), min(end + 1, len(self._span) - self._slide)

    def alike(self, chunk: Chunk, found: Found, after: Float64, needed: Int64) -> Float64:
        """Correlation (m,), -1 to 1, of the complexes before and after beats that the next one follows `after` s later.

        Each needed so many samples of its stream. NaN where there is no next beat, none before, or that one lies too
        far back; of flat lines 0.
        """
        out = np.full(len(found.row), np.nan)
        before = found.peak - np.nan_to_num(np.round(found.interval * self._rate)).astype(np.int64)
        known = ~np.isnan(after) & ~np.isnan(found.interval) & (before + self._span[0] >= needed - self._kept)
        rows = np.flatnonzero(known)
        if len(rows):
            next_ = found.peak[rows] + np.round(after[rows] * self._rate).astype(np.int64)
            out[rows] = self._correlation(*(self._band(chunk, found.row[rows], peak) for peak in (before[rows], next_)))
        return out

    def _band(self, chunk: Chunk, row: Int64, peak: Int64) -> Float64:
        """What lies around R-peaks (k,), in the band of complexes, (k, points)."""
        from scipy.ndimage import gaussian_filter1d  # slow to import: not where no beats are found

        signal = chunk.values[row[:, None], (peak - chunk.origin[row])[:, None] + self._span].astype(np.float64)
        sigmas = (FAST * self._rate, SLOW * self._rate)
        fast, slow = (gaussian_filter1d(signal, sigma, axis=1, mode="nearest") for sigma in sigmas)
        return np.asarray(fast - slow)

    def _correlation(self, one: Float64, other: Float64) -> Float64:
        """Of the complexes in two bands (k, points), the second one slid to the best place, (k,)."""
        best, unit = np.full(len(one), -1.0), _unit(one[:, self._first : self._end])
        for slide in range(-self._slide, self._slide + 1):
            slid = _unit(other[:, self._first + slide : self._end + slide])
            best = np.fmax(best, (unit * slid).sum(axis=1))
        return best


def _unit(complex_: Float64) -> Float64:
    """Without its mean, and of length 1; all 0 where it is flat or absurd."""
    with np.errstate(all="ignore"):
        complex_ = complex_ - complex_.mean(axis=1, keepdims=True)
        complex_ /= np.sqrt(np.square(complex_).sum(axis=1, keepdims=True))
    return np.nan_to_num(complex_, nan=0.0, posinf=0.0, neginf=0.0)
