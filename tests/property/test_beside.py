"""Companions that a family adds to its recipe: they raise ratios and change nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor import bootstrap
from monitor.config.families import Family
from monitor.config.settings import parse
from monitor.errors import SettingsError
from monitor.pipeline.family import Pipeline
from monitor.pipeline.scoring.stream_scaling import Profile
from monitor.records.batches import Readings
from monitor.records.streams import StreamIndex
from monitor.testing.in_memory import DistanceScorer
from tests import cuts
from tests.property.test_default_recipe import evidence
from tests.property.test_pipeline import facts, readings

STREAMS, ROWS = 3, 3000
BOTH = ("half_space_trees", "gaussian_scorer")
WORDS = {"half space trees", "gaussian scorer"}
RECIPES = ("plain", "default", "multivariate")


def family(recipe: str, companions: tuple[str, ...] = BOTH, **changes: object) -> Family:
    wanted: dict[str, Any] = {"topic": "t", "interval": "1m", "window": {"length": 8}, "recipe": recipe}
    return Family.model_validate(wanted | {"companions": companions} | changes)


def pipeline(recipe: str, companions: tuple[str, ...] = BOTH, **changes: object) -> Pipeline:
    """Three streams, of which the last has no model."""
    index = StreamIndex()
    index.intern([f"m-{i}" for i in range(STREAMS)])
    made, one = bootstrap.pipeline("f", family(recipe, companions, **changes), index=index), np.ones(1, np.float32)
    profiles = {f"m-{i}": Profile(one * 0, one, 1.0, 0.2, 50) for i in range(STREAMS - 1)}
    made.adopt("0123456789abcdef", DistanceScorer(), profiles)
    return made


def plant(seed: int) -> Readings:
    """Noise of each stream, readings out of order, a gap, and spikes in all streams."""
    rng = np.random.default_rng(seed)
    slot = np.arange(ROWS) // STREAMS + rng.integers(0, 2, ROWS) + (np.arange(ROWS) > ROWS // 3) * 40
    values = rng.normal(0, 0.2, ROWS)
    values[rng.integers(ROWS // 2, ROWS, 12)] += 8
    return readings((np.arange(ROWS) % STREAMS).tolist(), (60 * slot).tolist(), values[:, None].astype(np.float32))


@pytest.mark.parametrize("recipe", RECIPES)
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), edges=st.lists(st.integers(0, ROWS), max_size=5), restart=st.booleans())
def test_cuts_and_restarts_change_no_bit(recipe: str, seed: int, edges: list[int], restart: bool) -> None:
    batch = plant(seed)

    whole = cuts.run(lambda: pipeline(recipe), batch, [])
    cut = cuts.run(lambda: pipeline(recipe), batch, sorted(edges), restart=restart)

    assert facts(whole) == facts(cut)
    assert evidence(whole) == evidence(cut)


@pytest.mark.parametrize("recipe", ["default", "multivariate"])
def test_they_raise_ratios_and_leave_all_others_to_the_bit(recipe: str) -> None:
    alone, beside = (pipeline(recipe, some).process(plant(1)).scores for some in ((), BOTH))

    raised = beside.ratio > alone.ratio
    assert 5 < raised.sum() < len(raised)
    for column in ("score", "limit", "ratio", "state"):
        assert getattr(alone, column)[~raised].tobytes() == getattr(beside, column)[~raised].tobytes()
    assert beside.score[raised] == pytest.approx(beside.limit[raised] * beside.ratio[raised])
    assert (np.isnan(alone.ratio) == np.isnan(beside.ratio)).all()


def test_a_limit_that_follows_the_scores_learns_those_of_the_recipe_alone() -> None:
    """Up to the first anomaly, after which less is learned."""
    alone, beside = (pipeline("plain", some).process(plant(2)).scores for some in ((), BOTH))

    first = min(int(np.flatnonzero(scores.ratio > 1)[0]) for scores in (alone, beside))
    same = (alone.stream == alone.stream[first]) & (np.arange(len(alone.stream)) < first)
    assert same.sum() > 100
    assert alone.limit[same].tobytes() == beside.limit[same].tobytes()


@pytest.mark.parametrize("recipe", RECIPES)
def test_evidence_says_what_each_added(recipe: str) -> None:
    found = pipeline(recipe).process(plant(3)).evidence

    assert found
    assert all(set(each.components) >= WORDS for each in found)
    assert [sum(each.components.values()) for each in found] == pytest.approx([1.0] * len(found), abs=1e-5)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_family_without_them_keeps_the_state_that_it_had(recipe: str) -> None:
    """And one that adds or drops them loses nothing of the others."""
    codes, batch = np.arange(STREAMS, dtype=np.int32), plant(4)
    alone, beside = pipeline(recipe, ()), pipeline(recipe)
    added = {f"companion.{name}{part}" for name in BOTH for part in ("", ".deviations", ".surprise")}
    assert set(beside.recipe.sections) - set(alone.recipe.sections) == added
    alone.process(batch.take(np.arange(ROWS // 2)))

    assert beside.load(codes, alone.dump(codes)) == set()
    again = pipeline(recipe, ())
    assert again.load(codes, beside.dump(codes)) == set()
    assert again.dump(codes) == alone.dump(codes)
    assert beside.state_size - alone.state_size < 3500


def test_a_limit_that_is_raised_for_a_stream_counts_for_them_too() -> None:
    twice = pipeline("default", overrides=[{"streams": "m-*", "limit": 2.0}]).process(plant(5)).scores
    usual = pipeline("default").process(plant(5)).scores

    assert (usual.ratio > 1).any()
    assert twice.ratio == pytest.approx(usual.ratio / 2, nan_ok=True)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"companions": ["half_space_trees", "half_space_trees"]}, "companions: each may stand there once"),
        ({"companions": ["loda"]}, "companions"),
        ({"window": {"kind": "message", "length": 8}}, "companions: they judge readings that follow one another"),
        ({"window": {"length": 8, "hop": 2}}, "companions: they judge each reading: window.hop must be 1"),
    ],
)
def test_what_they_cannot_judge_is_refused(settings: dict[str, object], message: str) -> None:
    family = {"topic": "t", "interval": "1m", "window": {"length": 8}, "companions": ["gaussian_scorer"]}

    with pytest.raises(SettingsError, match=message):
        parse({"families": {"f": family | settings}})
