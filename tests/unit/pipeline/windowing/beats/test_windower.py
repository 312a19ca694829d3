"""Heartbeats in simulated ECG with known R-peaks, and what a window of one holds."""

from __future__ import annotations

import numpy as np
import pytest

from monitor import bootstrap
from monitor.config.families import Family
from monitor.config.settings import parse
from monitor.errors import SettingsError
from monitor.pipeline.windowing.beats.windower import AFTER, BEFORE, BeatWindower
from monitor.records.batches import Float64, Readings
from monitor.records.counters import GRID
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
@pytest.mark.parametrize("premature", [0.0, 0.08])
def test_beats_of_simulated_leads_are_found(bpm: int, decibel: float | None, premature: float) -> None:
    """At least 99.5 % of clean ones and 98 % at 10 dB, with wander and ectopic beats, at every rate."""
    rng = np.random.default_rng(bpm)
    signal, marks = lead(240, RATE, bpm, rng, premature=premature)
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
    assert ((BeatWindower.cold_start(found.windows.values) > 10) == early).all()


def test_an_early_beat_is_not_emitted_before_the_next_one_would_be_late() -> None:
    signal, _ = lead(120, RATE, 60, np.random.default_rng(4), premature=0.05)
    found = find(signal, RATE)
    end = found.windows.end / 1e9
    early = (found.beats.interval < 0.8) & (end > 6)  # it takes a few beats to know the rhythm

    assert early.sum() >= 3
    assert np.isnan(found.beats.next[end > 6]).all()  # a pause follows each
    at = int(np.flatnonzero(early)[1])
    known = find(signal[: int((end[at] + 0.5) * RATE)], RATE).windows.end / 1e9
    assert known[-1] == end[at - 1]


def test_streams_do_not_disturb_one_another() -> None:
    """Three leads of unlike length in one batch give what each gives alone."""
    windower = BeatWindower(LENGTH, RATE)
    windower.grow(3)
    leads = [
        lead(seconds, RATE, bpm, np.random.default_rng(bpm))[0].astype(np.float32)
        for seconds, bpm in ((30, 60), (7, 80), (30, 110))
    ]
    parts = [gridded(samples, times(len(samples), RATE), 0, stream) for stream, samples in enumerate(leads)]
    columns = [
        np.concatenate([getattr(p, n) for p in parts]) for n in ("stream", "slot", "values", "imputed", "restart")
    ]

    together = windower.add(type(parts[0])(*columns))

    for stream, samples in enumerate(leads):
        alone = find(samples, RATE).windows
        assert alone.values.tobytes() == together.values[together.stream == stream].tobytes()
        assert alone.end.tolist() == together.end[together.stream == stream].tolist()


def test_no_window_reaches_over_a_gap() -> None:
    signal, _ = lead(60, RATE, 70, np.random.default_rng(5))
    time = times(len(signal), RATE)
    time[len(time) // 2 :] += 5 * 10**9
    values = signal.astype(np.float32)[:, None]

    end = BeatWindower(LENGTH, RATE).cut_history(values, time, len(time)).end

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


@pytest.mark.parametrize("behind", [0.30, 0.36, 0.42, 0.44])
def test_a_beat_that_is_known_is_cut_when_the_source_ends(behind: float) -> None:
    """The samples that will not come count as filled in, as the last one."""
    signal, marks = lead(30, RATE, 60, np.random.default_rng(7))
    mark = marks[-3]
    signal = signal[: round((mark + behind) * RATE) + 1]

    running, ended = find(signal, RATE).windows, find(signal, RATE, ended=True)

    assert abs(running.end[-1] / 1e9 - marks[-4]) < 0.02
    expected = [] if behind < 0.31 else [pytest.approx((AFTER - behind) / (BEFORE + AFTER), abs=0.02)]
    assert ended.windows.imputed[len(running) :].tolist() == expected
    if expected:
        assert abs(ended.windows.end[-1] / 1e9 - mark) < 0.02
        assert ended.beats.latency[-1] <= behind + 0.02
        assert ended.beats.interval[-1] == pytest.approx(mark - marks[-4], abs=0.02)


def test_a_stream_that_goes_on_after_its_end_begins_anew() -> None:
    signal, _ = lead(30, RATE, 60, np.random.default_rng(7))
    time, windower = times(len(signal), RATE), BeatWindower(LENGTH, RATE)
    windower.grow(1)
    ends = []
    for part in (slice(0, 3010), slice(3010, None)):
        windows = windower.finish(gridded(signal[part].astype(np.float32), time[part], 1))
        ends += windows.end.tolist()

    assert ends == sorted(set(ends))
    assert set(ends[:-1]) <= set(find(signal, RATE, ended=True).windows.end.tolist())


def test_what_is_kept_of_a_lead_is_small() -> None:
    """The samples of 2 s: 4 bytes each, and 4 more for their times where there is no grid; and their envelope."""
    for rate, interval, limit in ((360.0, 2_777_778, 4_000), (250.0, 4_000_000, 3_000), (360.0, None, 6_750)):
        assert BeatWindower(LENGTH, rate, interval).dtype.itemsize <= limit


def test_beats_on_a_grid_of_360_hz_are_those_without_one() -> None:
    """1/360 s is no whole number of ns: once in 9.6 hours a sample is one too many for the grid, as here after 10 s."""
    interval, signal = 2_777_778, lead(20, 360.0, 75, np.random.default_rng(10))[0].astype(np.float32)
    seconds = np.arange(40_000) * 10**9
    start = seconds[np.abs((seconds + interval // 2) % interval - 800) < 50][0]
    time, none = start + np.arange(len(signal)) * 10**9 // 360, np.zeros(len(signal), np.int32)
    readings = Readings(none, time, signal[:, None], none, none.astype(np.int64))
    ends = []
    for spacing in ({"interval": "none", "rate": 360}, {"interval": "2777778ns"}):
        window = {"kind": "beat", "length": LENGTH, "rate": spacing.get("rate")}
        family = Family.model_validate({"topic": "t", "interval": spacing["interval"], "window": window})
        pipeline = bootstrap.pipeline("ecg", family)
        pipeline.index.intern(["patient"])
        ends.append(pipeline.process(readings).scores.end)

    assert pipeline.counters(none[:1])[0, GRID.index("duplicate")] == 1
    assert pipeline.counters(none[:1])[0, GRID.index("imputed")] == 0
    assert len(ends[0]) > 20
    assert np.abs(ends[0] - ends[1]).max() <= 2 * interval


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
