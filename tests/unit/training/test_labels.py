"""A challenger on what people judged: what was true must be found, and what was false must not come back."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from monitor import bootstrap
from monitor.records.labels import Label
from monitor.testing.in_memory import MemoryStore
from monitor.training import fit
from monitor.training.labels import Labelled
from monitor.training.model_library import ModelLibrary
from monitor.training.train_family import Making, challenge, train_family
from monitor.training.trial import Model
from tests.unit.training.test_challenger import LEARNED, NAMES, SECOND, block, family, readings
from tests.unit.training.test_challenger import champion as known_champion

FAMILY = family()
AT = range(1600, 2800, 150)  # where the faults of stream a begin, each ten readings long
LENGTH, HEIGHT, EVERY = 10, 7.0, 400


def faulty(name: str, seed: int) -> fit.Named:
    values = readings(LEARNED, LEARNED, seed)
    if name == "a":
        for begin in AT:
            values[begin - LEARNED : begin - LEARNED + LENGTH] += HEIGHT
    return name, block(LEARNED, values)


def label(begin: int, *, alarm: bool) -> Label:
    return Label("a", begin * SECOND, (begin + LENGTH) * SECOND, alarm)


KEPT = [(name, block(0, readings(0, LEARNED, seed))) for seed, name in enumerate(NAMES)]
KEPT += [faulty(name, seed) for seed, name in enumerate(NAMES)]
MAKING = Making(partial(bootstrap.detector, FAMILY), bootstrap.normal_scores(), partial(bootstrap.recipe, FAMILY))


@pytest.fixture
def library(tmp_path: Path) -> ModelLibrary:
    """With a champion that was trained on readings without faults."""
    made = ModelLibrary(MemoryStore().registry, tmp_path, bootstrap.parts.load_detector)
    train_family(made, "pumps", FAMILY, KEPT[: len(NAMES)], MAKING.create, MAKING.normal)
    return made


def without(labels: list[Label]) -> list[fit.Named]:
    """What is learned from where these ranges are judged true."""
    return list(fit.kept(KEPT, FAMILY, {"a": [(of.start, of.end) for of in labels]}))


def test_a_challenger_that_learned_the_faults_is_refused_and_the_reason_is_a_line_of_its_life(
    library: ModelLibrary,
) -> None:
    """What it learned from holds such faults again and again, and the trial passes it."""
    labels, before = [label(begin, alarm=True) for begin in AT], champion(library)
    blind, _ = challenge(library, "pumps", FAMILY, poisoned(), MAKING)
    assert champion(library) == blind.id  # without labels it takes over
    library.registry.promote("pumps", before, "back")
    row, decision = challenge(library, "pumps", FAMILY, poisoned(), MAKING, Labelled.of(labels, KEPT))
    assert "alerts that people judged true, the first in stream a at" in decision.refused
    assert decision.judged.true == len(AT)
    assert decision.judged.lost > 1
    assert f"refused: {decision.refused}" in [change.reason for change in library.registry.life("pumps")]
    assert champion(library) == before != row.id


def test_a_challenger_that_left_them_out_takes_over(library: ModelLibrary) -> None:
    labels = [label(begin, alarm=True) for begin in AT]
    given = Labelled.of([*labels, Label("z", 0, SECOND, alarm=True)], KEPT)
    with capture_logs() as logged:
        row, decision = challenge(library, "pumps", FAMILY, without(labels), MAKING, given)
    assert (decision.refused, decision.judged.true, decision.judged.lost) == ("", len(AT), 0)
    assert champion(library) == row.id
    (said,) = [line for line in logged if line["event"] == "verdicts_tried"]
    assert (said["true"], said["untried"]) == (len(AT), 1)


def test_a_challenger_that_alarms_again_at_what_people_judged_false_is_refused() -> None:
    """The champion is silent there; where it alarms itself, nothing comes back."""
    static, known = family(threshold={"kind": "static"}), known_champion()
    fresh = partial(bootstrap.recipe, static)
    nervous = {
        name: replace(profile, score_mean=0.2 * profile.score_mean, score_std=0.2 * profile.score_std)
        for name, profile in known.profiles.items()
    }
    quiet = Labelled.of([label(begin + 60, alarm=False) for begin in AT], KEPT)
    found, judged = quiet.refusal(static, fresh, known, Model("e" * 64, known.scorer, nervous))
    assert "stretches that people judged false" in found
    assert judged.back > 0.1 * judged.false
    assert quiet.refusal(static, fresh, known, known)[0] == ""
    loud = Labelled.of([label(begin, alarm=False) for begin in AT], KEPT)
    assert loud.refusal(static, fresh, known, Model("e" * 64, known.scorer, nervous))[0] == ""


def test_only_what_is_kept_is_tried() -> None:
    gone = [Label("a", 10**15, 10**15 + SECOND, alarm=True), Label("z", 0, SECOND, alarm=True)]
    assert Labelled.of(gone, KEPT).labels == []


def champion(library: ModelLibrary) -> str:
    row = library.registry.champion("pumps")
    assert row is not None
    return row.id


def poisoned() -> list[fit.Named]:
    found = []
    for name, of in KEPT:
        values = of.values.copy()
        rng = np.random.default_rng(1)
        for begin in range(40, len(values), EVERY):
            values[begin : begin + LENGTH] += HEIGHT * rng.choice([-1, 1])
        found.append((name, block(int(of.time[0]) // SECOND, values[:, 0].astype(float))))
    return found
