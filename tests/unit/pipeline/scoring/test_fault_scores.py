"""Scores since an alert opened, and what a recipe makes of them when a person expects that level."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pytest

from monitor.config.families import Family
from monitor.pipeline.scoring.fault_scores import FaultScores, Seen, leads
from monitor.pipeline.scoring.mixture import Components, Facts
from monitor.pipeline.scoring.recipe import Open, Recipe
from monitor.pipeline.scoring.stream_scaling import Profile
from monitor.pipeline.state.codec import StreamPart
from monitor.pipeline.thresholds.fixed import FixedThreshold
from monitor.records.batches import Float32, Int64, Windows
from monitor.records.streams import StreamIndex
from monitor.testing.in_memory import DistanceScorer

FAMILY = Family.model_validate({"topic": "t", "interval": "1s", "window": {"length": 2}})


def test_scores_count_from_the_opening_of_an_alert_to_its_end() -> None:
    made = FaultScores()
    made.columns.grow(2)
    stream = np.array([0, 0, 0, 0, 1, 1], np.int32)
    score = np.array([9, 2, 4, 6, 7, 7], np.float32)
    made.follow(stream, score, np.array([True, False, True, True, True, False]))
    assert made.take(0) == Seen(5.0, 1.0, 2)
    assert made.take(0) == made.take(1) == Seen(0.0, 0.0, 0)


def test_any_cut_gives_the_same_sums() -> None:
    rng = np.random.default_rng(0)
    stream = np.sort(rng.integers(0, 3, 200)).astype(np.int32)
    score, open_ = rng.normal(5, 2, 200).astype(np.float32), rng.random(200) < 0.9
    whole, parts = FaultScores(), FaultScores()
    for made, edges in ((whole, [0, 200]), (parts, [0, 1, 50, 51, 120, 200])):
        made.columns.grow(3)
        for begin, end in pairwise(edges):
            made.follow(stream[begin:end], score[begin:end], open_[begin:end])
    codes = np.arange(3)
    assert whole.columns.dump(codes).tobytes() == parts.columns.dump(codes).tobytes()


def test_what_leads_to_an_alert_comes_before_it_in_its_stream() -> None:
    stream = np.array([0, 0, 0, 0, 1, 1, 1], np.int32)
    opens = np.array([False, True, False, False, False, False, True])
    assert leads(stream, opens).tolist() == [True, False, False, False, True, True, False]


class Alone:
    """A mixture without companions: the detector's score is the score."""

    limit = 3.0
    companions: Mapping[str, StreamPart] = {}
    calibration: Mapping[str, StreamPart] = {}

    def shown(self, windows: Windows) -> Windows:
        return windows

    def components(self, windows: Windows, detector: Float32, facts: Facts) -> Components:
        return {"detector": detector}

    def enrol(self, code: int, profile: Profile) -> None:
        """It keeps nothing."""

    def facts(self, row: int) -> Mapping[str, float]:
        return {}

    def accept(self, code: int, usual: Float32) -> None:
        raise AssertionError("nothing knows the level by hour of the day")


def judged(recipe: Recipe, value: float, count: int, *, open_: bool) -> Float32:
    """The ratios of so many windows at this level, at which an alert is open or not."""
    none, end = np.zeros(count, np.int32), np.arange(count) + 1
    values = np.full((count, 2, 1), value, np.float32)

    def alerting(rows: Int64, ratio: Float32) -> Open:
        return Open(np.full(len(rows), open_), np.zeros(len(rows), bool))

    cold = DistanceScorer().score
    return recipe.judge(Windows(none, end - 1, end, values, none.astype(np.float32)), cold, alerting).scores.ratio


@pytest.mark.parametrize("again", [False, True])
def test_a_limit_that_does_not_learn_is_raised_until_the_stream_gets_another_model(again: bool) -> None:
    index = StreamIndex()
    index.intern(["m-1"])
    recipe = Recipe("alone", 1, FAMILY, FixedThreshold(3.0), Alone())
    for section in recipe.sections.values():
        section.part.grow(1)
    one = np.ones(1, np.float32)
    profile = Profile(one * 0, one, 1.0, 0.2, 50)
    recipe.adopt("0123456789abcdef", DistanceScorer(), {"m-1": profile}, index)
    assert (judged(recipe, 9.0, 40, open_=True) > 1).all()
    recipe.accept(0, None)
    if again:
        recipe.enrol(0, profile)
    assert (judged(recipe, 9.0, 10, open_=False) > 1.001).all() == again
    assert (judged(recipe, 60.0, 10, open_=False) > 1).all()
