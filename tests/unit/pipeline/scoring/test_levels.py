"""The usual level by hour of the day: measured, learned only where that is asked, accepted."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.pipeline.scoring.companions.day import BINS
from monitor.pipeline.scoring.companions.levels import AWAY, FEWEST, Levels
from monitor.records.batches import Float32, Windows

S, HOUR = 10**9, 3600


def windows(time: list[int], values: Float32) -> Windows:
    """Of one stream and two readings each, of which only the newer one counts; times in seconds."""
    end, none = np.array(time, np.int64) * S, np.zeros(len(time), np.int32)
    return Windows(none, end - S, end, np.stack([values * 0, values], axis=1), none.astype(np.float32))


def column(*numbers: float) -> Float32:
    return np.array(numbers, np.float32)[:, None]


def learned(count: int = 200) -> Levels:
    """Of one channel that is 9 and 11 in turn in the first hour: its residuals are 1."""
    made = Levels(1)
    made.columns.grow(1)
    values = column(*np.where(np.arange(count) % 2, 11.0, 9.0))
    made.follow(windows(list(range(count)), values), np.arange(count))
    return made


def test_how_far_a_level_is_away_is_measured_in_usual_residuals_and_smoothed() -> None:
    """10 away: after one reading a quarter of that counts, then 7 / 16, at last all of it."""
    made = learned()
    step = windows(list(range(200, 260)), column(*[20.0] * 60))
    away = [made.away(step, row) * AWAY for row in range(60)]
    assert away[:2] == pytest.approx([2.5, 4.4], abs=0.3)
    assert away[-1] == pytest.approx(10, abs=0.3)
    channel, level, usual = made.hold(0, 259 * S)
    assert channel == 0
    assert level == pytest.approx(20, abs=0.01)
    assert usual == pytest.approx(10, abs=0.1)


def test_a_level_has_moved_where_a_reading_is_away_from_where_it_was_held() -> None:
    made = learned()
    step = windows(list(range(200, 260)), column(*[20.0] * 60))
    for row in range(60):
        made.away(step, row)
    made.hold(0, 259 * S)
    later = windows([300, 301, 302, 303], column(20.0, 26.0, 29.0, 10.0))
    assert [made.moved(later, row) for row in range(4)] == [False, False, True, True]
    slow = windows(list(range(310, 330)), column(*[24.0] * 20))
    moved = []
    for row in range(20):
        made.away(slow, row)
        moved.append(made.moved(slow, row))
    assert not any(moved[:4])  # 4 away: more than 3 of them are smoothed in after five readings or six
    assert all(moved[6:])


def test_what_is_only_measured_is_not_learned() -> None:
    made = learned()
    before = made.columns["mean"].copy()
    made.away(windows([300], column(50.0)), 0)
    assert (made.columns["mean"] == before).all()
    made.learn(windows([300], column(50.0)), 0)
    assert 0 < (made.columns["mean"] - before).max() < 0.2  # clipped at 6 usual residuals, at a rate of 1 / 50


def test_a_level_is_not_known_before_it_was_seen_often_enough() -> None:
    few, enough = learned(FEWEST), learned(FEWEST + 1)  # the first reading has nothing to be measured by
    far = windows([300], column(1000.0))
    assert (few.away(far, 0), enough.away(far, 0) > 1) == (0.0, True)


def test_each_hour_has_its_own_level() -> None:
    made = Levels(1)
    made.columns.grow(1)
    time = np.arange(0, 5 * 24 * HOUR, 600)
    usual = 10 + 5 * np.sin(2 * np.pi * time / (24 * HOUR))
    made.follow(windows(time.tolist(), usual.astype(np.float32)[:, None]), np.arange(len(time)))
    for hour in (6, 18):
        assert made.hold(0, hour * HOUR * S)[2] == pytest.approx(10 + 5 * np.sin(2 * np.pi * hour / 24), abs=0.5)


def test_a_level_that_is_accepted_is_usual_at_every_hour_of_the_day() -> None:
    made = learned()
    step = windows(list(range(200, 260)), column(*[20.0] * 60))
    for row in range(60):
        made.away(step, row)
    usual = made.accept(0)
    assert usual.shape == (BINS, 1)
    assert usual[0, 0] == pytest.approx(20, abs=0.1)
    assert np.isnan(usual[1:]).all()  # of these hours nothing is known
    assert made.away(windows([300], column(20.0)), 0) < 0.1


def test_channels_are_apart_and_missing_readings_change_nothing() -> None:
    made = Levels(2)
    made.columns.grow(1)
    values = np.stack([np.where(np.arange(200) % 2, 11.0, 9.0), np.full(200, np.nan)], axis=1).astype(np.float32)
    made.follow(windows(list(range(200)), values), np.arange(200))
    assert made.columns["learned"][0].tolist() == [199, 0]
    missing = windows([200], np.array([[np.nan, 5.0]], np.float32))
    before = made.columns["away"].copy()
    assert made.away(missing, 0) == 0
    assert (made.columns["away"] == before).all()


def test_one_reading_after_the_other_gives_the_same_bits() -> None:
    rng = np.random.default_rng(0)
    some = windows(list(range(0, 30000, 100)), rng.normal(5, 2, (300, 1)).astype(np.float32))
    whole, single = Levels(1), Levels(1)
    for made in (whole, single):
        made.columns.grow(1)
    whole.follow(some, np.arange(300))
    for row in range(300):
        single.away(some, row)
        single.learn(some, row)
    assert whole.columns.dump(np.array([0])).tobytes() == single.columns.dump(np.array([0])).tobytes()


def test_readings_at_both_ends_of_float32_leave_a_level_that_is_a_number() -> None:
    made, most = learned(), float(np.finfo(np.float32).max)
    ends = windows(list(range(200, 206)), column(*[most, -most] * 3))
    for row in range(6):
        made.away(ends, row)
        made.learn(ends, row)

    assert np.isfinite(made.columns["away"]).all()
    assert np.isfinite(made.away(windows([300], column(20.0)), 0))


def test_an_hour_of_many_readings_is_known_whole_and_does_not_jump_to_the_next() -> None:
    """Every 10 s, on a wave of a day, where it is steepest: in the middle of an hour and where the next one begins."""
    made, step = Levels(1, 10 * S), 10
    made.columns.grow(1)
    time = np.arange(0, 2 * 24 * HOUR, step)
    values = (10 + 5 * np.sin(2 * np.pi * time / (24 * HOUR))).astype(np.float32)[:, None]
    made.follow(windows(time.tolist(), values), np.arange(len(time)))

    for hour in (11.5, 12.0, 12.5):
        usual = made.hold(0, int(hour * HOUR) * S)[2]
        assert usual == pytest.approx(10 + 5 * np.sin(2 * np.pi * hour / 24), abs=0.2)
    before, after = (made.hold(0, 12 * HOUR * S + ns)[2] for ns in (-1, 0))
    assert before == pytest.approx(after, abs=1e-3)
