"""Single readings far from those before them, judged also where the past was full of them."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.pipeline.scoring.companions.spike import BEFORE, EARLY, FEWEST, Spike, limits
from monitor.records.batches import Float32

NAN = np.nan


def spike(channels: int = 1) -> Spike:
    made = Spike(channels)
    made.columns.grow(1)
    return made


def column(*values: float) -> Float32:
    return np.array(values, np.float32)[:, None]


def ratio(values: Float32, limit: float | None) -> Float32:
    of, learned = np.array([[NAN if limit is None else limit]], np.float32), np.array([limit is not None])
    return spike().score(np.zeros(len(values), np.int32), values, of, learned)[0]


def test_the_ratio_is_the_distance_from_the_readings_before_over_the_limit() -> None:
    found = ratio(column(*[1.0] * BEFORE, 9.0, 1.0), limit=4)

    assert np.isnan(found[: BEFORE // 2]).all()
    assert found[BEFORE - 1] == 0
    assert found[BEFORE] == 2
    assert found[BEFORE + 1] == pytest.approx(0.8 / 4)  # the spike is one of the ten before it


def test_a_missing_reading_is_no_spike() -> None:
    found = ratio(column(*[1.0] * BEFORE, NAN, 9.0), limit=4)

    assert np.isnan(found[BEFORE])
    assert found[BEFORE + 1] == 2


def test_spikes_are_found_though_one_in_seventy_readings_of_the_past_was_one() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(0, 0.1, (4200, 3)).astype(np.float32)
    at = np.arange(35, 4200, 70)
    values[at, rng.integers(0, 3, len(at))] += 4

    limit = limits(values[:2100])
    found, _ = spike(3).score(np.zeros(4200, np.int32), values, limit[None], np.array([True]))

    later = at[at >= 2100]
    assert (found[later] > 1).all()
    assert np.count_nonzero(found[2100:] > 1) == len(later)


def test_a_channel_that_mostly_rests_is_not_judged() -> None:
    mostly = np.full((500, 1), 7.0, np.float32)
    mostly[-1] = 8
    assert np.isnan(limits(mostly)).all()


@pytest.mark.parametrize(("level", "apart"), [(7.0, 7.5), (0.0, 1.0), (-200.0, -190.0)])
def test_a_channel_that_never_moved_is_judged_by_its_level(level: float, apart: float) -> None:
    limit = float(limits(np.full((500, 1), level, np.float32))[0])
    found = ratio(column(*[level] * BEFORE, level * 1.004, level, apart, *[level] * BEFORE), limit)
    assert (found[BEFORE // 2 : BEFORE + 2] < 1).all()
    assert 1 < found[BEFORE + 2] <= 2
    assert found[-1] < 1 or level == 0


def test_a_channel_at_rest_does_not_hide_how_far_another_one_is() -> None:
    past = np.random.default_rng(0).normal(0, 1, (500, 2)).astype(np.float32)
    past[:, 1] = 0
    last = np.concatenate([past[-BEFORE:], [[100, 1]]]).astype(np.float32)
    found, channel = spike(2).score(np.zeros(len(last), np.int32), last, limits(past)[None], np.array([True]))
    assert found[-1] > 5
    assert channel[-1] == 0


def test_streams_that_were_not_learned_are_compared_with_all_their_readings_before() -> None:
    """Alternating by 1 around the mean of the ten before: the usual distance is 1."""
    values = column(*np.tile([1.0, -1.0], FEWEST), 2 * EARLY)

    found = ratio(values, limit=None)

    assert np.isnan(found[: FEWEST + BEFORE // 2 - 1]).all()
    assert found[-1] == pytest.approx(2, rel=0.02)


@pytest.mark.parametrize("at", [0, 5, 60, 200])
@pytest.mark.parametrize("absurd", [4.3e9, -3.4e38])
def test_one_absurd_reading_hides_no_spike_before_there_is_a_model(at: int, absurd: float) -> None:
    values = np.random.default_rng(0).normal(0, 0.1, 450)
    values[[350, 380, 420]] += 4
    values[at] = absurd

    assert (ratio(column(*values), limit=None)[[350, 380, 420]] > 1).all()


def test_a_channel_that_rested_is_compared_with_how_it_moves_since() -> None:
    values = np.random.default_rng(0).normal(0, 0.1, 450)
    values[:160] = 0
    values[[350, 380, 420]] += 4

    found = ratio(column(*values), limit=None)

    assert np.isnan(found[: 160 + FEWEST]).all()
    assert (np.flatnonzero(found > 1) == [350, 380, 420]).all()


def test_a_channel_that_moves_a_thousand_times_as_far_for_good_is_soon_usual() -> None:
    values = np.random.default_rng(0).normal(0, 1, 600)
    values[:200] /= 1000

    found = ratio(column(*values), limit=None)

    assert (found[200:210] > 1).all()
    assert (found[250:] > 1).mean() < 0.02
