"""Readings that stand apart, worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from monitor.pipeline.scoring.companions.isolated import BEFORE, FAR, FARTHER, FEWEST, Isolated
from monitor.records.batches import Float32, Windows


def ratios(values: list[float], length: int = BEFORE + 1) -> Float32:
    """Of readings of one stream."""
    padded = np.array([np.nan] * (length - 1) + values, np.float32)
    cut = np.lib.stride_tricks.sliding_window_view(padded, length)[:, :, None].copy()
    none, time = np.zeros(len(values), np.int32), np.arange(len(values))
    made = Isolated(1)
    made.grow(1)
    return made.score(Windows(none, time, time, cut, none.astype(np.float32)))


STEADY = [0.0, 1.0] * 300  # 1 from the median of the five before, always


def test_the_ratio_is_1_at_six_times_the_usual_distance() -> None:
    """All distances are 1: so are their quantile and their root mean square. The median before the last one is 1."""
    found = ratios([*STEADY, 1 + FARTHER])

    assert found[-1] == pytest.approx(1.0, rel=0.05)
    assert np.nanmax(found[:-1]) < 0.2


def test_nothing_stands_apart_before_there_is_a_past() -> None:
    found = ratios([*STEADY[: FEWEST - 1], 1e6])

    assert np.isnan(found).all()


def test_spikes_of_the_past_do_not_hide_the_next_one() -> None:
    """One of 40 spreads in every 300 readings, from the beginning on: all of them stand apart."""
    noise = np.random.default_rng(0).normal(0, 1, 6000)
    spikes = np.arange(400, 6000, 300)
    noise[spikes] += 40

    found = ratios(noise.tolist())

    assert (found[spikes] > 1).all()
    assert not (np.delete(found, spikes) > 1).any()


def test_a_tail_that_is_full_of_large_values_makes_none_stand_apart() -> None:
    tail = np.abs(np.random.default_rng(0).standard_t(3, 6000))

    assert (ratios(tail.tolist())[FEWEST:] > 1).mean() < 1e-3


def test_where_most_readings_are_equal_the_root_mean_square_decides() -> None:
    rest = np.zeros(3000)
    rest[::20] = 1.0  # 5 % of them: what 98 % keep is no help, and FAR times nothing is nothing

    assert np.nanmax(ratios(rest.tolist())) < 1


def test_a_channel_at_rest_needs_more_than_its_last_digit() -> None:
    rest = [1000.0] * (FEWEST + BEFORE)

    assert ratios([*rest, 1000.06])[-1] < 1
    assert ratios([*rest, 1001.0])[-1] > 1


def test_missing_readings_are_passed_over() -> None:
    found = ratios([*STEADY, math.nan, math.inf, 0.5])

    assert np.isnan(found[-3:-1]).all()
    assert found[-1] < 0.2


def test_the_quantile_counts_for_smooth_channels() -> None:
    """Distances of 1 in 95 of 100 readings and of 3 in the others: 98 % keep 3, the root mean square is 1.2."""
    assert FAR * 3 > FARTHER * 1.2
    base = np.zeros(4000)
    base[1::2] = 2.0
    base[::20] = 4.0

    assert ratios([*base.tolist(), 1 + 10.0])[-1] < 1


def test_a_level_where_the_channel_often_is_stands_apart_from_nothing() -> None:
    """On for a third of every 288 readings: each step is 12 usual distances, and none but the first stands apart."""
    machine = 80.0 * (np.arange(4000) % 288 > 192)

    assert np.nanmax(ratios(machine.tolist())[FEWEST + 288 :]) < 1
    assert ratios([*machine.tolist(), 160.0])[-1] > 1


def test_a_level_that_was_left_long_ago_stands_apart() -> None:
    noise = np.random.default_rng(0).normal(0, 1, 4000)
    noise[:1000] += 40

    assert ratios([*noise.tolist(), 40.0])[-1] > 1


def test_states_without_a_band_are_read_on() -> None:
    made = Isolated(1)
    made.grow(1)
    made.load(np.array([0]), np.ones(1, made.earlier))

    assert np.isnan(made.dump(np.array([0]))["highest"]).all()
