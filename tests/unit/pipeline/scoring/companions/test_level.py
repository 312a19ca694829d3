"""The level of each channel: distances from the usual, weighted, averaged over the last readings."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.pipeline.scoring.companions.level import READINGS, Level, Scale, pulled_in
from monitor.records.batches import Float32

NAN = np.nan


def level(streams: int, channels: int) -> Level:
    made = Level(channels)
    made.columns.grow(streams)
    return made


def scale(center: float, width: float, weight: float) -> Scale:
    return Scale(*(np.array([value], np.float32) for value in (center, width, weight)))


def rows(*scales: Scale) -> Scale:
    """One row for each stream."""
    return Scale(*(np.stack([getattr(one, name) for one in scales]) for name in Scale._fields))


def column(*values: float) -> Float32:
    return np.array(values, np.float32)[:, None]


def test_score_is_the_weighted_mean_distance_of_the_last_readings() -> None:
    """From 10 readings on; the distance is 2 standard deviations, then 0; half of them count with weight one half."""
    values = column(*[14.0] * READINGS, *[10.0] * READINGS)

    score, channel = level(1, 1).score(np.zeros(len(values), np.int32), values, rows(scale(10, 2, 0.5)))

    assert np.isnan(score[: READINGS // 2 - 1]).all()
    assert score[READINGS // 2 - 1 : READINGS] == pytest.approx([1.0] * (READINGS // 2 + 1))
    assert score[READINGS + READINGS // 2 - 1] == pytest.approx(0.5)
    assert score[-1] == 0
    assert set(channel[~np.isnan(score)]) == {0}


def test_one_reading_counts_for_ten_deviations_at_most() -> None:
    values = column(*[0.0] * READINGS, 1e9, np.inf, NAN)

    score, _ = level(1, 1).score(np.zeros(len(values), np.int32), values, rows(scale(0, 1, 1)))

    assert score[READINGS] == pytest.approx(10 / READINGS)
    assert score[READINGS + 1] == pytest.approx(20 / READINGS)
    assert score[READINGS + 2] == pytest.approx(20 / (READINGS - 1))  # a missing reading does not count


def test_the_furthest_channel_decides_and_a_missing_one_does_not() -> None:
    both = Scale(*(np.array([[a, b]], np.float32) for a, b in ((0, 0), (1, 1), (1, 0.5))))
    values = np.tile(np.array([[1, 4]], np.float32), (READINGS, 1))
    gone = values.copy()
    gone[:, 1] = NAN

    score, channel = level(1, 2).score(np.zeros(READINGS, np.int32), values, both)
    assert (score[-1], channel[-1]) == (2, 1)
    score, channel = level(1, 2).score(np.zeros(READINGS, np.int32), gone, both)
    assert (score[-1], channel[-1]) == (1, 0)


def test_streams_do_not_touch_one_another_and_have_no_score_before_they_are_learned() -> None:
    of = np.repeat(np.arange(2, dtype=np.int32), READINGS)
    unknown = scale(NAN, NAN, NAN)

    score, channel = level(2, 1).score(of, column(*[3.0] * 2 * READINGS), rows(scale(0, 1, 1), unknown))

    assert score[READINGS - 1] == 3
    assert np.isnan(score[READINGS:]).all()
    assert (channel[READINGS:] == -1).all()


def test_a_channel_that_wanders_counts_little() -> None:
    """Noise goes as far in one step as in 150; a walk sqrt(150) times as far."""
    rng = np.random.default_rng(0)
    noise, walk = rng.normal(0, 1, 4000), np.cumsum(rng.normal(0, 1, 4000))

    weight = Scale.of(np.stack([noise, walk, np.full(4000, 7.0)], axis=1).astype(np.float32)).weight

    assert weight[0] == pytest.approx(1, abs=0.06)
    assert weight[1] == pytest.approx(1 / 150, rel=0.5)
    assert np.isnan(weight[2])  # it never moved: the detector judges it


def test_rare_spikes_in_the_past_do_not_widen_the_scale() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(5, 0.1, (2100, 1)).astype(np.float32)
    spiked = values.copy()
    spiked[35::70] += 4

    assert Scale.of(spiked).scale[0] == pytest.approx(float(Scale.of(values).scale[0]), rel=0.1)
    assert np.nanmax(pulled_in(spiked)) < 5.5


def test_a_channel_that_rests_or_has_no_readings_is_not_learned() -> None:
    rests = np.full(100, 7.0)
    rests[50] = 8
    values = np.stack([np.arange(100.0), np.full(100, NAN), rests], axis=1).astype(np.float32)

    learned = Scale.of(values)

    assert np.isfinite([column[0] for column in learned]).all()
    assert np.isnan([column[1:] for column in learned]).all()
