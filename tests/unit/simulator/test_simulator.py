from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.errors import SettingsError
from monitor.records.batches import Bool, Float32, Float64, Int64
from monitor.simulator import faults, signals
from monitor.simulator.plant import HOUR, MINUTE, NEW_YEAR, SECOND, Batch, Plant
from monitor.simulator.truth import Fault, read_truth, write_truth

SHORT = 10 * MINUTE
FACTORY = Plant(seed=3, machines=7, ecgs=0, duration=24 * HOUR)
WARD = Plant(seed=3, machines=0, ecgs=2, duration=12 * MINUTE, ecg_form="samples")


def stream(batch: Batch, code: int) -> tuple[Int64, Float32]:
    """Times and values of one stream."""
    mine = batch.stream == code
    return batch.time[mine], batch.values[mine]


def changed(plant: Plant, code: int) -> Int64:
    """Times at which the plant differs from the same plant without faults."""
    time, values = stream(plant.feeds[0], code)
    healthy_time, healthy_values = stream(replace(plant, faults=False).feeds[0], code)
    there = np.isin(healthy_time, time)
    assert there.sum() == len(time)
    same = there.copy()
    same[there] = (healthy_values[there] == values).all(axis=1)
    return healthy_time[~same]


@pytest.mark.parametrize("plant", [FACTORY, WARD], ids=["temperature", "ecg"])
def test_truth_is_what_really_changed(plant: Plant) -> None:
    """Readings differ from the healthy run inside the truth and nowhere else, and each fault changes something."""
    for code, name in enumerate(plant.feeds[0].streams):
        spans = [fault for fault in plant.truth if fault.stream == name]
        differing = changed(plant, code)
        inside = [(differing >= span.start) & (differing <= span.end) for span in spans]

        assert spans
        assert all(mask.any() for mask in inside)
        assert np.logical_or.reduce(inside).all()


@pytest.mark.parametrize("plant", [FACTORY, WARD], ids=["temperature", "ecg"])
def test_faults_follow_a_clean_time_and_never_overlap(plant: Plant) -> None:
    assert min(fault.start for fault in plant.truth) > plant.start + plant.clean * plant.duration
    for name in plant.feeds[0].streams:
        spans = [fault for fault in plant.truth if fault.stream == name]
        assert all(one.end < other.start for one, other in pairwise(spans))


def test_every_kind_of_fault_occurs() -> None:
    kinds = {fault.kind for fault in FACTORY.truth} | {fault.kind for fault in WARD.truth}

    assert kinds == {*faults.INJECT, faults.PREMATURE_BEATS}


def test_no_faults_means_no_truth() -> None:
    assert replace(FACTORY, faults=False).truth == []


def test_equal_seeds_give_equal_plants_and_other_seeds_others() -> None:
    twin, other = Plant(seed=1, duration=SHORT), Plant(seed=2, duration=SHORT)
    again = Plant(seed=1, duration=SHORT)

    for feed, same, differs in zip(twin.feeds, again.feeds, other.feeds, strict=True):
        assert feed.values.tobytes() == same.values.tobytes()
        assert feed.time.tobytes() == same.time.tobytes()
        assert feed.values.tobytes() != differs.values.tobytes()
    assert twin.truth == again.truth


def test_a_stream_does_not_depend_on_its_neighbours() -> None:
    alone, crowd = Plant(machines=1, ecgs=0, duration=SHORT), Plant(machines=9, ecgs=1, duration=SHORT)

    time, values = stream(alone.feeds[0], 0)
    same_time, same_values = stream(crowd.feeds[0], 0)
    assert np.array_equal(time, same_time)
    assert np.array_equal(values, same_values)


