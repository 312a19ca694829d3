"""The profile of a day, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.pipeline.scoring.companions.time_of_day import FEWEST, TimeOfDay, residuals
from monitor.records.batches import Float32, Windows

HOUR = 3600 * 10**9


def windows(values: list[float], length: int = 1, *, first: int = 0, step: int = HOUR) -> Windows:
    """Windows of one stream that end at each reading, NaN before the first one."""
    padded = np.array([np.nan] * (length - 1) + values, np.float32)
    cut = np.lib.stride_tricks.sliding_window_view(padded, length)[:, :, None].copy()
    end = first + step * np.arange(len(values))
    none = np.zeros(len(values), np.int32)
    return Windows(none, end - step * (length - 1), end, cut, none.astype(np.float32))


def made(length: int = 1, interval: int = HOUR) -> TimeOfDay:
    day = TimeOfDay(length, 1, interval)
    day.grow(1)
    return day


def residuals_of(values: list[float]) -> list[float]:
    found: list[float] = made().follow(windows(values))[0][:, 0, 0].tolist()
    return found


def test_the_first_reading_is_as_expected_and_the_next_hour_expects_the_same() -> None:
    assert residuals_of([5.0, 7.0]) == [0.0, 2.0]


def test_an_hour_of_another_day_is_expected_to_be_as_the_bins_near_it_were() -> None:
    """Readings on the hour lie between two bins: three quarters of each, and a quarter of those beyond."""
    day = [float(hour) for hour in range(24)]
    found = residuals_of([*day, *day])

    assert found[24] == pytest.approx(0 - (0.25 * 22 + 0.75 * 23 + 0.75 * 0 + 0.25 * 1) / 2)


def test_a_bin_of_few_readings_counts_less() -> None:
    """Five minutes past one: twelve readings of 0 in the hour before, one of 13 in this one."""
    step = HOUR // 12
    found = made(interval=step).follow(windows([*[0.0] * 12, 13.0, 0.0], step=step))[0][:, 0, 0]

    hour = 13 / 12
    before, now = (1 - (hour - 0.5) / 2) * 12 / 24, (1 - (1.5 - hour) / 2) * 1 / 13
    assert found[-1] == pytest.approx(-13 * now / (before + now), rel=1e-5)


def test_the_forecast_does_not_jump_from_one_hour_to_the_next() -> None:
    step, days = HOUR // 360, 3
    hour = np.arange(days * 8640) / 360 % 24
    found = made(interval=step).follow(windows(np.sin(hour / 24 * 2 * np.pi).tolist(), step=step))[0][:, 0, 0]

    assert np.abs(np.diff(found[-8640:])).max() < 1e-3
    assert np.abs(found[-8640:]).max() < 0.1


def test_residuals_count_in_deviations_once_there_are_enough() -> None:
    values = [0.0, 1.0] * (FEWEST // 2) + [10.0]
    found, away, _ = made().follow(windows(values, step=1))

    past = found[:FEWEST, 0, 0].astype(np.float64)
    assert np.isnan(away[:FEWEST]).all()
    assert away[FEWEST] == pytest.approx(abs(found[FEWEST, 0, 0]) / np.sqrt((past**2).mean()), rel=1e-5)


def test_one_reading_cannot_move_its_hour_far() -> None:
    steady = [0.0, 1.0] * FEWEST
    found, _, _ = made().follow(windows([*steady, 1e6, 0.0], step=1))

    assert abs(found[-1, 0, 0]) < 2


def test_what_was_held_before_a_gap_is_not_in_the_window() -> None:
    day, whole = made(length=3), windows([1.0, 2.0, 4.0, 8.0], length=3)
    alone = windows([16.0, 32.0], length=3, first=10 * HOUR)

    day.follow(whole)
    found = day.follow(alone)[0][:, :, 0]

    assert np.isnan(found[0, :2]).all()
    assert np.isnan(found[1, 0])
    assert not np.isnan(found[:, 2]).any()


def test_residuals_of_a_history_are_those_that_windows_show() -> None:
    values = np.random.default_rng(1).normal(0, 1, 60).astype(np.float32)
    shown = made().follow(windows(values.tolist()))[0][:, 0]

    history: Float32 = residuals(HOUR * np.arange(60), values[:, None], HOUR)

    assert history.tobytes() == shown.tobytes()


def test_missing_and_infinite_values_are_passed_over() -> None:
    found, away, _ = made().follow(windows([1.0, float("nan"), float("inf"), 1.0]))

    assert np.isnan(found[1:3, 0, 0]).all()
    assert found[3, 0, 0] == 0.0
    assert np.isnan(away).all()


def test_what_follows_a_first_night_need_not_be_like_it() -> None:
    """A working day from 9 to 18 o'clock, every five minutes: in the first one its end is no surprise, a fault is."""
    step, hour = HOUR // 12, np.arange(4 * 288) / 12 % 24
    level = np.where((hour >= 9) & (hour < 18), 80.0, 20.0)
    day = made(interval=step).follow(windows(level.tolist(), step=step)).score
    level[250] = 500
    fault = made(interval=step).follow(windows(level.tolist(), step=step)).score

    assert np.nanmax(day) < 4.5
    assert fault[250] > 12
