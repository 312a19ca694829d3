"""The recipe `multivariate`: the largest ratio of its parts, held until it has fallen below half."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.config.families import Family
from monitor.config.settings import parse
from monitor.errors import SettingsError
from monitor.pipeline.scoring.learned_limits import LEAST_MARGIN, learned_of
from monitor.pipeline.scoring.mixture import DETECTOR
from monitor.pipeline.scoring.recipes.multivariate import LASTING, LEVEL, SHIFT, SPIKE, Largest, learn
from monitor.pipeline.scoring.stream_scaling import Profile
from monitor.records.batches import Float32, Windows

FOUR = np.zeros(4, np.float32), np.ones(4, np.float32)
NAMES = (DETECTOR, LEVEL, SHIFT, SPIKE)
ONE = np.ones(2, np.float32)
CONSTANTS = {
    "center": 0 * ONE, "scale": ONE, "weight": ONE, "shift": 1e9 * ONE, "spike": 1e9 * ONE,
    "level": np.array([0, 0.25], np.float32),
}  # fmt: skip
PROFILE = Profile(0 * ONE, ONE, 1.0, 0.25, 50, constants=CONSTANTS)  # detector: usual 1, limit 1 + 6 x 0.25 = 2.5


def recipe(profile: Profile = PROFILE) -> Largest:
    wanted = {
        "topic": "t",
        "interval": "1s",
        "channels": ["a", "b"],
        "window": {"length": 4},
        "recipe": "multivariate",
    }
    made = Largest(Family.model_validate(wanted))
    for part in (*made.companions.values(), *made.calibration.values()):
        part.grow(1)
    made.enrol(0, profile)
    return made


def judge(made: Largest, values: Float32, detector: float = 1.0) -> dict[str, Float32]:
    count = len(values)
    windows = np.repeat(values[:, None], 4, axis=1)
    end = np.arange(count)
    given = Windows(np.zeros(count, np.int32), end, end, windows, np.zeros(count, np.float32))
    return dict(made.components(given, np.full(count, detector, np.float32), {}))


def score(found: dict[str, Float32]) -> Float32:
    return np.asarray(np.sum([np.nan_to_num(found[name]) for name in NAMES], axis=0))


def test_the_level_is_measured_from_its_usual_score_to_eight_deviations() -> None:
    """Limit 0 + 8 x 0.25 = 2: readings at 3 have the ratio 1.5."""
    found = judge(recipe(), np.full((20, 2), 3, np.float32))

    assert score(found)[-1] == pytest.approx(1.5)
    assert found[LEVEL][-1] == pytest.approx(1.5)


def test_the_detector_is_the_mean_of_twenty_windows_against_six_deviations() -> None:
    made = recipe()
    judge(made, np.zeros((19, 2), np.float32), detector=1.0)

    found = judge(made, np.zeros((20, 2), np.float32), detector=2.8)

    assert score(found)[0] == pytest.approx(1.8 / 1.5 / 20)
    assert score(found)[-1] == pytest.approx(1.8 / 1.5)


def test_the_twelve_windows_that_hold_one_absurd_reading_are_no_lasting_anomaly() -> None:
    made = recipe()
    judge(made, np.zeros((19, 2), np.float32))

    found = score(judge(made, np.zeros((12, 2), np.float32), detector=np.inf))

    assert found == pytest.approx(np.arange(1, 13) * 1.5 / 20)


def test_an_anomaly_lasts_until_its_ratio_is_below_half() -> None:
    made = recipe()
    assert score(judge(made, np.full((20, 2), 3, np.float32)))[-1] == pytest.approx(1.5)

    falling = score(judge(made, np.zeros((20, 2), np.float32)))  # the mean of the last 20 falls by 0.075 a reading

    assert falling[:6] == pytest.approx(1.5 - 0.075 * np.arange(1, 7))
    assert falling[6:13] == pytest.approx([LASTING] * 7)
    assert falling[13:] == pytest.approx(1.5 - 0.075 * np.arange(14, 21), abs=1e-6)


def test_the_largest_ratio_is_the_score_and_is_shared_out_by_size() -> None:
    made = recipe(Profile(0 * ONE, ONE, 1.0, 0.25, 50, constants=CONSTANTS | {"spike": np.array([4, 4], np.float32)}))
    judge(made, np.zeros((20, 2), np.float32))

    found = judge(made, np.array([[0, 8]], np.float32), detector=1.0)  # spike 8 / 4; level 8 / 20 of 2

    assert score(found)[0] == pytest.approx(2)
    assert found[SPIKE][0] == pytest.approx(2 * 2 / 2.2)
    assert found[LEVEL][0] == pytest.approx(2 * 0.2 / 2.2)
    assert made.blame(0) == pytest.approx([0, 2])


@pytest.mark.parametrize("garbage", [3.4e38, -3.4e38, np.inf])
def test_garbage_is_an_anomaly_with_a_ratio_that_can_be_written_down(garbage: float) -> None:
    made = recipe(
        Profile(0 * ONE, ONE, 1.0, 0.25, 50, constants=CONSTANTS | {"spike": np.array([1e-6] * 2, np.float32)})
    )
    judge(made, np.zeros((20, 2), np.float32))

    assert score(judge(made, np.array([[garbage, 0]], np.float32)))[0] == pytest.approx(1e9)
    assert made.blame(0)[0] == pytest.approx(1e9)


def test_shifts_are_change_points() -> None:
    made = recipe(Profile(0 * ONE, ONE, 1.0, 0.25, 50, constants=CONSTANTS | {"shift": np.array([1, 2], np.float32)}))
    judge(made, np.zeros((80, 2), np.float32))

    judge(made, np.full((10, 2), 3, np.float32))

    assert made.shifts.ratio[-1] == 3
    assert (made.shifts.channel[-1], made.shifts.before[-1], made.shifts.after[-1]) == (0, 0, 3)


def test_white_noise_has_scales_of_one_and_a_level_of_about_one() -> None:
    noise = np.random.default_rng(0).normal(0, 1, (20_000, 4)).astype(np.float32)

    known = learned_of(Profile(*FOUR, 1.0, 0.25, 50, constants=learn(noise)), 6.0)

    assert known["learned"]
    assert known["scale"] == pytest.approx([1] * 4, rel=0.1)
    assert known["weight"] == pytest.approx([1] * 4, rel=0.1)
    assert known["shift"] == pytest.approx([5 * np.sqrt(1 / 10 + 1 / 60)] * 4, rel=0.1)
    assert known["level_usual"] == pytest.approx(1, abs=0.1)
    assert known["level_margin"] == LEAST_MARGIN
    assert (known["detector_usual"], known["detector_margin"]) == (1, 1.5)


def test_a_model_of_another_recipe_leaves_the_detector_and_spikes() -> None:
    made = recipe(Profile(0 * ONE, ONE, 1.0, 0.25, 50))
    values = np.full((200, 2), 1e6, np.float32) * (1 + 1e-4 * np.random.default_rng(0).normal(0, 1, (200, 2)))
    values[180, 1] *= 2

    found = judge(made, values.astype(np.float32), detector=4.0)

    assert found[DETECTOR][150] == pytest.approx(1.5)
    assert np.isnan(found[LEVEL]).all()
    assert np.isnan(found[SHIFT]).all()
    assert found[SPIKE][180] > 1


def test_channels_that_all_wander_have_no_level() -> None:
    walk = np.cumsum(np.random.default_rng(1).normal(0, 1, (2000, 4)), axis=0).astype(np.float32)

    known = learned_of(Profile(*FOUR, 1.0, 0.2, 50, constants=learn(walk)), 6.0)

    assert known["level_margin"] == LEAST_MARGIN
    assert (np.asarray(known["weight"]) * 10 < LEAST_MARGIN).all()  # no distance reaches the limit


def test_windows_that_are_no_run_of_readings_are_refused() -> None:
    family = {"topic": "t", "interval": "none", "recipe": "multivariate", "window": {"kind": "message", "length": 8}}

    with pytest.raises(SettingsError, match='recipe: "multivariate" judges readings that follow one another'):
        parse({"families": {"beats": family}})


def test_a_spike_of_a_channel_that_rested_while_it_was_learned_is_an_anomaly() -> None:
    """The detector and the levels see nothing of it; `usual` knows no band of that channel."""
    past = np.random.default_rng(0).normal(0, 1, (500, 2)).astype(np.float32)
    past[:, 1] = 7
    made = recipe(Profile(0 * ONE, ONE, 1.0, 0.25, 50, constants=learn(past)))
    values = past[-60:].copy()
    values[50, 1] = 9
    found = judge(made, values)
    assert (score(found)[:50] < 1).all()
    assert score(found)[50] == pytest.approx(2)
    assert made.blame(50)[1] > 0.9 * made.blame(50).sum()
    assert np.isnan(made.usual(0, 50).deviation[1])
    assert made.usual(0, 50).deviation[0] == pytest.approx(1, abs=0.1)
