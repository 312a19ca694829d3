"""A model that was trained again takes over only if it does no worse; one that learned from poison does."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np
import pytest

from monitor import bootstrap
from monitor.config.families import Family
from monitor.ports.store import HistoryBlock
from monitor.records.batches import Float64
from monitor.training import fit
from monitor.training.challenger import Decision, decide
from monitor.training.trial import Found, Model, Trial

SECOND = 10**9
DAY = 720
NAMES = ("a", "b", "c")
LEARNED = 2 * DAY


def family(**changes: Any) -> Family:
    given = {"topic": "t", "interval": "1s", "window": {"length": 8}, "detector": {"kind": "mahalanobis"}}
    given["recipe"] = "plain"
    return Family.model_validate(given | changes)


def readings(first: int, count: int, seed: int) -> Float64:
    """A day's wave with noise; another level in each stream."""
    time = np.arange(first, first + count)
    noise = np.random.default_rng([seed, first]).normal(size=count)
    return np.asarray(50 + 10 * seed + 5 * np.sin(2 * np.pi * time / DAY) + noise)


def block(first: int, values: Float64) -> HistoryBlock:
    return HistoryBlock(1, (first + np.arange(len(values))) * SECOND, values.astype(np.float32)[:, None])


def trained(family_: Family, history: list[fit.Named], id_: str) -> Model:
    found = fit.train(family_, history, partial(bootstrap.detector, family_), bootstrap.normal_scores())
    return Model(id_ * 64, *found)


@cache
def champion(recipe: str = "plain") -> Model:
    history = [(name, block(0, readings(0, LEARNED, seed))) for seed, name in enumerate(NAMES)]
    return trained(family(recipe=recipe), history, "c")


def challenged(history: list[fit.Named], recipe: str = "plain") -> Decision:
    made, known = family(recipe=recipe), champion(recipe)
    trial = Trial(made, partial(bootstrap.recipe, made), history, known.profiles)
    return decide(known, trained(made, history, "d"), trial)


def spoilt(kind: str, values: Float64, rng: np.random.Generator) -> Float64:
    count, sign = len(values), rng.choice([-1.0, 1.0], len(values))
    poisons = {
        "faults": np.where(rng.random(count) < 0.3, values + sign * rng.uniform(8, 60, count), values),
        "constant": np.full(count, values.mean()),
        "ten times as large": 10 * values,
        "ten times as wide": values.mean() + 10 * (values - values.mean()),
        "half garbage": np.where(rng.random(count) < 0.5, rng.uniform(-500, 500, count), values),
        "noise": values.mean() + 5 * rng.normal(size=count),
        "another level": values + 60,
        "as before": values,
        "drifting": values + np.linspace(0, 2, count),
        "a little wider": values.mean() + 1.3 * (values - values.mean()),
    }
    found: Float64 = poisons[kind]
    return found


def history(kind: str, *, old_too: bool) -> list[fit.Named]:
    """What is kept at a doubling: the readings of the champion, and as many that came since."""
    found: list[fit.Named] = []
    for seed, name in enumerate(NAMES):
        rng = np.random.default_rng(seed)
        old, new = (readings(first, LEARNED, seed) for first in (0, LEARNED))
        found.append((name, block(0, spoilt(kind, old, rng) if old_too else old)))
        found.append((name, block(LEARNED, spoilt(kind, new, rng))))
    return found


POISONS = ("faults", "ten times as large", "ten times as wide", "half garbage", "noise")


@pytest.mark.parametrize("recipe", ["plain", "default"])
@pytest.mark.parametrize(
    ("kind", "old_too"), [("constant", True), *((kind, old_too) for kind in POISONS for old_too in (False, True))]
)
def test_what_learned_from_poison_is_refused_with_a_reason(kind: str, old_too: bool, recipe: str) -> None:
    decision = challenged(history(kind, old_too=old_too), recipe)

    assert decision.refused, decision
    assert len(decision.refused) > 30


@pytest.mark.parametrize("old_too", [False, True])
def test_another_level_is_refused_where_a_level_is_learned(old_too: bool) -> None:
    """The detector of `default` sees residuals, to which a level is nothing; a step between two levels is a fault."""
    assert challenged(history("another level", old_too=old_too)).refused
    assert (challenged(history("another level", old_too=old_too), "default").refused == "") == old_too


@pytest.mark.parametrize("recipe", ["plain", "default"])
@pytest.mark.parametrize("kind", ["as before", "drifting", "a little wider"])
def test_what_learned_from_readings_as_they_are_takes_over(kind: str, recipe: str) -> None:
    decision = challenged(history(kind, old_too=False), recipe)

    assert decision.refused == ""
    assert decision.challenger is not None
    assert decision.champion is not None
    assert decision.challenger.alarms <= max(0.01, decision.champion.alarms)
    assert decision.challenger.faults > 0.2


def test_a_model_that_is_blind_or_nervous_is_refused() -> None:
    known = champion()
    usual = history("as before", old_too=False)

    def other(times: float) -> Model:
        """The same with another limit."""
        changed = {
            name: replace(profile, score_mean=times * profile.score_mean, score_std=times * profile.score_std)
            for name, profile in known.profiles.items()
        }
        return Model("e" * 64, known.scorer, changed)

    static = family(threshold={"kind": "static"})
    trial = Trial(static, partial(bootstrap.recipe, static), usual, known.profiles)

    assert "it finds" in decide(known, other(8), trial).refused
    assert "it alarms on" in decide(known, other(0.2), trial).refused
    assert decide(known, known, trial).refused == ""


def test_too_little_to_compare_by_is_no_reason_to_change() -> None:
    none = Trial(family(), partial(bootstrap.recipe, family()), [], champion().profiles)
    assert "too few to compare" in decide(champion(), champion(), none).refused
    strangers = [("z", block(0, readings(0, 200, 1)))]
    assert len(Trial(family(), partial(bootstrap.recipe, family()), strangers, champion().profiles)) == 0
    usual = Trial(
        family(), partial(bootstrap.recipe, family()), history("as before", old_too=False), champion().profiles
    )
    unknown = champion()._replace(profiles={"z": champion().profiles["a"]})
    assert "none of the streams" in decide(champion(), unknown, usual).refused


def test_a_trial_is_the_same_each_time() -> None:
    usual = history("as before", old_too=False)

    def found() -> Found:
        return Trial(family(), partial(bootstrap.recipe, family()), usual, champion().profiles).of(champion())

    assert found() == found()


@pytest.mark.parametrize(
    "changes",
    [
        {"window": {"kind": "message", "length": 8}, "interval": "none"},
        {"window": {"kind": "tumbling", "length": 8}},
        {"interval": "none"},
        {"channels": ["x", "y"]},
        {"scale": "none"},
        {"recipe": "default", "window": {"length": 24}},
    ],
    ids=str,
)
def test_families_of_every_shape_are_tried(changes: dict[str, Any]) -> None:
    made = family(**changes)
    rng, width = np.random.default_rng(0), made.shape.width
    values = (np.sin(np.arange(3000) / 30)[:, None] + 0.2 * rng.normal(size=(3000, width))).astype(np.float32)
    kept = [("a", HistoryBlock(1, np.arange(3000) * SECOND, values))]
    model = trained(made, kept, "f")

    found = Trial(made, partial(bootstrap.recipe, made), kept, model.profiles).of(model)

    assert found.alarms < 0.05
    assert 0.2 < found.faults <= 1
