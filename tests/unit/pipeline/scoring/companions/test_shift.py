"""Change points: the mean of 10 readings against that of 60 which ended 10 before them."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.pipeline.scoring.companions.level import Scale
from monitor.pipeline.scoring.companions.shift import APART, NEW, SPAN, Shift, limits
from monitor.records.batches import Float32
from monitor.records.shifts import Shifts

NAN = np.nan


def scale(width: float, weight: float = 1) -> Scale:
    return Scale(*(np.array([value], np.float32) for value in (0, width, weight)))


def shifts(values: Float32, limit: float, width: float = 1.0) -> Shifts:
    made = Shift(1)
    made.columns.grow(1)
    of = Scale(*(column[None] for column in scale(width)))
    return made.find(np.zeros(len(values), np.int32), values, of, np.array([[limit]], np.float32))


def column(*values: float) -> Float32:
    return np.array(values, np.float32)[:, None]


def test_a_step_is_found_within_ten_readings_and_forgotten_when_it_is_the_past() -> None:
    """A step of 2 against a limit of 1: each of ten readings adds 0.2, then it stays until the past has it too."""
    found = shifts(column(*[0.0] * SPAN, *[2.0] * SPAN), limit=1)

    assert np.isnan(found.ratio[: SPAN - 1]).all()
    assert found.ratio[SPAN - 1] == 0
    assert found.ratio[SPAN : SPAN + NEW] == pytest.approx(np.arange(1, NEW + 1) * 0.2)
    assert found.ratio[SPAN + NEW : SPAN + NEW + APART] == pytest.approx([2.0] * APART)
    assert found.ratio[-1] == 0
    assert (found.before[SPAN + NEW], found.after[SPAN + NEW], found.channel[SPAN + NEW]) == (0, 2, 0)


def test_one_reading_counts_for_ten_deviations_at_most() -> None:
    found = shifts(column(*[0.0] * SPAN, 1e9), limit=1, width=0.5)

    assert found.ratio[-1] == pytest.approx(10 * 0.5 / NEW)


def test_missing_readings_do_not_count_and_too_many_of_them_say_nothing() -> None:
    few, many = [2.0] * (NEW - 4) + [NAN] * 4, [2.0] * (NEW - 6) + [NAN] * 6

    assert shifts(column(*[0.0] * SPAN, *few), limit=1).ratio[-1] == 2
    assert np.isnan(shifts(column(*[0.0] * SPAN, *many), limit=1).ratio[-1])


def test_limits_are_five_of_the_usual_shifts_and_higher_for_a_channel_of_less_weight() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 3, (20_000, 1)).astype(np.float32)
    usual = 3 * np.sqrt(1 / 10 + 1 / 60)

    assert limits(noise, scale(3))[0] == pytest.approx(5 * usual, rel=0.1)
    assert limits(noise, scale(3, weight=0.5))[0] == pytest.approx(10 * usual, rel=0.1)


def test_a_level_that_never_shifted_may_shift_a_little_and_a_short_past_has_no_limits() -> None:
    even = np.tile(np.array([[6.93], [7.07]], np.float32), (250, 1))
    around = scale(0.07)._replace(center=np.array([7], np.float32))

    assert limits(even, around)[0] == pytest.approx(5 * 0.1 * 0.07)
    assert np.isnan(limits(even[: 2 * SPAN - 1], around)).all()


def test_spikes_before_a_stream_was_learned_count_no_more_than_later_ones() -> None:
    made, nothing = Shift(1), Scale(*(np.array([[NAN]], np.float32),) * 3)
    made.columns.grow(1)
    none = np.zeros(SPAN, np.int32)
    made.find(none, column(*[0.0] * (SPAN - 1), 1e9), nothing, np.array([[NAN]], np.float32))

    of = Scale(*(part[None] for part in scale(0.5)))
    found = made.find(none[:1], column(0.0), of, np.array([[1]], np.float32))

    assert found.ratio[0] == pytest.approx(10 * 0.5 / NEW)
