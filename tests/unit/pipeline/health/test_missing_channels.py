"""One channel of several that has no value any more: an alert of its own, and the others are still judged."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from monitor.pipeline.family import Pipeline
from monitor.records.alerts import Fact, FactKind, alert_id
from monitor.records.batches import State
from tests.unit.pipeline.health.test_stream_health import NAN, S, alert_of, pipeline, readings

PAIR: dict[str, Any] = {"channels": ["inlet", "outlet"], "interval": "10s", "recipe": "plain", "window": {"length": 10}}
PATIENCE = 10  # readings: a hundred seconds


def feed(made: Pipeline, first: int, outlet: list[float], inlet: list[float] | None = None) -> list[Fact]:
    count = len(outlet)
    rows = [[a, b] for a, b in zip(inlet or [0.1 * (t % 7) for t in range(count)], outlet, strict=True)]
    outcome = made.process(readings([0] * count, [10.0 * (first + t) for t in range(count)], rows))
    return [fact for fact in outcome.facts if fact.alert_kind == "missing" and fact.kind is not FactKind.CONTINUED]


def test_a_channel_without_values_is_an_alert_that_names_it_and_since_when() -> None:
    made = pipeline(1, **PAIR)
    assert feed(made, 0, [1, 2, 3, 4, 5]) == []
    assert feed(made, 5, [NAN] * (PATIENCE - 1)) == []

    (opened,) = feed(made, 14, [NAN] * 3)

    assert (opened.channel, opened.at, opened.started_at) == ("outlet", 140 * S, 50 * S)
    assert opened.alert == alert_id("live", "f", "m-0", 140 * S, "missing", "outlet")
    assert opened.cause == "outlet has had no value since 1970-01-01T00:00:50Z"
    assert feed(made, 17, [1, 2, NAN, 3, 4]) == []  # three in a row with a value resolve it
    (cleared,) = feed(made, 22, [5, 6])
    assert (cleared.kind, cleared.at, cleared.alert) == (FactKind.CLEARED, 220 * S, opened.alert)


def test_single_missing_values_are_no_alert() -> None:
    assert feed(pipeline(1, **PAIR), 0, [1, NAN, 2, NAN, NAN, 3] * 20) == []


def test_a_channel_that_never_had_a_value_is_one() -> None:
    (opened,) = feed(pipeline(1, **PAIR), 0, [NAN] * 30)
    assert (opened.channel, opened.started_at) == ("outlet", 0)


def test_all_channels_are_one_alert_each_and_nothing_is_judged() -> None:
    made = pipeline(1, **PAIR)
    count = 40
    outcome = made.process(readings([0] * count, [10 * t for t in range(count)], [[NAN, NAN]] * count))
    assert [fact.channel for fact in outcome.facts] == ["inlet", "outlet"]
    assert set(outcome.scores.state.tolist()) == {State.INSUFFICIENT}
    assert (outcome.scores.imputed == 1).all()


def test_a_stream_of_one_channel_has_it_too() -> None:
    made = pipeline(1, interval="10s")
    outcome = made.process(readings([0] * 20, [10 * t for t in range(20)], [1.0, 2.0, *[NAN] * 18]))
    assert alert_of(outcome).cause == "value has had no value since 1970-01-01T00:00:20Z"


def test_values_out_of_range_are_no_valid_ones() -> None:
    made = pipeline(1, **PAIR, valid_range={"outlet": [0.0, 10.0]})
    (opened,) = feed(made, 0, [1, 2, *[99] * 12])
    assert opened.cause == "outlet has had no valid value since 1970-01-01T00:00:20Z"


def test_the_longer_one_of_a_minute_and_ten_readings_counts() -> None:
    made = pipeline(1, **PAIR | {"interval": "1s"})
    count = 70
    outcome = made.process(readings([0] * count, range(count), [[0.1 * (t % 7), NAN] for t in range(count)]))
    assert [(fact.channel, fact.at) for fact in outcome.facts] == [("outlet", 59 * S)]


@pytest.mark.parametrize("length", [10, 4, 50])
def test_the_others_are_judged_throughout(length: int) -> None:
    """The windows are never insufficient, and a spike in the other channel is found, by cold start already."""
    made = pipeline(
        1, **PAIR | {"recipe": "plain", "window": {"length": length}, "alerts": {"open_count": 1, "open_of": 1}}
    )
    count = 300
    inlet = [0.1 * (t % 7) + (50 if 200 <= t < 203 else 0) for t in range(count)]
    rows = [[a, NAN if t >= 100 else 1 + 0.1 * (t % 5)] for t, a in enumerate(inlet)]

    outcome = made.process(readings([0] * count, [10 * t for t in range(count)], rows))

    judged = outcome.scores
    if length >= 8:
        assert set(judged.state.tolist()) == {State.BOOTSTRAP}
        assert [f.at for f in outcome.facts if f.alert_kind == "anomaly" and f.kind is FactKind.OPENED] == [2000 * S]
    assert (judged.imputed[judged.end > (100 + 2 * length) * 10 * S] == 0).all()


def test_one_channel_per_message_too() -> None:
    made = pipeline(1, **PAIR, format={"channel": "c"}, align={"lateness": 0, "max_age": 5})
    rows = [[float(t % 7), NAN] for t in range(80)]
    rows[0][1] = 1.0
    outcome = made.process(readings([0] * 80, [10 * t for t in range(80)], rows))
    (opened,) = [fact for fact in outcome.facts if fact.alert_kind == "missing"]
    assert (opened.channel, opened.started_at) == ("outlet", 60 * S)
    assert not np.isnan(outcome.scores.ratio[-20:]).any()


def test_messages_that_are_windows_too() -> None:
    window = {"kind": "message", "length": 8}
    made = pipeline(1, interval="none", channels=["a", "b"], window=window)
    rows = np.random.default_rng(0).normal(0, 1, (30, 8, 2)).astype(np.float32)
    rows[5:, :, 1] = np.nan
    outcome = made.process(readings([0] * 30, range(30), rows.reshape(30, 16).tolist()))
    assert [(fact.channel, fact.started_at) for fact in outcome.facts if fact.alert_kind == "missing"] == [("b", 5 * S)]
    assert not np.isnan(outcome.scores.score).any()
