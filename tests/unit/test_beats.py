"""Heartbeats in simulated ECG with known R-peaks, and what a window of one holds."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.aligner import Aligner
from monitor.beats.windower import AFTER, BEFORE, BeatWindower, cover, whole_beats
from monitor.errors import SettingsError
from monitor.records import Float64
from monitor.settings import parse
from tests.ecg import LENGTH, find, gridded, lead, matched, times, with_noise

RATE = 250.0


def rates(signal: Float64, marks: Float64, rate: float = RATE) -> tuple[float, float, Float64]:
    """Sensitivity, positive predictivity and position errors (s), between the first second and the last one."""
    found = find(signal, rate).windows.end / 1e9
    last = len(signal) / rate - 1
    partner = matched(marks, found)
    inside, inside_found = (marks > 1) & (marks < last), (found > 1) & (found < last)
    hit = partner >= 0
    true = np.isin(np.arange(len(found)), partner)
    error = np.abs(found[partner[hit]] - marks[hit])
    return float(hit[inside].mean()), float(true[inside_found].mean()), error


@pytest.mark.parametrize("bpm", [40, 60, 90, 120, 180])
@pytest.mark.parametrize("decibel", [None, 10])
def test_beats_of_simulated_leads_are_found(bpm: int, decibel: float | None) -> None:
    """At least 99.5 % of clean ones and 98 % at 10 dB, with wander, at every rate."""
    rng = np.random.default_rng(bpm)
    signal, marks = lead(240, RATE, bpm, rng)
    signal += 0.5 * np.sin(2 * np.pi * 0.25 * np.arange(len(signal)) / RATE)
    if decibel is not None:
        signal = with_noise(signal, decibel, rng)

    sensitivity, predictivity, error = rates(signal, marks)

    assert min(sensitivity, predictivity) >= (0.995 if decibel is None else 0.98)
    assert np.percentile(error, 95) < 0.02


@pytest.mark.parametrize("gain", [-1.0, 0.02, 200.0], ids=["upside down", "small", "converter counts"])
def test_polarity_and_scale_do_not_matter(gain: float) -> None:
    signal, marks = lead(120, RATE, 75, np.random.default_rng(1), premature=0.08)

    sensitivity, predictivity, error = rates(signal * gain + 5 * abs(gain), marks)

    assert min(sensitivity, predictivity) >= 0.99
    assert np.percentile(error, 90) < 0.03


def test_smaller_beats_are_found_again() -> None:
    """The amplitude falls to a third at once, as when an electrode comes loose."""
    signal, marks = lead(120, RATE, 70, np.random.default_rng(2))
    half = len(signal) // 2
    signal[half:] /= 3

    found = find(signal, RATE).windows.end / 1e9
    partner = matched(marks, found)

    assert (partner[(marks > 68) & (marks < 119)] >= 0).all()


def test_a_beat_is_found_within_0_4_s_of_its_r_peak() -> None:
    signal, _ = lead(120, 360.0, 70, np.random.default_rng(3), premature=0.05)

    latency = find(signal, 360.0).beats.latency

    assert np.percentile(latency, 95) < 0.4


def test_a_window_shows_the_beat_and_how_premature_it_was() -> None:
    signal, _ = lead(120, RATE, 60, np.random.default_rng(4), premature=0.05)
    found = find(signal, RATE)
    values, end = found.windows.values[:, :, 0], found.windows.end
    drawn = LENGTH // 20 + 1
    points = LENGTH - drawn

    peak = np.abs(values[:, :points]).argmax(axis=1) / (points - 1) * (BEFORE + AFTER) - BEFORE
    step, early = values[:, -1], (found.beats.interval < 0.8) & (end > 6e9)  # it takes a few beats to know the rhythm

    assert np.median(np.abs(peak)) < 0.01
    assert (values[:, points:] == step[:, None]).all()
    assert early.sum() >= 3
    assert (step[early] > 0.2).all()
    assert (step[~early] < 0.15).all()
    assert np.diff(end).min() > 0
    assert (end - found.windows.start == BEFORE * 1e9).all()
    assert ((cover(found.windows.values) > 10) == early).all()


def test_streams_do_not_disturb_one_another() -> None:
    """Three leads of unlike length in one batch give what each gives alone."""
    grid, windower = Aligner(1, None), BeatWindower(LENGTH, RATE)
    windower.grow(3)
    leads = [
        lead(seconds, RATE, bpm, np.random.default_rng(bpm))[0].astype(np.float32)
        for seconds, bpm in ((30, 60), (7, 80), (30, 110))
    ]
    parts = [gridded(samples, times(len(samples), RATE), 0, stream) for stream, samples in enumerate(leads)]
    columns = [
        np.concatenate([getattr(p, n) for p in parts]) for n in ("stream", "slot", "values", "imputed", "restart")
    ]

    together = windower.add(type(parts[0])(*columns), grid)

    for stream, samples in enumerate(leads):
        alone = find(samples, RATE).windows
        assert alone.values.tobytes() == together.values[together.stream == stream].tobytes()
        assert alone.end.tolist() == together.end[together.stream == stream].tolist()


def test_no_window_reaches_over_a_gap() -> None:
    signal, _ = lead(60, RATE, 70, np.random.default_rng(5))
    time = times(len(signal), RATE)
    time[len(time) // 2 :] += 5 * 10**9
    values = signal.astype(np.float32)[:, None]

    _, end = whole_beats(values, time, LENGTH, RATE, None)

    edge, after = time[len(time) // 2 - 1], time[len(time) // 2]
    assert ((end <= edge - AFTER * 1e9) | (end >= after + BEFORE * 1e9)).all()
    assert len(end) > 60


def test_missing_samples_count_as_filled_in() -> None:
    signal, _ = lead(30, RATE, 60, np.random.default_rng(6))
    signal[2190:2225] = np.nan  # the T wave of the beat at 8.54 s

    windows = find(signal, RATE).windows

    touched = np.abs(windows.end - 8.54e9) < 0.1e9
    assert windows.imputed[touched].tolist() == pytest.approx([35 / 176], abs=0.01)
    assert np.isfinite(windows.values).all()


@pytest.mark.parametrize("level", [0.0, 3.3])
def test_a_flat_line_has_no_beats(level: float) -> None:
    assert len(find(np.full(5000, level), RATE).windows) == 0


@pytest.mark.parametrize(
    ("window", "interval", "channels", "said"),
    [
        ({"kind": "beat", "length": 128}, "none", ["a"], "window.rate"),
        ({"kind": "beat", "length": 128, "rate": 360}, "4ms", ["a"], "window.rate"),
        ({"kind": "beat", "length": 128}, "1s", ["a"], "interval"),
        ({"kind": "beat", "length": "1s"}, "4ms", ["a"], "window.length"),
        ({"kind": "beat", "length": 128, "hop": 2}, "4ms", ["a"], "window.hop"),
        ({"kind": "beat", "length": 128}, "4ms", ["a", "b"], "channels"),
        ({"length": 128, "rate": 360}, "4ms", ["a"], "window.rate"),
    ],
)
def test_settings_that_make_no_sense_are_refused(
    window: dict[str, object], interval: str, channels: list[str], said: str
) -> None:
    family = {"topic": "t", "interval": interval, "channels": channels, "window": window}

    with pytest.raises(SettingsError, match=rf"families\.f\.{said}"):
        parse({"families": {"f": family}})
