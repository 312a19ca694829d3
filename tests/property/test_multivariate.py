"""The recipe `multivariate` in a pipeline: no cut, restart or future reading changes a bit of what it says."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor import bootstrap
from monitor.config.families import Family
from monitor.pipeline.family import Pipeline
from monitor.pipeline.outcome import Outcome
from monitor.pipeline.scoring.recipes.multivariate import learn
from monitor.pipeline.scoring.stream_scaling import Profile
from monitor.records.alerts import Fact, FactKind
from monitor.records.batches import Readings, State
from monitor.records.streams import StreamIndex
from monitor.testing.in_memory import DistanceScorer
from tests import cuts
from tests.property.test_pipeline import facts, readings

STREAMS, CHANNELS, LEARNED, JUDGED = 3, 3, 400, 160
FAMILY = Family.model_validate(
    {"topic": "t", "interval": "1s", "channels": ["a", "b", "c"], "window": {"length": 8}, "recipe": "multivariate"}
)


def pipeline(family: Family = FAMILY) -> Pipeline:
    """Three streams of white noise, of which the last has no model."""
    index = StreamIndex()
    index.intern([f"m-{i}" for i in range(STREAMS)])
    made = bootstrap.pipeline("f", family, index=index)
    past = np.random.default_rng(0).normal(0, 1, (LEARNED, CHANNELS)).astype(np.float32)
    one = np.ones(CHANNELS, np.float32)
    profile = Profile(0 * one, one, 0.8, 0.1, 50, constants=learn(past))
    made.adopt("0123456789abcdef", DistanceScorer(), {f"m-{i}": profile for i in range(STREAMS - 1)})
    return made


def plant(seed: int) -> Readings:
    """Out of order and with gaps and missing values; a channel moves for a while, and there are spikes."""
    rng = np.random.default_rng(seed)
    count = STREAMS * JUDGED
    values = rng.normal(0, 1, (count, CHANNELS)).astype(np.float32)
    values[rng.random(values.shape) < 0.02] = np.nan
    moves = int(rng.integers(count // 3, count // 2))
    values[moves : moves + 180, rng.integers(0, CHANNELS)] += 4
    values[rng.integers(0, count, 5), rng.integers(0, CHANNELS, 5)] = rng.choice([40, -1e9, 1e12], 5)
    time = np.arange(count) // STREAMS + rng.integers(0, 3, count)
    return readings(rng.integers(0, STREAMS, count).tolist(), time.tolist(), values)


def run(batch: Readings, edges: list[int], *, restart: bool = False) -> list[Outcome]:
    return cuts.run(pipeline, batch, edges, restart=restart)


def said(outcomes: list[Outcome]) -> dict[str, object]:
    """Everything that reaches SQL, and the shares in the evidence."""
    of = {found.alert: dict(found.components) for outcome in outcomes for found in outcome.evidence}
    blame = {found.alert: found.contribution.tobytes() for outcome in outcomes for found in outcome.evidence}
    return {**facts(outcomes), "components": of, "contribution": blame}


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    cuts=st.lists(st.integers(0, STREAMS * JUDGED), max_size=6),
    restart=st.booleans(),
)
def test_cuts_and_restarts_change_no_bit(seed: int, cuts: list[int], restart: bool) -> None:
    batch = plant(seed)

    assert said(run(batch, [])) == said(run(batch, sorted(cuts), restart=restart))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), cut=st.integers(1, STREAMS * JUDGED))
def test_the_future_changes_no_bit_of_the_past(seed: int, cut: int) -> None:
    batch = plant(seed)
    changed = batch.take(np.arange(len(batch)))
    changed.values[cut:] = 7

    (first,), (other,) = run(batch.take(np.arange(cut)), []), run(changed, [])

    there = scored(other)
    for window, score in scored(first).items():
        assert np.array_equal(score, there[window], equal_nan=True)


def scored(outcome: Outcome) -> dict[tuple[int, int], float]:
    """The score of each window, by stream and end."""
    scores = outcome.scores
    return dict(zip(zip(scores.stream.tolist(), scores.end.tolist(), strict=True), scores.score.tolist(), strict=True))


def change_points(outcomes: list[Outcome]) -> list[Fact]:
    every = [fact for outcome in outcomes for fact in outcome.facts]
    return [fact for fact in every if fact.alert_kind == "change" and fact.kind is FactKind.OPENED]


def test_a_moved_channel_is_an_anomaly_and_a_change_that_name_it() -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(0, 1, (300, CHANNELS)).astype(np.float32)
    values[150:, 1] += 4
    (outcome,) = run(readings([0] * 300, list(range(300)), values), [])

    state = outcome.scores.state
    assert (state[outcome.scores.end < 150 * 10**9] != State.ANOMALY).all()
    assert (state[outcome.scores.end >= 160 * 10**9] == State.ANOMALY).all()
    changes = change_points([outcome])
    assert changes
    assert all(150 <= fact.at / 10**9 <= 230 for fact in changes)
    assert {fact.channel for fact in changes} == {"b"}
    assert "b has moved from" in changes[0].cause
    (evidence,) = outcome.evidence
    assert evidence.contribution.sum(axis=0).argmax() == 1
    assert abs(sum(evidence.components.values()) - 1) < 1e-6


def test_streams_that_were_saved_under_another_recipe_are_judged_by_this_one_at_once() -> None:
    codes = np.arange(STREAMS, dtype=np.int32)
    calm = np.random.default_rng(7).normal(0, 1, (50 * STREAMS, CHANNELS)).astype(np.float32)
    of = [i % STREAMS for i in range(50 * STREAMS)]
    other = pipeline(FAMILY.model_copy(update={"recipe": "plain"}))
    other.process(readings(of, [i // STREAMS for i in range(50 * STREAMS)], calm))

    made = pipeline()
    made.load(codes, other.dump(codes))
    outcome = made.process(readings([0] * 30, list(range(50, 80)), calm[:30] + np.float32(8)))

    assert outcome.scores.state[-1] == State.ANOMALY


def test_a_stream_without_a_model_is_judged_by_spikes_alone() -> None:
    rng = np.random.default_rng(6)
    values = rng.normal(0, 1, (400, CHANNELS)).astype(np.float32)
    values[300, 2] = 40
    (outcome,) = run(readings([2] * 400, list(range(400)), values), [])

    at = outcome.scores.end // 10**9
    assert (outcome.scores.ratio[at == 300] > 1).all()
    assert np.count_nonzero(outcome.scores.ratio > 1) == 1
    assert not change_points([outcome])
