"""From samples to places that may be heartbeats. Every filter is symmetric and finite: no state, no phase shift.

*Height*, the envelope of a quadrature pair: first and second derivative of a Gaussian, about 5 to 20 Hz, where the QRS
complex is strongest against T waves, wander and muscle noise (a wavelet view as in Martínez et al., "A wavelet-based
ECG delineator", IEEE Trans. Biomed. Eng. 51(4), 2004); smoothed over 100 ms, as Pan and Tompkins integrate. It has one
hump for each beat of whatever shape and polarity. A candidate is the top of a hump, the highest within 200 ms on both
sides (Hamilton, "Open source ECG analysis", Computers in Cardiology, 2002).

All numbers are a function of the samples around them alone, computed in the same order of operations wherever these
stand in an array: they are equal to the bit however the samples were cut into batches.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from monitor.records.batches import Bool, Float64, Int64

SIGMA = 0.014  # s, of the derivatives
SMOOTH = 0.05  # s, half the width over which the envelope is smoothed
APART = 0.2  # s, the heart's refractory period: a lower hump this close is part of the beat
STEEP = 0.012  # s, half the width over which a slope is fitted
BESIDE = 0.06  # s, from a candidate to its steepest slope
LIGHT = 0.006  # s, standard deviation of the filter under which the R-peak is the extremum
SEARCH = 0.07  # s, from a candidate to its R-peak


class Candidates(NamedTuple):
    """Humps in order of row and column, all (n,). `up` and `down` are what the R-peak may be: how far the signal
    goes from its median there, and `up_at`, `down_at` in which column."""

    row: Int64
    column: Int64
    height: Float64
    slope: Float64
    up: Float64
    up_at: Int64
    down: Float64
    down_at: Int64


class Finder:
    """Finds candidates in samples at `rate` Hz. `margin` samples on both sides of a candidate decide about it.

    An R-peak above the threshold is found when `latest` samples behind it are known.
    """

    def __init__(self, rate: float) -> None:
        self._first, self._second = _derivatives(SIGMA * rate)
        half = max(1, round(SMOOTH * rate))
        self._smooth = np.hanning(2 * half + 3)[1:-1] / (half + 1)
        self._apart = round(APART * rate)
        reach = max(1, round(STEEP * rate))
        steps = np.arange(-reach, reach + 1)
        self._steep = steps / np.square(steps).sum()
        self._beside, self._search = round(BESIDE * rate), round(SEARCH * rate)
        self._light = _gaussian(LIGHT * rate)
        self.margin = len(self._first) // 2 + half + self._apart
        self.latest = self.margin + self._search + 1

    def heights(self, samples: Float64) -> Float64:
        """The envelope of `samples` (streams, n), the same shape."""
        from scipy.ndimage import correlate1d  # slow to import: not where no beats are found

        first, second = correlate1d(samples, self._first), correlate1d(samples, self._second)
        return np.asarray(correlate1d(np.sqrt(first * first + second * second), self._smooth))

    def find(self, samples: Float64, height: Float64, decidable: Bool) -> Candidates:
        """Candidates in `samples` (streams, n) with that envelope where `decidable`.

        There are `margin` columns on both sides of these.
        """
        from scipy.ndimage import correlate1d, maximum_filter1d

        top = (height == maximum_filter1d(height, 2 * self._apart + 1, axis=1)) & decidable
        top[:, 1:] &= height[:, 1:] > height[:, :-1]
        row, column = np.nonzero(top)
        near = samples[row[:, None], column[:, None] + np.arange(-self._apart, self._apart + 1)]
        slope = np.abs(correlate1d(near, self._steep))[:, self._apart - self._beside : self._apart + self._beside + 1]
        peak = correlate1d(near, self._light) - np.median(near, axis=1)[:, None]
        peak = peak[:, self._apart - self._search : self._apart + self._search + 1]
        up_at, down_at = peak.argmax(axis=1), peak.argmin(axis=1)
        each = np.arange(len(row))
        return Candidates(
            row, column, height[row, column], slope.max(axis=1, initial=0.0),
            peak[each, up_at], column - self._search + up_at,
            -peak[each, down_at], column - self._search + down_at,
        )  # fmt: skip


def _gaussian(sigma: float) -> Float64:
    reach = max(1, round(4 * sigma))
    bell = np.exp(-0.5 * np.square(np.arange(-reach, reach + 1) / sigma))
    return np.asarray(bell / bell.sum())


def _derivatives(sigma: float) -> tuple[Float64, Float64]:
    """First and second derivative of a Gaussian: no answer to a constant, equal answers to white noise."""
    reach = round(4 * sigma)
    at = np.arange(-reach, reach + 1) / sigma
    bell = np.exp(-0.5 * at * at)
    first, second = -at * bell, (at * at - 1) * bell
    second -= second.mean()
    return first / np.linalg.norm(first), second / np.linalg.norm(second)
