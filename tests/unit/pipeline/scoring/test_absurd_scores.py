"""Windows of absurd numbers, whose score is infinite or nearly so: anomalies with a ratio that can be written down."""

from __future__ import annotations

import numpy as np
import pytest

import models
from monitor import bootstrap
from monitor.config.families import Family
from monitor.pipeline.family import Pipeline
from monitor.pipeline.outcome import Outcome
from monitor.pipeline.scoring import cold_start
from monitor.pipeline.scoring.recipe import MOST_RATIO, MOST_SCORE
from monitor.pipeline.scoring.stream_scaling import Profile
from monitor.ports.scorer import Scorer
from monitor.records.alerts import FactKind
from monitor.records.batches import Readings, State
from monitor.records.streams import StreamIndex

S = 10**9
LENGTH = 8


def scorer(channels: int) -> Scorer:
    rng = np.random.default_rng(0)
    windows = rng.normal(0, 1, (200, LENGTH, channels)).astype(np.float32)
    return models.create("mahalanobis", length=LENGTH, channels=channels, scale=False).fit(windows)


def pipeline(channels: int = 1, *, model: bool = True, recipe: str = "plain") -> Pipeline:
    names = ["a", "b"][:channels]
    family = Family.model_validate(
        {"topic": "t", "interval": "1s", "recipe": recipe, "window": {"length": LENGTH}, "channels": names}
    )
    index = StreamIndex()
    index.intern(["m"])
    made = bootstrap.pipeline("f", family, index=index)
    one = np.ones(channels, np.float32)
    if model:
        made.adopt("0123456789", scorer(channels), {"m": Profile(0 * one, one, 1.0, 0.2, 50)})
    return made


def run(made: Pipeline, garbage: float, *, lacking: bool = False) -> Outcome:
    channels, count = len(made.family.channels), 60
    values = np.random.default_rng(1).normal(0, 1, (count, channels)).astype(np.float32)
    values[40:43, 0] = garbage
    if lacking:
        values[20:, 1] = np.nan
    none = np.zeros(count, np.int32)
    return made.process(Readings(none, np.arange(count) * S, values, none, none.astype(np.int64)))


@pytest.mark.parametrize("garbage", [1e20, -1e30, 3.4e38, -3.4028234e38])
@pytest.mark.parametrize("model", [True, False])
def test_garbage_is_an_anomaly_and_no_number_is_infinite(garbage: float, *, model: bool) -> None:
    outcome = run(pipeline(model=model), garbage)
    scores = outcome.scores
    there = (scores.end >= 40 * S) & (scores.end < 43 * S)

    assert (scores.state[there] == (State.ANOMALY if model else State.BOOTSTRAP)).all()
    assert (scores.ratio[there] > 1).all()
    assert (scores.ratio <= MOST_RATIO).all()
    assert (scores.score <= MOST_SCORE).all()
    alert = next(fact for fact in outcome.facts if fact.kind is FactKind.OPENED)
    assert np.isfinite([alert.ratio, alert.peak_ratio]).all()
    evidence = outcome.evidence[0]
    assert evidence.contribution.sum() == pytest.approx(1, abs=1e-3)
    assert evidence.contribution[-1, 0] + evidence.contribution[-2, 0] == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("garbage", [1e20, 3.4e38, -3.4028234e38])
@pytest.mark.parametrize("rest", [True, False])
def test_shares_of_an_absurd_score_are_numbers(garbage: float, *, rest: bool) -> None:
    values = np.random.default_rng(1).normal(0, not rest, (600, 1)).astype(np.float32)
    values[400:403] = garbage
    none = np.zeros(len(values), np.int32)
    time = np.arange(len(values)) * S

    outcome = pipeline(recipe="default").process(Readings(none, time, values, none, none.astype(np.int64)))

    assert outcome.evidence
    for found in outcome.evidence:
        assert sum(found.components.values()) == pytest.approx(1)
        assert np.isfinite(list(found.facts.values())).all()


def test_garbage_beside_a_channel_that_is_missing_is_an_anomaly() -> None:
    outcome = run(pipeline(2), 3.4e38, lacking=True)
    assert (outcome.scores.state[(outcome.scores.end >= 40 * S) & (outcome.scores.end < 43 * S)] == State.ANOMALY).all()
    assert (outcome.evidence[0].contribution[:, 1] == 0).all()
    assert outcome.evidence[0].contribution.sum() == pytest.approx(1, abs=1e-3)
    assert np.isnan(outcome.evidence[0].values[:, 1]).any()


def test_the_cold_start_knows_how_far_out_it_is() -> None:
    windows = np.random.default_rng(0).normal(0, 1, (3, 16, 2)).astype(np.float32)
    windows[1, -1, 0], windows[2, :, 0] = 3.4e38, np.nan
    found = cold_start.score(windows)
    assert found[1] > 1e30
    assert np.isfinite(found[[0, 2]]).all()
