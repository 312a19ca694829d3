"""The recipe `default`: any cut and any restart gives the same bits, and the future changes no score."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor import bootstrap
from monitor.config.families import Family
from monitor.pipeline.family import Pipeline
from monitor.pipeline.outcome import Outcome
from monitor.pipeline.scoring.stream_scaling import Profile
from monitor.records.batches import Readings, State
from monitor.records.streams import StreamIndex
from monitor.testing.in_memory import DistanceScorer
from tests import cuts
from tests.property.test_pipeline import facts, readings

STREAMS = 3
FAMILY = Family.model_validate(
    {"topic": "t", "interval": "10m", "window": {"length": 8}, "recipe": "default", "align": {"max_gap": "20m"}}
)


def pipeline() -> Pipeline:
    """Three streams, of which the last has no model."""
    index = StreamIndex()
    index.intern([f"m-{i}" for i in range(STREAMS)])
    made, one = bootstrap.pipeline("f", FAMILY, index=index), np.ones(1, np.float32)
    profiles = {f"m-{i}": Profile(one * 0, one, 1.0, 0.2, 50) for i in range(STREAMS - 1)}
    made.adopt("0123456789abcdef", DistanceScorer(), profiles)
    return made


def plant(seed: int, n: int = 3000) -> Readings:
    """Days with noise, gaps, readings out of order, and a burst in all streams."""
    rng = np.random.default_rng(seed)
    slot = np.cumsum(rng.random(n) < 0.15) + rng.integers(0, 2, n) + (np.arange(n) > n // 3) * 40
    values = np.sin(2 * np.pi * slot / 144) + rng.normal(0, 0.2, n)
    burst = rng.integers(n // 2, 3 * n // 4)
    values[burst : burst + 60] *= 20
    return readings(rng.integers(0, STREAMS, n).tolist(), (600 * slot).tolist(), values[:, None].astype(np.float32))


def run(batch: Readings, edges: list[int], *, restart: bool) -> list[Outcome]:
    return cuts.run(pipeline, batch, edges, restart=restart)


def evidence(outcomes: list[Outcome]) -> dict[object, object]:
    """All of it, numbers as bits."""
    return {
        found.alert: (
            *(each.tobytes() for each in (found.values, found.contribution)),
            None if found.reconstruction is None else found.reconstruction.tobytes(),
            dict(found.facts),
            dict(found.components),
        )
        for outcome in outcomes
        for found in outcome.evidence
    }


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), cuts=st.lists(st.integers(0, 3000), max_size=5), restart=st.booleans())
def test_cuts_and_restarts_change_no_bit(seed: int, cuts: list[int], restart: bool) -> None:
    batch = plant(seed)

    whole, cut = run(batch, [], restart=False), run(batch, sorted(cuts), restart=restart)

    assert facts(whole) == facts(cut)
    assert evidence(whole) == evidence(cut)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), cut=st.integers(1, 3000))
def test_no_score_depends_on_what_comes_later(seed: int, cut: int) -> None:
    batch = plant(seed)
    (all_of_it,), (first, _) = run(batch, [], restart=False), run(batch, [cut], restart=False)

    later = all_of_it.scores
    keys = zip(later.stream.tolist(), later.end.tolist(), strict=True)
    known = {key: later.score[i].tobytes() for i, key in enumerate(keys)}
    for i, key in enumerate(zip(first.scores.stream.tolist(), first.scores.end.tolist(), strict=True)):
        assert known[key] == first.scores.score[i].tobytes()


def test_readings_are_judged_from_the_first_days_and_right_after_a_gap() -> None:
    (outcome,) = run(plant(1), [], restart=False)
    scores = outcome.scores

    young = scores.stream == STREAMS - 1
    assert (scores.state[young] == State.BOOTSTRAP).all()
    assert 100 < np.isnan(scores.score[young]).sum() < 180
    assert not np.isnan(scores.score[scores.stream == 0][180:]).any()
    assert {fact.alert_kind for fact in outcome.facts} >= {"anomaly"}


def test_evidence_has_the_readings_what_was_expected_and_the_share_of_each_part() -> None:
    (outcome,) = run(plant(2), [], restart=False)
    evidence = [found for found in outcome.evidence if len(found.components) == 4]

    assert evidence
    for found in evidence:
        assert found.components.keys() == {"detector", "time of day", "record", "spike"}
        assert abs(sum(found.components.values()) - 1) < 1e-6
        assert np.abs(found.values[-1, 0]) > 1.5
        assert found.reconstruction is not None
        assert 0 < found.facts["usual_deviation"] < 5
        assert found.band is not None
        low, high = found.band.low[:, 0], found.band.high[:, 0]
        np.testing.assert_allclose(high - low, 6 * found.facts["usual_deviation"], rtol=1e-4)
        assert not low[-1] <= found.values[-1, 0] <= high[-1] or found.components["time of day"] < 0.5


def test_evidence_after_a_gap_has_the_readings_since() -> None:
    slot = np.append(np.arange(300), [350, 351, 352])
    values = np.random.default_rng(0).normal(0, 0.2, (len(slot), 1)).astype(np.float32)
    values[-1] = 50
    made = pipeline()
    outcome = made.process(readings([0] * len(slot), (600 * slot).tolist(), values))

    found = outcome.evidence[-1]
    assert found.values[:, 0].tolist() == values[-3:, 0].tolist()
    assert (found.start, found.end) == (350 * 600 * 10**9, 352 * 600 * 10**9)
    assert found.contribution[-1, 0] > 0.9
    assert found.reconstruction is not None
    assert abs(found.reconstruction[-1, 0]) < 0.5
    assert found.band is not None
    assert found.band.low.shape == found.values.shape
    assert -3 < found.band.low[-1, 0] < 0 < found.band.high[-1, 0] < 3
