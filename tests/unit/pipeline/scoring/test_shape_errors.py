"""The error of a window against its stream's clean ones: false alarms as stated, faults found, drift followed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from models.artefacts.scores import ScoreSummary
from monitor.pipeline.scoring.false_alarms import FALSE_ALARMS, limit
from monitor.pipeline.scoring.recipes.vectors import LIMIT
from monitor.pipeline.scoring.shape_errors import FEWEST, Errors, ShapeErrors
from monitor.pipeline.scoring.stream_scaling import Profile
from monitor.records.batches import Float32, Float64

ONE = np.ones(1, np.float32)
DISTRIBUTIONS: dict[str, Callable[[np.random.Generator, int], Float64]] = {
    "log-normal, wide": lambda rng, n: rng.lognormal(0, 0.6, n),
    "log-normal, narrow": lambda rng, n: rng.lognormal(3, 0.35, n),
    "root of chi-square": lambda rng, n: np.sqrt(rng.chisquare(8, n)),
    "gamma": lambda rng, n: rng.gamma(6, 0.1, n),
    "normal": lambda rng, n: np.maximum(rng.normal(1, 0.25, n), 0.05),
}


def profile(training: Float64) -> Profile:
    found = ScoreSummary.of(training.astype(np.float32))
    return Profile(ONE * 0, ONE, found.mean, found.std, found.count)


def seeded(training: Float64) -> ShapeErrors:
    errors = ShapeErrors()
    errors.columns.grow(1)
    errors.seed(0, profile(training))
    return errors


def judged(errors: ShapeErrors, error: Float64, noise: Float64 | None = None, beside: Float32 | None = None) -> Float32:
    none = np.full(len(error), np.nan, np.float32)
    given = Errors(
        np.zeros(len(error), np.int32), error.astype(np.float32), none if beside is None else beside,
        none.astype(np.float64) if noise is None else noise,
    )  # fmt: skip
    return errors.surprise(given, LIMIT)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_false_alarms_are_about_as_many_as_stated_whatever_the_distribution(name: str) -> None:
    """Measured on 20,000 windows that were not learned from; faults that hid in the training do not lift the limit."""
    rng = np.random.default_rng(5)
    training = DISTRIBUTIONS[name](rng, 400)
    training[::10] *= 20
    later = DISTRIBUTIONS[name](rng, 20_000)

    alarms = float((judged(seeded(training), later) > LIMIT).mean())

    assert alarms <= 4 * FALSE_ALARMS, alarms
    assert judged(seeded(training), np.array([2 * np.quantile(later, 0.999)]))[0] > LIMIT


def test_the_limit_in_the_unit_of_the_errors_is_the_same_one() -> None:
    training = DISTRIBUTIONS["log-normal, narrow"](np.random.default_rng(1), 500)
    found = profile(training)
    edge = limit(found.score_mean, found.score_std)

    below, above = judged(seeded(training), np.array([edge * 0.99])), judged(seeded(training), np.array([edge * 1.01]))

    assert below[0] < LIMIT < above[0]


def test_faults_that_last_are_not_learned() -> None:
    rng = np.random.default_rng(2)
    errors = seeded(rng.lognormal(0, 0.4, 300))
    before = errors.columns["mean"][0, 0]

    found = judged(errors, rng.lognormal(np.log(8), 0.1, 5000))

    assert (found > LIMIT).all()
    assert errors.columns["mean"][0, 0] == before


def test_slow_drift_is_followed() -> None:
    rng = np.random.default_rng(3)
    errors = seeded(rng.lognormal(0, 0.4, 300))
    drifting = rng.lognormal(0, 0.4, 10_000) * np.geomspace(1, 4, 10_000)

    assert (judged(errors, drifting) > LIMIT).mean() < 0.01
    assert judged(errors, np.array([30.0]))[0] > LIMIT


def test_noise_explains_an_error_and_not_every_error() -> None:
    """Noise is given in times of what is usual."""
    rng = np.random.default_rng(4)
    errors, noise = seeded(rng.lognormal(-1, 0.3, 100)), np.full(200, 10.0)
    judged(errors, rng.lognormal(0.3, 0.3, 200), noise)

    in_calm = judged(errors, np.array([1.5]), np.ones(1))
    in_noise = judged(errors, np.array([1.5]), noise[:1])
    fault = judged(errors, np.array([40.0]), noise[:1])

    assert in_noise[0] < LIMIT < in_calm[0]
    assert fault[0] > LIMIT


def test_noise_that_lasts_does_not_widen_the_limit_of_quiet_stretches() -> None:
    rng = np.random.default_rng(9)
    errors = seeded(rng.lognormal(-1, 0.3, 300))
    before = judged(errors, np.array([1.2]), np.ones(1))[0]

    judged(errors, rng.lognormal(-0.3, 0.5, 3000), np.full(3000, 4.0))

    assert judged(errors, np.array([1.2]), np.ones(1))[0] == pytest.approx(before, abs=0.1)


def test_an_early_beat_is_not_learned_even_if_its_shape_is_usual() -> None:
    errors = seeded(np.random.default_rng(10).lognormal(0, 0.3, 100))
    before = errors.columns["known"][0, 0]

    judged(errors, np.array([0.9]), beside=np.array([2.0], np.float32))

    assert errors.columns["known"][0, 0] == before


def test_without_a_training_the_first_errors_are_learned() -> None:
    errors = ShapeErrors()
    errors.columns.grow(1)
    found = judged(errors, np.random.default_rng(6).lognormal(0, 0.3, 40))

    assert np.isnan(found[: int(FEWEST)]).all()
    assert not np.isnan(found[int(FEWEST) :]).any()


def test_an_infinite_error_is_an_anomaly_and_not_learned() -> None:
    errors = seeded(np.random.default_rng(7).lognormal(0, 0.3, 100))

    assert judged(errors, np.array([np.inf]))[0] > LIMIT
    assert np.isfinite(errors.columns["mean"][0, 0])


def test_what_a_companion_adds_keeps_a_window_from_being_learned() -> None:
    errors = seeded(np.random.default_rng(8).lognormal(0, 0.3, 100))
    before = errors.columns["known"][0, 0]

    judged(errors, np.array([1.0]), beside=np.array([9.0], np.float32))

    assert errors.columns["known"][0, 0] == before
