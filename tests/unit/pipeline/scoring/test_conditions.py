"""Hour of day and day of week as conditions of the detector: derived from times, seen by nothing else."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache, partial

import numpy as np
import pytest

from monitor import bootstrap
from monitor.config.families import Family
from monitor.config.settings import parse
from monitor.errors import SettingsError
from monitor.pipeline.family import Pipeline
from monitor.pipeline.scoring.conditions import Conditions, of_times
from monitor.pipeline.scoring.partial_windows import Units
from monitor.ports.store import HistoryBlock
from monitor.records.batches import Float32, Float64, Int64
from monitor.records.streams import StreamIndex
from monitor.training import fit
from monitor.training.trial import Model, Trial
from tests import cuts
from tests.property.test_default_recipe import evidence
from tests.property.test_pipeline import facts, readings

STEP, DAY = 600, 144  # seconds of a reading, readings of a day
HOUR = 3600 * 10**9
SETTINGS = {
    "topic": "t",
    "interval": "10m",
    "recipe": "plain",
    "window": {"length": 6, "derived": ["hour_of_day"]},
    "detector": {"kind": "dense", "options": {"epochs": 15, "hidden": [4]}},
}


def family(**changes: object) -> Family:
    return Family.model_validate(SETTINGS | changes)


def unconditioned() -> Family:
    return family(window={"length": 6})


def plant(first: int, count: int, seed: int = 0) -> tuple[Int64, Float32]:
    """Times in ns and readings: on from 8 to 18 h, off else."""
    slot = np.arange(first, first + count)
    on = (slot % DAY >= 8 * 6) & (slot % DAY < 18 * 6)
    noise = np.random.default_rng(seed).normal(0, 0.3, count)
    return slot * STEP * 10**9, (10 * on + noise).astype(np.float32)[:, None]


def night(values: Float32, first: int) -> slice:
    """Three hours of the third night at the level of the day, in place; returns where."""
    begin = 3 * DAY + 2 * 6 - first % DAY
    values[begin : begin + 18] = values[begin + 60 : begin + 78]
    return slice(begin + 6, begin + 18)


@lru_cache
def trained(of: str) -> Model:
    made = {"with": family, "without": unconditioned}[of]()
    detector, profiles = fit.train(
        made, [("m-0", HistoryBlock(-1, *plant(0, 14 * DAY)))], partial(bootstrap.detector, made),
        bootstrap.normal_scores(),
    )  # fmt: skip
    return Model("0123456789abcdef", detector, profiles)


def pipeline(of: str = "with") -> Pipeline:
    made = {"with": family, "without": unconditioned}[of]()
    index = StreamIndex()
    index.intern(["m-0"])
    pipe, model = bootstrap.pipeline("f", made, index=index), trained(of)
    pipe.adopt(model.id, model.scorer, model.profiles)
    return pipe


def judged(of: str) -> Float64:
    """The largest ratio of the windows that lie in the night's fault, and of all others."""
    time, values = plant(20 * DAY, 7 * DAY, seed=1)
    fault = night(values, 20 * DAY)
    scores = pipeline(of).process(readings([0] * len(time), (time // 10**9).tolist(), values)).scores
    place = np.searchsorted(time, scores.end)
    inside = (place >= fault.start) & (place < fault.stop)
    return np.array([np.nanmax(scores.ratio[inside]), np.nanmedian(scores.ratio[~inside])])


def test_a_day_at_night_is_found_by_its_hour() -> None:
    """Each of its windows is one of the day."""
    assert judged("without")[0] < 1
    assert judged("with")[0] > 2


@pytest.mark.parametrize("edges", [[1], [7, 8, 400], [3 * DAY + 15, 3 * DAY + 20]])
def test_no_cut_and_no_restart_changes_a_bit(edges: list[int]) -> None:
    time, values = plant(20 * DAY, 5 * DAY, seed=2)
    night(values, 20 * DAY)
    values[50:55] = np.nan
    batch = readings([0] * len(time), (time // 10**9).tolist(), values)

    whole, cut = cuts.run(pipeline, batch, []), cuts.run(pipeline, batch, edges, restart=True)

    assert facts(whole) == facts(cut)
    assert evidence(whole) == evidence(cut)


def test_evidence_and_state_have_the_channels_alone() -> None:
    time, values = plant(20 * DAY, 5 * DAY, seed=1)
    night(values, 20 * DAY)
    made, without = pipeline(), pipeline("without")

    found = made.process(readings([0] * len(time), (time // 10**9).tolist(), values)).evidence

    assert found
    for each in found:
        assert each.channels == ("value",)
        assert each.values.shape == each.contribution.shape == (6, 1)
        assert each.reconstruction is not None
        assert each.reconstruction.shape == (6, 1)
        assert each.contribution.sum() == pytest.approx(1)
    assert made.state_size == without.state_size


def test_the_trial_of_a_challenger_sees_them_too() -> None:
    """Few of a clean past are unusual, near 8 and 18 h; most of the same readings twelve hours later are."""
    for shift, least, most in ((0, 0.0, 0.2), (DAY // 2, 0.5, 1.0)):
        time, values = plant(30 * DAY, 7 * DAY, seed=3)
        block = HistoryBlock(-1, time + shift * STEP * 10**9, values)
        fresh, model = partial(bootstrap.recipe, family()), trained("with")
        share = Trial(family(), fresh, [("m-0", block)], model.profiles).unusual(model)
        assert least <= share <= most


def test_hours_are_points_on_a_circle_in_utc() -> None:
    noon = int(datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp()) * 10**9  # a Monday
    hours = of_times(("hour_of_day",), np.array([noon, noon + 6 * HOUR, noon + 12 * HOUR, noon + 24 * HOUR]))
    week = of_times(("day_of_week",), np.array([noon - 12 * HOUR, noon + 7 * 24 * HOUR - 12 * HOUR]))

    assert hours == pytest.approx(np.array([[0, -1], [-1, 0], [0, 1], [0, -1]]), abs=1e-6)
    assert week == pytest.approx(np.array([[0, 1], [0, 1]]), abs=1e-6)
    assert of_times(("day_of_week", "hour_of_day"), np.array([[noon, -noon]])).shape == (1, 2, 4)


def test_a_window_without_any_channel_has_no_conditions() -> None:
    windows = np.zeros((2, 6, 1), np.float32)
    windows[1, 0] = np.nan

    found = Conditions(family()).beside(windows, np.array([HOUR, HOUR]))

    assert found.shape == (2, 6, 3)
    assert np.isfinite(found[0]).all()
    assert np.isnan(found[1, :, 1:]).all()


def test_what_a_missing_channel_is_worth_does_not_depend_on_conditions() -> None:
    windows, of_channels, usual = (np.zeros(shape, np.float32) for shape in ((1, 6, 2), (1, 2), 1))
    units = Units(windows, of_channels, of_channels, usual)

    whole = Conditions(family(channels=["a", "b"])).units(units, np.array([HOUR]))

    assert (whole.given, whole.windows.shape, whole.neutral.shape) == (2, (1, 6, 4), (1, 4))
    assert whole.spread[0].tolist() == [0, 0, 1, 1]


def test_they_are_given_beside_those_that_the_options_name() -> None:
    wanted = family(channels=["a", "load"], detector={"kind": "conv", "options": {"given": 1}})

    assert wanted.detector_options["given"] == 3
    assert wanted.detector_channels == ("a", "load", "hour of day, sine", "hour of day, cosine")
    assert wanted.shape.channels == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"interval": "none"}, "window.derived: the time of each reading"),
        ({"window": {"kind": "message", "length": 6, "derived": ["hour_of_day"]}}, "window.derived: the time"),
        ({"window": {"length": 6, "derived": ["hour_of_day", "hour_of_day"]}}, "each may stand there once"),
        ({"detector": {"kind": "lstm"}}, "the detector lstm judges by no conditions.*dense"),
    ],
)
def test_where_they_make_no_sense_the_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        bootstrap.check(parse({"families": {"f": SETTINGS | settings}}))
