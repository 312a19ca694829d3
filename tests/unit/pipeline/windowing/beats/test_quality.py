"""Beats in a signal too noisy to judge them have no values, at any rate of the heart; others keep theirs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from monitor.pipeline.windowing.beats.quality import MOST
from monitor.pipeline.windowing.beats.windower import BeatWindower
from monitor.records.batches import Bool, Float64
from monitor.simulator.signals import ecg
from tests.benchmarks.quality.noisy_ecg import muscle
from tests.ecg import LENGTH, Found, find, gridded, lead, matched, times

RATE = 250.0


def motion(count: int, seed: int) -> Float64:
    """What an electrode that moves adds, of spread 1: slower than muscles, faster than breath."""
    rng = np.random.default_rng(seed)
    noise = gaussian_filter1d(rng.standard_normal(count), 3)
    return np.asarray(noise / noise.std())


def judged(found: Found) -> Bool:
    return np.asarray(~np.isnan(found.windows.values).any(axis=(1, 2)))


@pytest.mark.parametrize("bpm", [40, 60, 70, 100, 120, 140, 160, 180, 200, 220])
@pytest.mark.parametrize("rate", [125.0, 250.0, 360.0])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_clean_lead_is_judged_throughout(bpm: float, rate: float, seed: int) -> None:
    signal, _ = lead(60, rate, bpm, np.random.default_rng(seed), premature=0.05)

    assert judged(find(signal, rate)).all()


@pytest.mark.parametrize("bpm", [120, 180, 220])
def test_a_ventricular_tachycardia_is_no_noise(bpm: float) -> None:
    at, peaks = np.arange(int(40 * RATE)) / RATE, np.arange(0.4, 40, 60 / bpm)
    wide = ecg(at, peaks, np.ones(len(peaks), bool), np.random.default_rng(2))

    found = find(wide, RATE)

    assert judged(found)[found.windows.end > 5e9].all()


def test_beats_in_a_burst_of_noise_are_not_judged_and_those_around_it_are() -> None:
    signal, _ = lead(90, RATE, 70, np.random.default_rng(3))
    burst = slice(int(40 * RATE), int(60 * RATE))
    signal[burst] += 0.8 * motion(len(signal), 4)[burst]

    found = find(signal, RATE)
    second, known = found.windows.end / 1e9, judged(found)

    assert known[(second < 39) | (second > 63)].all()
    assert known[(second > 42) & (second < 60)].mean() < 0.2
    assert (found.beats.share[~known] > MOST).mean() > 0.9  # the others do not stand out


def test_half_of_the_beats_that_tremor_makes_are_not_judged_and_hardly_any_other() -> None:
    rate, false, true, judged_false, judged_true = 250.0, 0, 0, 0, 0
    for seed in (1, 3):
        signal, peaks = lead(180, rate, 70, np.random.default_rng(seed), premature=0.1)
        found = find(signal + 0.25 * muscle(len(signal), rate, np.random.default_rng(seed + 50)), rate)
        quiet, known = ~(found.beats.share > MOST), judged(found)
        partner = matched(peaks, found.windows.end / 1e9)
        real = np.isin(np.arange(len(known)), partner)
        false, judged_false = false + (~real & quiet).sum(), judged_false + (~real & known).sum()
        true, judged_true = true + (real & quiet).sum(), judged_true + (real & known).sum()

    assert false >= 20
    assert judged_false <= 0.6 * false
    assert judged_true >= 0.97 * true


def test_the_level_is_in_the_unit_of_the_signal() -> None:
    signal, _ = lead(30, RATE, 70, np.random.default_rng(5))

    small, large = find(signal, RATE).beats, find(signal * 1000, RATE).beats

    np.testing.assert_allclose(large.noise, small.noise * 1000, rtol=1e-3)
    np.testing.assert_allclose(large.share, small.share, rtol=1e-3)


def test_beats_in_noise_are_not_learned_from() -> None:
    signal, _ = lead(120, RATE, 60, np.random.default_rng(6))
    signal[int(50 * RATE) : int(70 * RATE)] += 0.25 * motion(int(20 * RATE), 7)
    windower = BeatWindower(LENGTH, RATE, None)

    learned = windower.cut_history(signal.astype(np.float32)[:, None], times(len(signal), RATE), 1000)
    second = learned.end / 1e9

    assert ((second > 53) & (second < 69)).sum() <= 3
    assert ((second < 50) | (second > 73)).sum() >= 90
    assert np.isfinite(learned.windows).all()


def test_a_state_of_the_version_before_is_read_on() -> None:
    """It lacks the envelope: beats go on at once, and noise is known again after two seconds."""
    signal, _ = lead(60, RATE, 70, np.random.default_rng(8))
    values, slot, half = signal.astype(np.float32), times(len(signal), RATE), int(30 * RATE)
    one = np.zeros(1, np.int64)
    windower = BeatWindower(LENGTH, RATE, None)
    windower.grow(1)
    windower.add(gridded(values[:half], slot[:half]))
    saved = windower.dump(one)
    (earlier,) = windower.earlier
    old = np.zeros(1, earlier)
    for name in earlier.names or ():
        old[name] = saved[name]

    resumed = BeatWindower(LENGTH, RATE, None)
    resumed.grow(1)
    resumed.load(one, old)
    windower.load(one, saved)
    rest = gridded(values[half:], slot[half:], half)
    expected, found = windower.add(rest), resumed.add(rest)

    assert found.end.tobytes() == expected.end.tobytes()
    assert found.values.tobytes() == expected.values.tobytes()
    assert np.isnan(resumed.beats.share[0])
    assert not np.isnan(resumed.beats.share[4:]).any()
