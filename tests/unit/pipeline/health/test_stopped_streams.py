"""Streams of one channel that always moved while they were learned from, and have stopped."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from monitor.pipeline.family import Pipeline
from monitor.pipeline.health.frozen_alerts import FEWEST, RESTS
from monitor.records.batches import Readings
from tests.unit.pipeline.health import test_frozen_channels as channels
from tests.unit.pipeline.health.test_frozen_channels import frozen_of
from tests.unit.pipeline.health.test_stream_health import NAN, readings

HOUR = 3600
PATIENCE = FEWEST  # seconds, of a stream that brings a reading each second


def learned(rest: int = FEWEST // RESTS, **changes: Any) -> Pipeline:
    """A family whose streams never rested for longer than a quarter of the patience."""
    return channels.learned(rest=rest, **changes)


def stream(count: int, *rests: range) -> Readings:
    """One stream whose value changes each second, but in `rests`."""
    values = (np.arange(count) % 7).astype(np.float32)
    for rest in rests:
        values[rest.start : rest.stop] = 3.25
    return readings([0] * count, range(count), values.tolist())


def test_a_stream_that_rests_longer_than_it_ever_did_is_frozen_by_default() -> None:
    outcome = learned().process(stream(200, range(50, 160)))
    assert frozen_of(*outcome.facts) == [("value", "opened", 50 + PATIENCE), ("value", "cleared", 160)]
    opened = next(fact for fact in outcome.facts if fact.alert_kind == "frozen")
    assert opened.cause == "value has stayed at 3.25 for 1m; it never rested so long while it was learned from"


def test_one_that_is_stuck_again_is_found_again() -> None:
    rests = [range(begin, begin + 200) for begin in (1000, 3000, 5000)]
    found = frozen_of(*learned().process(stream(6000, *rests)).facts)
    assert found == [
        fact
        for rest in rests
        for fact in (("value", "opened", rest.start + PATIENCE), ("value", "cleared", float(rest.stop)))
    ]


def test_nights_at_rest_become_usual() -> None:
    """Ten hours each, of a reading every ten seconds: after the second one no alert calls."""
    hour = HOUR // 10
    nights = [range(day * 24 * hour + 8 * hour, day * 24 * hour + 18 * hour) for day in range(6)]
    batch = stream(6 * 24 * hour, *nights)
    made = learned(rest=10 * FEWEST // RESTS, interval="10s")
    found = frozen_of(*made.process(replace(batch, time=10 * batch.time)).facts)
    opened = [int(at // (24 * HOUR)) for _, kind, at in found if kind == "opened"]
    assert opened[0] == 0
    assert len(opened) <= 3
    assert max(opened) <= 3


@pytest.mark.parametrize("rest", [0, 10**6, FEWEST // RESTS + 1])
def test_nothing_is_frozen_that_rests_now_and_then_or_of_which_no_rest_is_known(rest: int) -> None:
    assert frozen_of(*learned(rest=rest).process(stream(400, range(50, 400))).facts) == []


def test_what_may_rest_for_ever_is_left_alone() -> None:
    made = learned(health={"frozen_after": "none"})
    assert frozen_of(*made.process(stream(400, range(50, 400))).facts) == []


def test_a_gap_ends_a_rest() -> None:
    there = np.flatnonzero((np.arange(400) % 70) > 10)
    assert frozen_of(*learned().process(stream(400, range(50, 400)).take(there)).facts) == []


@pytest.mark.parametrize("recipe", ["plain", "default"])
def test_what_has_no_value_does_not_rest(recipe: str) -> None:
    """Its last one stands in for it; the alert about that is of kind `missing`."""
    batch = stream(400)
    batch.values[50:250] = NAN
    kinds = {fact.alert_kind for fact in learned(recipe=recipe).process(batch).facts}
    assert "missing" in kinds
    assert "frozen" not in kinds


def test_an_alert_goes_on_where_no_value_comes() -> None:
    batch = stream(400, range(50, 160))
    batch.values[130:200] = NAN
    assert frozen_of(*learned().process(batch).facts) == [
        ("value", "opened", 50 + PATIENCE),
        ("value", "cleared", 203),
    ]


def test_any_cut_and_any_restart_give_the_same_alerts() -> None:
    rng = np.random.default_rng(3)
    batch = stream(3000, range(50, 400), range(600, 700), range(720, 1100), range(1500, 1590), range(1591, 2900))
    batch.values[rng.random(batch.values.shape) < 0.002] = NAN
    whole = frozen_of(*learned().process(batch).facts)
    assert len(whole) >= 6
    for _ in range(20):
        made, found = learned(), list[Any]()
        edges = [0, *np.sort(rng.integers(0, 3000, 40)).tolist(), 3000]
        for begin, end in pairwise(edges):
            found += made.process(batch.take(np.arange(begin, end))).facts
            states, made = made.dump(np.array([0], np.int32)), learned()
            assert made.load(np.array([0], np.int32), states) == set()
        assert frozen_of(*found) == whole
