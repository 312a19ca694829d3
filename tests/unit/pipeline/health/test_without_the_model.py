"""Streams whose windows lack so much that companions alone judge their readings: an alert that says why."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from monitor import bootstrap
from monitor.alerts.lifecycle import merge_facts
from monitor.config.families import Family
from monitor.pipeline.family import Pipeline
from monitor.pipeline.scoring.stream_scaling import Profile
from monitor.records.alerts import Alert, Fact
from monitor.records.batches import Readings
from monitor.records.streams import StreamIndex
from monitor.testing.in_memory import DistanceScorer

S, MINUTE = 10**9, 60
T0 = 1_699_999_200  # a stretch begins here
SLOW = 3 * MINUTE  # less than `max_gap`: the slots between are filled in
SLOWER = 10 * MINUTE  # more: each reading restarts the window


def pipeline(*, model: bool = True, **changes: object) -> Pipeline:
    family = Family.model_validate({"topic": "t", "interval": "1m", "recipe": "default", **changes})
    index = StreamIndex()
    index.intern(["m-1"])
    made = bootstrap.pipeline("f", family, index=index)
    if model:
        one = np.ones(1, np.float32)
        made.adopt("0123456789abcdef", DistanceScorer(), {"m-1": Profile(one * 0, one, 1.0, 0.2, 50)})
    return made


def unscored(made: Pipeline, seconds: Sequence[int], pieces: int = 1) -> list[Alert]:
    facts: list[Fact] = []
    times = T0 + np.array(seconds)
    values = np.random.default_rng(1).normal(size=(len(times), 1)).astype(np.float32)
    for rows in np.array_split(np.arange(len(times)), pieces):
        time, none = times[rows], np.zeros(len(rows), np.int32)
        outcome = made.process(Readings(none, time * S, values[rows], none, none.astype(np.int64)))
        facts += [fact for fact in outcome.facts if fact.alert_kind == "unscored"]
    return [each.alert for each in merge_facts(facts, {}, {})]


def then(begin: int, count: int, step: int) -> list[int]:
    return [begin + step * i for i in range(count)]


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (SLOW, "72 windows with too few readings, 24 gaps: seems to send every 3 min, interval is 1m"),
        (SLOWER, "29 windows with too few readings, 29 gaps: seems to send every 10 min, interval is 1m"),
    ],
)
def test_a_longer_step_is_an_alert_that_says_so(step: int, words: str) -> None:
    (alert,) = unscored(pipeline(), [*then(0, 300, MINUTE), *then(300 * MINUTE + step, 300, step)])
    assert alert.cause.endswith(f" readings were not judged by the model: {words}")


def test_it_is_over_when_the_step_is_again_what_it_was() -> None:
    slow = then(300 * MINUTE, 300, SLOW)
    (alert,) = unscored(pipeline(), [*then(0, 300, MINUTE), *slow, *then(slow[-1] + MINUTE, 300, MINUTE)])
    assert alert.resolved_at is not None


@pytest.mark.parametrize("pieces", [7, 200])
def test_any_cut_of_the_input_gives_the_same_alert(pieces: int) -> None:
    lost = [at for i, at in enumerate(then(200 * MINUTE, 200, MINUTE)) if i % 3]
    times = [*then(0, 200, MINUTE), *lost, *then(400 * MINUTE, 300, SLOW)]
    assert unscored(pipeline(), times, pieces) == unscored(pipeline(), times) != []


def test_a_reading_lost_now_and_then_and_one_outage_are_none() -> None:
    one_of_ten = [at for i, at in enumerate(then(0, 600, MINUTE)) if i % 10]
    assert unscored(pipeline(), [*one_of_ten, *then(700 * MINUTE, 300, MINUTE)]) == []


def test_what_does_not_last_is_none() -> None:
    slow = then(300 * MINUTE, 150, SLOW)  # 450 minutes, of twenty times 24
    assert unscored(pipeline(), [*then(0, 300, MINUTE), *slow, *then(slow[-1] + MINUTE, 300, MINUTE)]) == []


def test_before_there_is_a_model_companions_are_all_there_is() -> None:
    assert unscored(pipeline(model=False), then(0, 300, SLOW)) == []
