"""Channels that have stopped measuring, each by itself, with siblings and without."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from monitor.pipeline.family import Pipeline
from monitor.pipeline.scoring.stream_scaling import Profile
from monitor.records.batches import Readings
from monitor.testing.in_memory import DistanceScorer
from tests.unit.pipeline.health.test_stream_health import NAN, S, alert_of, life, pipeline, readings

PAIR: dict[str, Any] = {"channels": ["speed", "load"]}
LONGEST = 20  # s: the longest rest that was seen
PATIENCE = 4 * LONGEST


def learned(streams: int = 1, rest: int = LONGEST, **changes: Any) -> Pipeline:
    """With a model, and what was seen of rests while it learned."""
    made = pipeline(streams, **changes)
    channels = len(made.family.channels)
    one = np.ones(channels, np.float32)
    profile = Profile(one * 0, one, 1.0, 0.2, 50, rest=np.full(channels, rest * S))
    made.adopt("0123456789abcdef", DistanceScorer(), {f"m-{i}": profile for i in range(streams)})
    return made


def pair(count: int, frozen: range, other: range = range(0)) -> Readings:
    """Speed and load of one stream, which vary but for load in `frozen` and speed in `other`."""
    rows = [[3.0 if t in other else t % 7, 3.2 if t in frozen else t % 5 + 0.1] for t in range(count)]
    return readings([0] * count, range(count), rows)


def frozen_of(*facts: Any) -> list[tuple[str, str, float]]:
    return [(f.channel, str(f.kind), f.at / S) for f in facts if f.alert_kind == "frozen"]


def test_a_channel_that_rests_longer_than_it_ever_did_is_frozen_by_default() -> None:
    outcome = learned(**PAIR).process(pair(200, range(50, 160)))
    assert frozen_of(*outcome.facts) == [("load", "opened", 50 + PATIENCE), ("load", "cleared", 160)]
    opened, cleared = (fact for fact in outcome.facts if fact.alert_kind == "frozen")
    assert opened.cause == "load has stayed at 3.2 for 1m20s; it never rested so long while it was learned from"
    assert cleared.cause == "load has stayed at 3.2 for 1m50s; it never rested so long while it was learned from"
    assert (opened.started_at, opened.ratio) == (50 * S, 1.0)


def test_a_batch_without_the_stream_that_rests_says_nothing_about_it() -> None:
    """It ended the worker."""
    made = learned(2, **PAIR)
    made.process(pair(60, range(50, 200)))
    others = readings([1] * 10, range(60, 70), [[t % 7, t % 5 + 0.1] for t in range(10)])
    assert frozen_of(*made.process(others).facts) == []
    assert frozen_of(*made.process(pair(200, range(50, 160)).take(np.arange(60, 200))).facts) == [
        ("load", "opened", 50 + PATIENCE), ("load", "cleared", 160),
    ]  # fmt: skip


@pytest.mark.parametrize("rest", [0, 10**6])
def test_nothing_is_frozen_of_which_no_rest_is_known(rest: int) -> None:
    assert frozen_of(*learned(rest=rest, **PAIR).process(pair(400, range(50, 400))).facts) == []


def test_a_batch_without_the_stream_that_rests_is_judged_as_any_other() -> None:
    made = learned(2, **PAIR)
    made.process(pair(100, range(50, 100)))
    other = made.process(readings([1] * 20, range(20), [[t % 7, t % 5] for t in range(20)]))
    assert len(other.scores) == 20 - made.family.shape.length + 1


def test_less_than_sixty_readings_are_no_rest() -> None:
    found = frozen_of(*learned(rest=1, **PAIR).process(pair(200, range(50, 160))).facts)
    assert found == [("load", "opened", 110), ("load", "cleared", 160)]


def test_a_machine_that_stands_still_is_not_frozen() -> None:
    assert frozen_of(*learned(**PAIR).process(pair(400, range(50, 350), range(45, 355))).facts) == []


def test_one_that_stays_behind_when_the_machine_starts_again_is() -> None:
    found = frozen_of(*learned(**PAIR).process(pair(410, range(50, 400), range(50, 300))).facts)
    assert found == [("load", "opened", 299 + PATIENCE), ("load", "cleared", 400)]


def test_a_gap_and_missing_values_end_a_rest() -> None:
    batch = pair(400, range(50, 400))
    batch.values[100:110, 1] = batch.values[170:180, 1] = batch.values[240:250, 1] = NAN
    batch.values[310:320, 1] = NAN
    assert frozen_of(*learned(**PAIR).process(batch).facts) == []
    there = np.flatnonzero((np.arange(400) % 70) > 10)
    assert frozen_of(*learned(**PAIR).process(pair(400, range(50, 400)).take(there)).facts) == []


def test_it_can_be_switched_off_and_an_alert_ends_then() -> None:
    made = learned(**PAIR)
    assert frozen_of(*made.process(pair(150, range(50, 200))).facts) == [("load", "opened", 130)]
    codes = np.array([0], np.int32)
    later = learned(**PAIR, health={"frozen_after": "none"})
    assert later.load(codes, made.dump(codes)) == set()
    batch = pair(200, range(50, 200))
    assert frozen_of(*later.process(batch.take(np.arange(150, 200))).facts) == [("load", "cleared", 150)]


def test_any_cut_and_any_restart_give_the_same_alerts() -> None:
    rng = np.random.default_rng(3)
    batch = pair(1500, range(50, 400), range(200, 500))
    batch.values[600:900, 0], batch.values[1000:1400, 1] = 2, 2
    batch.values[rng.random(batch.values.shape) < 0.002] = np.nan
    whole = frozen_of(*learned(**PAIR).process(batch).facts)
    assert len(whole) >= 4
    for _ in range(20):
        made, found = learned(**PAIR), list[Any]()
        edges = [0, *np.sort(rng.integers(0, 1500, 8)).tolist(), 1500]
        for begin, end in pairwise(edges):
            found += made.process(batch.take(np.arange(begin, end))).facts
            states, made = made.dump(np.array([0], np.int32)), learned(**PAIR)
            assert made.load(np.array([0], np.int32), states) == set()
        assert frozen_of(*found) == whole


# With `frozen_after`


def test_the_channel_is_named_and_the_others_of_its_stream_are_its_siblings() -> None:
    made = pipeline(1, **PAIR, health={"frozen_after": "10s"})
    outcome = made.process(pair(60, range(20, 45)))
    assert life(outcome) == [("frozen", "m-0", "opened", 30), ("frozen", "m-0", "cleared", 45)]
    alert = alert_of(outcome)
    assert (alert.channel, alert.cause) == ("load", "load has stayed at 3.2 for 25s")


def test_a_dead_channel_does_not_hide_that_another_one_is_frozen() -> None:
    made = pipeline(2, **PAIR, health={"frozen_after": "10s"})
    rows = [(s, t, [NAN, 7.0 if s == 0 and t >= 20 else t % 3]) for t in range(40) for s in range(2)]
    stream, time, values = zip(*rows, strict=True)
    assert frozen_of(*made.process(readings(stream, time, values)).facts) == [("load", "opened", 30)]


def test_a_stream_without_siblings_that_never_rested_so_long_while_it_was_learned_from() -> None:
    made = learned(1, health={"frozen_after": "10s"})
    outcome = made.process(readings([0] * 200, range(200), [t % 5 if t < 50 else 3 for t in range(200)]))
    assert frozen_of(*outcome.facts) == [("value", "opened", 50 + PATIENCE)]


def test_siblings_that_stand_still_too_speak_for_a_plant_that_is_off() -> None:
    made = learned(2, health={"frozen_after": "10s"})
    rows = [(s, t, (t + s) % 5 if t < 50 else 3.0) for t in range(200) for s in range(2)]
    stream, time, values = zip(*rows, strict=True)
    assert frozen_of(*made.process(readings(stream, time, values)).facts) == []
