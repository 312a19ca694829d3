"""Noise of the kinds of the MIT-BIH noise stress test, simulated, added to an ECG at a ratio that is stated.

(G. B. Moody, W. E. Muldrow, R. G. Mark, "A noise stress test for arrhythmia detectors", Computers in Cardiology 11,
1984.) As there, noise begins behind the learned part and comes in every other two minutes, and the signal's power is an
eighth of the square of the usual peak-to-peak height of a QRS complex. `mixed` is harder: bursts of everything for a
third of the time, in the learned part too, so that the model, the limits and the rhythm begin in noise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import butter, sosfiltfilt

from monitor.records.batches import Bool, Float64, Int64

LEARNED, TURN = 300, 120  # s
QRS: Final = 0.05  # s on both sides of an R-peak
DECIBELS: Final = (24, 18, 12, 6, 0)

Rng = np.random.Generator


def wander(count: int, rate: float, rng: Rng) -> Float64:
    """Breath and the drift of an electrode: below 1 Hz, the slower the stronger."""
    slow, fast = (_unit(gaussian_filter1d(rng.standard_normal(count), sigma * rate)) for sigma in (1.0, 0.2))
    breath = np.sin(2 * np.pi * 0.25 * np.arange(count) / rate + rng.uniform(0, 6) + 0.5 * slow)
    return _unit(slow + 0.7 * breath + 0.25 * fast)


def muscle(count: int, rate: float, rng: Rng) -> Float64:
    """Tremor of 5 to 90 Hz, flat from 15 Hz on, that swells and fades, and a little wander beside it."""
    high = min(90.0, 0.45 * rate)
    wide = butter(2, (15.0, high), "band", fs=rate, output="sos")
    low = butter(2, (5.0, 15.0), "band", fs=rate, output="sos")
    white = rng.standard_normal((2, count))
    tremor = _unit(sosfiltfilt(wide, white[0])) + 0.4 * _unit(sosfiltfilt(low, white[1]))
    swell = np.exp(0.6 * _unit(gaussian_filter1d(rng.standard_normal(count), 0.5 * rate)))
    return _unit(_unit(tremor * swell) + 0.3 * wander(count, rate, rng))


def electrode(count: int, rate: float, rng: Rng) -> Float64:
    """An electrode that moves: about one step or bump a second, some as wide as a beat, and wander up to 2 Hz."""
    jumps = np.zeros(count)
    for at in np.flatnonzero(rng.random(count) < 1 / rate).tolist():
        wide, decay = rng.uniform(0.02, 0.08) * rate, rng.uniform(0.05, 0.4) * rate
        length = np.arange(min(int(2 * rate), count - at))
        bump = np.exp(-0.5 * np.square(length / wide - 3)) if rng.random() < 0.5 else np.exp(-length / decay)
        jumps[at : at + len(length)] += rng.normal() * bump
    drift = _unit(gaussian_filter1d(rng.standard_normal(count), 0.08 * rate))
    return _unit(drift + _unit(gaussian_filter1d(jumps, 0.012 * rate)))


def mixed(count: int, rate: float, rng: Rng) -> Float64:
    """All three at once."""
    return _unit(electrode(count, rate, rng) + 0.5 * muscle(count, rate, rng) + 0.7 * wander(count, rate, rng))


KINDS: Final[dict[str, Callable[[int, float, Rng], Float64]]] = {
    "wander": wander, "muscle": muscle, "electrode": electrode, "mixed": mixed,
}  # fmt: skip


def when(kind: str, count: int, rate: float, rng: Rng) -> Bool:
    """Where noise of this kind is added: every other two minutes, or bursts of 10 to 60 s for a third of the time."""
    second = np.arange(count) / rate
    if kind != "mixed":
        return np.asarray((second >= LEARNED) & ((second - LEARNED) % (2 * TURN) < TURN))
    on, at = np.zeros(count, bool), rng.uniform(20, 120)
    while at < count / rate:
        length = rng.uniform(10, 60)
        on |= (second >= at) & (second < at + length)
        at += length + rng.uniform(20, 120)
    return on


def noisy(lead: Float64, marks: Int64, rate: int, kind: str, decibel: float, seed: int) -> tuple[Float64, Bool]:
    """The lead with noise at so many dB, and where it was added, (n,) each."""
    rng = np.random.default_rng([seed, list(KINDS).index(kind)])
    reach = round(QRS * rate)
    around = marks[(marks >= reach) & (marks < len(lead) - reach)][:, None] + np.arange(-reach, reach + 1)
    power = np.square(np.median(np.ptp(lead[around], axis=1))) / 8
    noise, on = KINDS[kind](len(lead), rate, rng), when(kind, len(lead), rate, rng)
    return lead + noise * on * np.sqrt(power * 10 ** (-decibel / 10)), on


def _unit(noise: Float64) -> Float64:
    return np.asarray((noise - noise.mean()) / noise.std())
