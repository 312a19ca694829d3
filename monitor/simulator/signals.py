"""What healthy sensors measure. Every generator is a function of its arguments and a seeded `rng` only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor.records.batches import Bool, Float64, Int64

Rng = np.random.Generator

DAY = 86_400.0  # s


@dataclass(frozen=True, slots=True)
class Wave:
    """One wave of a heartbeat: a Gaussian at `at` s from the R-peak, `width` s (std), `height` mV."""

    at: float
    width: float
    height: float


# P, Q, R, S and T of McSharry et al. (2003), table 1: angles as seconds at 60 beats a minute; heights a·b², R = 1 mV.
NORMAL_BEAT = (
    Wave(-1 / 6, 0.0398, 0.25),
    Wave(-1 / 24, 0.0159, -0.17),
    Wave(0.0, 0.0159, 1.0),
    Wave(1 / 24, 0.0159, -0.25),
    Wave(1 / 4, 0.0637, 0.4),
)
# A ventricular beat: no P wave, a wide QRS complex, and a T wave against its direction.
PREMATURE_BEAT = (
    Wave(-0.01, 0.042, 1.25),
    Wave(0.11, 0.04, -0.35),
    Wave(0.3, 0.075, -0.45),
)


def machine_temperature(seconds: Float64, rng: Rng) -> Float64:
    """Temperature of one machine in °C at `seconds` since 1970, (n,).

    A base of 55 to 75 °C; load cycles of 6 to 12 °C that warm up and cool down with a thermal time constant; a daily
    rhythm; a drift over many days; sensor noise. The machine's own numbers come from `rng`, so each machine differs.
    """
    base, swing, daily, drift = rng.uniform(55, 75), rng.uniform(6, 12), rng.uniform(1, 3), rng.uniform(0.5, 2)
    period, load, lag = rng.uniform(1200, 2400), rng.uniform(0.45, 0.65), rng.uniform(150, 300)
    phase = rng.uniform(0, 1, 3)
    cycles = seconds / period + phase[0] + 0.3 * np.sin(2 * np.pi * (seconds / (9 * period) + phase[1]))
    daytime = np.sin(2 * np.pi * (seconds / DAY - 0.375))  # warmest at 15:00 UTC
    drifting = np.sin(2 * np.pi * (seconds / (11 * DAY) + phase[2]))
    noise = rng.normal(0, 0.15, len(seconds))
    values: Float64 = base + daily * daytime + drift * drifting + noise
    values += swing * _load_cycle(cycles % 1, load, period / lag)
    return values


def _load_cycle(position: Float64, load: float, speed: float) -> Float64:
    """Steady state of a first-order body heated for the first `load` of each cycle; `speed` = period / time constant.

    Runs between 0 and 1; the two exponentials meet at both switches.
    """
    start = (1 - np.exp(-(1 - load) * speed)) / (1 - np.exp(-speed))  # distance to 1 when heating begins
    top = 1 - start * np.exp(-load * speed)
    heating = 1 - start * np.exp(-position * speed)
    cooling = top * np.exp(-(position - load) * speed)
    return np.asarray(np.where(position < load, heating, cooling))


def heartbeats(duration: float, rng: Rng) -> Float64:
    """R-peak times in seconds from 0 on, covering `duration` and a beat on either side.

    A resting rate of 55 to 80 a minute, varied by the two rhythms of McSharry et al. (2003): blood pressure (0.1 Hz)
    and breathing (0.25 Hz), and by chance.
    """
    mean = 60 / rng.uniform(55, 80)
    count = int(duration / mean * 1.1) + 8
    about, phase = np.arange(count) * mean, rng.uniform(0, 2 * np.pi, 2)
    rhythm = 0.02 * np.sin(0.2 * np.pi * about + phase[0]) + 0.03 * np.sin(0.5 * np.pi * about + phase[1])
    gaps = mean * (1 + rhythm + np.clip(rng.normal(0, 0.01, count), -0.03, 0.03))
    peaks: Float64 = np.cumsum(gaps) - rng.uniform(1, 2) * mean
    return peaks[: int(np.searchsorted(peaks, duration)) + 1]


def ecg(seconds: Float64, peaks: Float64, premature: Bool, rng: Rng) -> Float64:
    """One lead in mV at `seconds`, (n,), with R-peaks at `peaks`; those marked `premature` are ventricular beats.

    Each beat is a sum of Gaussians (McSharry, Clifford, Tarassenko and Smith, "A dynamical model for generating
    synthetic electrocardiogram signals", IEEE Trans. Biomed. Eng. 50(3), 2003), in seconds around its own R-peak, so
    that changing a beat changes nothing beyond its two neighbours. Baseline wander and noise come on top.
    """
    height, breathing, phase = rng.uniform(0.8, 1.4), rng.uniform(0.2, 0.3), rng.uniform(0, 2 * np.pi, 2)
    wander = 0.04 * np.sin(2 * np.pi * breathing * seconds + phase[0]) + 0.03 * np.sin(0.1 * np.pi * seconds + phase[1])
    noise = rng.normal(0, 0.015, len(seconds))
    before = np.clip(np.searchsorted(peaks, seconds, side="right") - 1, 0, len(peaks) - 1)
    after = np.minimum(before + 1, len(peaks) - 1)
    values: Float64 = wander + noise
    values += height * _beat(seconds, before, peaks, premature)
    values += height * np.where(after > before, _beat(seconds, after, peaks, premature), 0.0)
    return values


def _beat(seconds: Float64, beat: Int64, peaks: Float64, premature: Bool) -> Float64:
    """What beat number `beat` of each sample adds to it, (n,)."""
    distance, wide = seconds - peaks[beat], premature[beat]
    total = _waves(distance, NORMAL_BEAT)
    if wide.any():
        total[wide] = _waves(distance[wide], PREMATURE_BEAT)
    return total


def _waves(distance: Float64, waves: tuple[Wave, ...]) -> Float64:
    total = np.zeros(len(distance))
    for wave in waves:
        total += wave.height * np.exp(-0.5 * ((distance - wave.at) / wave.width) ** 2)
    return total


def cut_beats(seconds: Float64, values: Float64, peaks: Float64, length: int) -> Float64:
    """Every beat as a vector, (len(peaks), length): from 0.25 s before its R-peak to 0.45 s after it, interpolated.

    A beat that touches a missing sample, or reaches beyond the recording, is all NaN.
    """
    at = peaks[:, None] + np.linspace(-0.25, 0.45, length)
    beats = np.interp(at, seconds, values)  # a NaN sample makes its neighbourhood NaN
    lost = np.isnan(beats).any(axis=1) | (at[:, 0] < seconds[0]) | (at[:, -1] > seconds[-1])
    beats[lost] = np.nan
    return beats