@pytest.mark.parametrize("step", [7 * SECOND, MINUTE, 10 * HOUR])
def test_batches_are_all_readings_in_order_of_time(step: int) -> None:
    plant = Plant(machines=3, ecgs=2, duration=SHORT)
    batches = list(plant.batches(step))

    for feed in plant.feeds:
        mine = [batch for batch in batches if batch.topic == feed.topic]
        assert np.array_equal(np.concatenate([batch.time for batch in mine]), feed.time)
        assert np.array_equal(np.concatenate([batch.values for batch in mine]), feed.values)
        assert (np.diff(feed.time) >= 0).all()
    steps = [(int(batch.time[0]) - plant.start) // step for batch in batches]
    assert steps == sorted(steps)
    assert steps == [(int(batch.time[-1]) - plant.start) // step for batch in batches]
    assert sum(map(len, batches)) == len(plant)


def test_temperatures_come_every_ten_seconds_in_a_plausible_range() -> None:
    healthy = replace(FACTORY, faults=False).feeds[0]

    for code in range(len(healthy.streams)):
        time, values = stream(healthy, code)
        assert np.unique(np.diff(time)).tolist() == [10 * SECOND]
        assert values.min() > 40
        assert values.max() < 100
        assert np.ptp(values) > 5  # load cycles


def test_beats_are_vectors_timed_by_their_r_peak() -> None:
    ward = Plant(machines=0, ecgs=1, duration=5 * MINUTE, faults=False)
    beats = ward.feeds[0]
    peaks = ward.r_peaks(0)
    rate = 60 * len(beats) / 300

    assert beats.values.shape[1] == 140
    assert 50 < rate < 90
    assert (beats.values.argmax(axis=1) // 3 == 50 // 3).mean() > 0.99  # the R-peak, 0.25 s after the start
    gaps = np.abs((beats.time - NEW_YEAR)[:, None] / SECOND - peaks).min(axis=1)
    assert gaps.max() <= 1 / ward.ecg_rate


@pytest.mark.parametrize("rate", [125, 250, 360])
def test_samples_follow_the_rate_and_peak_at_the_known_beats(rate: int) -> None:
    ward = replace(WARD, ecg_rate=rate, ecgs=1, faults=False)
    lead = ward.feeds[0]
    nearest = np.searchsorted((lead.time - ward.start) / SECOND, ward.r_peaks(0)[1:-1])

    assert len(lead) == 720 * rate
    assert np.array_equal(lead.time - ward.start, np.arange(len(lead)) * SECOND // rate)
    assert np.median(lead.values[nearest - 1, 0]) > 0.6  # mV
    assert abs(float(np.median(lead.values))) < 0.2


def test_premature_beats_come_early_and_the_next_on_time() -> None:
    peaks = np.arange(0, 20, 0.8)
    moved, premature = faults.premature_beats(peaks, slice(5, 9))

    assert np.flatnonzero(premature).tolist() == [5, 7]
    assert moved[[5, 7]].tolist() == pytest.approx((peaks[[5, 7]] - 0.24).tolist())
    assert np.array_equal(moved[~premature], peaks[~premature])


def ramp() -> Float64:
    return np.linspace(10, 20, 100)


@pytest.mark.parametrize("kind", sorted(faults.INJECT))
def test_a_fault_changes_its_span_only_and_never_its_input(kind: str) -> None:
    values, span = ramp(), slice(40, 60)
    out = faults.INJECT[kind](values, span, np.random.default_rng(0), 5.0)
    outside: Bool = np.ones(100, dtype=np.bool_)
    outside[span] = False

    assert np.array_equal(values, ramp())
    assert np.array_equal(out[outside], values[outside])
    assert not np.array_equal(out[span], values[span])


def test_sizes_are_in_the_unit_of_the_signal() -> None:
    values, span, rng = ramp(), slice(40, 60), np.random.default_rng(0)

    assert np.abs(faults.spike(values, span, rng, 5.0) - values)[span] == pytest.approx(5.0)
    assert np.abs(faults.level_shift(values, span, rng, 5.0) - values)[span] == pytest.approx(5.0)
    assert abs(faults.slow_drift(values, span, rng, 5.0) - values)[59] == pytest.approx(5.0)
    assert 3 < (faults.noise_burst(values, span, rng, 5.0) - values)[span].std() < 7
    assert np.unique(faults.stuck(values, span, rng, 0.0)[span]).tolist() == [values[40]]
    assert np.isnan(faults.dropout(values, span, rng, 0.0)[span]).all()


def test_beats_that_touch_a_dropout_are_missing_whole() -> None:
    seconds = np.arange(1000) / 250
    values = np.zeros(1000)
    values[500] = np.nan
    beats = signals.cut_beats(seconds, values, np.array([0.1, 1.0, 1.9, 3.0, 3.9]), 140)

    assert np.isnan(beats).all(axis=1).tolist() == [True, False, True, False, True]
    assert not np.isnan(beats[[1, 3]]).any()


@pytest.mark.parametrize("name", ["truth.csv", "truth.json"])
def test_truth_survives_a_file(tmp_path: Path, name: str) -> None:
    odd = Fault(-1, 1, 'a "quoted", name', "spike")
    write_truth(tmp_path / name, [*FACTORY.truth, odd])

    assert read_truth(tmp_path / name) == [*FACTORY.truth, odd]


def test_truth_in_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"\.csv or \.json"):
        write_truth(tmp_path / "truth.xlsx", [])

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"machines": 0, "ecgs": 0}, "at least one"),
        ({"machines": -1}, "at least one"),
        ({"duration": 5}, "longer"),
        ({"clean": 1.0}, "share"),
        ({"seed": -1}, "negative"),
        ({"ecg_rate": 60}, "125 to 1000"),
    ],
)
def test_an_impossible_plant_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        replace(Plant(), **arguments)


@pytest.mark.parametrize("duration", [60, 65, 600])
def test_faults_of_a_short_time_lie_within_it(duration: int) -> None:
    plant = Plant(seed=1, machines=3, ecgs=0, duration=duration * SECOND, clean=0.8)
    assert all(plant.start <= fault.start <= fault.end < plant.start + plant.duration for fault in plant.truth)
