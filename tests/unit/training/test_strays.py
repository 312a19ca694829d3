"""Single spikes are not learned from; states, heavy tails, steps and noise are."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.records.batches import Float64
from monitor.training.strays import NEIGHBOURS, strays, without_strays

RNG_ROWS = 2000
NORMAL: dict[str, Float64] = {
    "noise": np.random.default_rng(0).normal(0, 0.1, RNG_ROWS),
    "random walk": np.random.default_rng(1).normal(0, 0.1, RNG_ROWS).cumsum(),
    "heavy tails": np.random.default_rng(2).standard_t(2, RNG_ROWS),
    "spikes of all sizes": np.random.default_rng(3).pareto(1.5, RNG_ROWS),
    "steps": np.random.default_rng(4).normal(0, 0.1, RNG_ROWS) + 30 * (np.arange(RNG_ROWS) // 200 % 2),
    "pulses of eight readings": np.random.default_rng(5).normal(0, 0.1, RNG_ROWS) + 9 * (np.arange(RNG_ROWS) % 100 < 8),
    "a sine": 10 * np.sin(np.arange(RNG_ROWS) / 90) + np.random.default_rng(6).normal(0, 0.1, RNG_ROWS),
    "at rest": np.full(RNG_ROWS, 5.0),
    "two values": np.arange(RNG_ROWS) % 17 % 3 / 3,
}
BACKGROUND = ["noise", "random walk", "a sine"]


@pytest.mark.parametrize("name", NORMAL)
def test_what_is_normal_has_no_strays(name: str) -> None:
    assert not strays(NORMAL[name]).any()


@pytest.mark.parametrize("name", BACKGROUND)
@pytest.mark.parametrize("height", [4.0, -4.0, 60.0])
def test_a_spike_in_one_reading_of_seventy_is_a_stray(name: str, height: float) -> None:
    spiked = NORMAL[name].copy()
    at = np.arange(35, RNG_ROWS, 70)
    spiked[at] += height

    assert np.flatnonzero(strays(spiked)).tolist() == at.tolist()


def test_up_to_three_may_follow_one_another() -> None:
    spiked = NORMAL["noise"].copy()
    for at, length in ((100, 1), (300, 2), (500, 3)):
        spiked[at : at + length] += 8

    assert np.flatnonzero(strays(spiked)).tolist() == [100, 300, 301, 500, 501, 502]
    assert NEIGHBOURS == 7


def test_strays_are_filled_in_channel_by_channel_and_nothing_else_changes() -> None:
    values = np.random.default_rng(7).normal(20, 0.1, (400, 2)).astype(np.float32)
    values[50:60, 1] = np.nan
    spiked = values.copy()
    spiked[200, 0] = 30

    cleaned = without_strays(spiked)

    assert cleaned[200, 0] == pytest.approx((values[199, 0] + values[201, 0]) / 2, abs=1e-5)
    np.testing.assert_array_equal(np.delete(cleaned, 200, axis=0), np.delete(values, 200, axis=0))
    assert cleaned[200, 1] == values[200, 1]
    assert spiked[200, 0] == 30


@pytest.mark.parametrize("rows", [0, 1, 5, 29])
def test_few_readings_show_nothing(rows: int) -> None:
    values = np.zeros((rows, 1), np.float32)
    values[rows // 2 : rows // 2 + 1] = 9

    assert without_strays(values) is values


def test_a_channel_without_values_is_left_alone() -> None:
    values = np.full((100, 1), np.nan, np.float32)

    assert np.isnan(without_strays(values)).all()
