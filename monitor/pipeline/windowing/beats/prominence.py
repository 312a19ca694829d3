"""Beats that do not stand out of the signal around them: noise was taken for them, or has buried them.

The measure is the signal-to-noise ratio of the one beat, in the band of a QRS complex, about 4 to 13 Hz: its standard
deviation around the R-peak ÷ the root mean square of the rest of the beat's window. P and T waves are slower, so that
it is about 4 in a clean signal, for normal beats as for ectopic ones; what tremor and electrodes make is no larger than
what they make beside it.

The rest holds no other QRS complex: it goes as far back as the beat before, and as far on as the next one or, where
that is not known yet, as the earliest beat could come. A heart that races leaves nothing to compare with.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from monitor.pipeline.windowing.beats.quality import LEARNED
from monitor.records.batches import Bool, Float32, Float64

LEAST = 1.5  # prominence from which a beat is judged
FAST, SLOW = 0.012, 0.04  # s, standard deviations of the two filters between which the band lies
WITHIN = (-0.08, 0.1)  # s around the R-peak: the QRS complex
BESIDE = (-0.1, 0.15)  # s around an R-peak: beyond lies the rest
EARLIEST = 0.6  # share of an interval before which no next beat comes
SHORTEST = 0.05  # s of the rest that are compared at least


class Spreads(NamedTuple):
    """Of beats (m,), in the band of a QRS complex, in the unit of the signal.

    `complex` is the standard deviation of what lies around the R-peak, `beside` the root mean square of the rest; NaN
    where less than `SHORTEST` of it is left.
    """

    complex: Float64
    beside: Float64


def spreads(signal: Float32, at: Float64, interval: Float64, after: Float64) -> Spreads:
    """By `signal` (m, points) at evenly spaced moments `at`, s from the R-peak, and the intervals (m,), s."""
    from scipy.ndimage import gaussian_filter1d  # slow to import: not where no beats are found

    values, step = signal.astype(np.float64), at[1] - at[0]
    fast, slow = (gaussian_filter1d(values, sigma / step, axis=1, mode="nearest") for sigma in (FAST, SLOW))
    rest = _rest(at, interval, after)
    with np.errstate(all="ignore"):  # of absurd values; what is not a number stands out
        band = fast - slow
        complex_ = band[:, slice(*np.searchsorted(at, WITHIN))].std(axis=1)
        beside = np.sqrt((band * band * rest).sum(axis=1) / rest.sum(axis=1))
    beside[rest.sum(axis=1) * step < SHORTEST] = np.nan
    return Spreads(complex_, beside)


def buried(spread: Spreads, share: Float64) -> Bool:
    """Which beats (m,) do not stand out.

    Only those in a signal that is not quiet, by its `share` of noise (see `quality`): the others are sure to be beats.
    """
    return np.asarray((share > LEARNED) & (spread.complex < LEAST * spread.beside))


def _rest(at: Float64, before: Float64, after: Float64) -> Bool:
    """Where (m, points) there is neither the beat's QRS complex nor another one, by the intervals (m,), s."""
    after = np.where(np.isnan(after), EARLIEST * before, after)
    back, on = before - BESIDE[1], after + BESIDE[0]  # the others' complexes take as much as this one
    left = (at < BESIDE[0]) & ~(at < -back[:, None])  # no bound where no interval is known
    return np.asarray(left | (at > BESIDE[1]) & ~(at > on[:, None]))
