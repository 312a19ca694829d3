"""Alerts about the streams themselves: values out of range, frozen sensors, silent streams and families."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from monitor import bootstrap
from monitor.alerts.lifecycle import merge_facts
from monitor.config.families import Family
from monitor.config.settings import parse
from monitor.errors import SettingsError
from monitor.notify.payload import payload
from monitor.pipeline.family import Pipeline
from monitor.pipeline.health.silence import Quiet
from monitor.pipeline.outcome import Outcome
from monitor.records.alerts import Alert, FactKind, Severity, alert_id
from monitor.records.batches import Readings
from monitor.records.counters import COUNTERS
from monitor.records.streams import StreamIndex

S = 10**9
NAN = float("nan")


def pipeline(streams: int = 3, health: dict[str, object] | None = None, **changes: object) -> Pipeline:
    """Without the alert `unscored`, which has tests of its own."""
    common = {"topic": "t", "interval": "1s", "recipe": "plain", "window": {"length": 4}, "align": {"lateness": 0}}
    health = {"unscored_after": "none"} | (health or {})
    family = Family.model_validate({**common, "health": health, **changes})
    index = StreamIndex()
    index.intern([f"m-{i}" for i in range(streams)])
    return bootstrap.pipeline("f", family, index=index)


def readings(stream: Sequence[int], seconds: Sequence[float], values: Sequence[Any]) -> Readings:
    none = np.zeros(len(stream), np.int32)
    time = (np.array(seconds) * S).astype(np.int64)
    cells = np.array(values, np.float32).reshape(len(stream), -1)
    return Readings(np.array(stream, np.int32), time, cells, none, none.astype(np.int64))


def life(*outcomes: Outcome) -> list[tuple[str, str, str, float]]:
    """Kind, stream and second of every fact but newer numbers, and what happened."""
    told = [fact for outcome in outcomes for fact in outcome.facts if fact.kind is not FactKind.CONTINUED]
    return [(fact.alert_kind, fact.stream, str(fact.kind), fact.at / S) for fact in told]


def alert_of(outcome: Outcome) -> Alert:
    """The one alert that its facts are about."""
    (merged,) = merge_facts(outcome.facts, {}, {})
    return merged.alert


def counts(made: Pipeline, code: int = 0) -> dict[str, int]:
    return dict(zip(COUNTERS, made.counters(np.array([code]))[0].tolist(), strict=True))


# Out of range


def test_a_value_out_of_range_is_missing_counted_and_an_alert() -> None:
    made = pipeline(1, valid_range={"value": [-10.0, 30.0]})
    values = [1, 2, 3, 50, 4, 90, 5, NAN, 6, 30, -10]

    outcome = made.process(readings([0] * 11, range(100, 111), values))

    assert counts(made) == dict.fromkeys(COUNTERS, 0) | {"accepted": 11, "imputed": 3, "out_of_range": 2}
    assert outcome.history[0][1].values[:, 0].tolist() == [1, 2, 3, 3, 4, 4, 5, 5, 6, 30, -10]
    assert life(outcome) == [("out-of-range", "m-0", "opened", 103), ("out-of-range", "m-0", "cleared", 109)]
    alert = alert_of(outcome)
    assert alert.id == alert_id("live", "f", "m-0", 103 * S, "out-of-range", "value")
    assert (alert.last_at, alert.peak_at, alert.peak_ratio) == (105 * S, 105 * S, 4.0)  # 90 is 4 half widths from 10
    assert (alert.windows, alert.severity, alert.resolved_at) == (2, Severity.WARNING, 109 * S)
    assert outcome.facts[-1].ratio == 1.0


@pytest.mark.parametrize(
    ("ends", "value", "ratio"),
    [([0.0, float("inf")], -0.5, 1.5), ([float("-inf"), 100.0], 300, 3.0), ([-50.0, float("inf")], -75, 1.5)],
)
def test_open_ranges(ends: list[float], value: float, ratio: float) -> None:
    made = pipeline(1, valid_range={"value": ends})
    outcome = made.process(readings([0] * 3, range(3), [5, value, 1e30 if ends[1] == float("inf") else -1e30]))
    assert alert_of(outcome).peak_ratio == pytest.approx(ratio)


def test_only_the_bad_channel_is_taken_out() -> None:
    made = pipeline(1, channels=["a", "b"], valid_range={"b": [0.0, 1.0]}, window={"length": 8})
    outcome = made.process(readings([0] * 2, range(2), [[100, 0.5], [200, 7.0]]))
    assert outcome.history[0][1].values.tolist() == [[100, 0.5], [200, 0.5]]
    assert made.process(readings([0], [2], [[1e30, 1.0]])).facts == []


def test_a_channel_of_its_own_messages_resolves_by_them() -> None:
    made = pipeline(1, channels=["a", "b"], format={"channel": "c"}, valid_range={"a": [0.0, 1.0], "b": [0.0, 1.0]})
    rows = [[5, NAN], *[[NAN, 0.5]] * 5, [0.5, NAN], [0.5, NAN], *[[NAN, 0.5]] * 5, [0.5, NAN]]
    outcome = made.process(readings([0] * len(rows), range(len(rows)), rows))
    assert life(outcome) == [("out-of-range", "m-0", "opened", 0), ("out-of-range", "m-0", "cleared", 13)]


def test_whole_windows_have_ranges_too() -> None:
    made = pipeline(
        1, interval="none", channels=["a", "b"], window={"kind": "message", "length": 2}, valid_range={"b": [0.0, 1.0]}
    )
    outcome = made.process(readings([0, 0], [5, 6], [[9, 0, 9, 3], [9, 0, 9, 0]]))
    assert alert_of(outcome).peak_ratio == pytest.approx(5.0)


def test_an_alert_ends_when_ranges_are_no_longer_configured() -> None:
    made = pipeline(1, valid_range={"value": [0.0, 1.0]})
    made.process(readings([0, 0], [-1, 0], [5, 5]))
    codes = np.array([0], np.int32)
    later = pipeline(1)
    assert later.load(codes, made.dump(codes)) == set()
    assert life(later.process(readings([0] * 3, [1, 2, 3], [5, 5, 5]))) == [("out-of-range", "m-0", "cleared", 3)]


def test_an_old_alert_that_is_delivered_again_is_none() -> None:
    made = pipeline(1, valid_range={"value": [0.0, 1.0]})
    batch = readings([0] * 4, range(4), [5, 0, 0, 0])
    assert len(life(made.process(batch))) == 2
    again = made.process(batch)
    assert life(again) == []
    assert counts(made)["out_of_range"] == 2


def test_a_reading_of_the_future_is_only_that() -> None:
    made = pipeline(1, valid_range={"value": [0.0, 1.0]})
    outcome = made.process(readings([0], [86_400], [5]), now=10 * S)
    assert (counts(made)["future"], counts(made)["out_of_range"], outcome.facts) == (1, 0, [])


# Frozen


def plant(seconds: Sequence[int], frozen: Sequence[int], off: Sequence[int] = ()) -> Readings:
    """Three streams that vary; the first stands still in `frozen`, all of them in `off`."""
    rows = [(s, t, 7 if t in off or (s == 0 and t in frozen) else 10 * s + t % 5) for t in seconds for s in range(3)]
    stream, time, values = zip(*rows, strict=True)
    return readings(stream, time, values)


def test_a_constant_value_among_siblings_that_vary_is_frozen() -> None:
    made = pipeline(health={"frozen_after": "10s"})
    outcome = made.process(plant(range(60), range(20, 45)))
    assert life(outcome) == [("frozen", "m-0", "opened", 30), ("frozen", "m-0", "cleared", 45)]
    alert = alert_of(outcome)
    assert (alert.started_at, alert.peak_ratio) == (20 * S, 2.5)


def test_a_plant_that_is_off_is_not_frozen() -> None:
    made = pipeline(health={"frozen_after": "10s"})
    assert life(made.process(plant(range(100), (), off=range(20, 60)))) == []


def test_a_sensor_that_stays_behind_when_the_plant_starts_again_is_frozen() -> None:
    made = pipeline(health={"frozen_after": "10s"})
    outcome = made.process(plant(range(100), range(20, 80), off=range(20, 60)))
    assert life(outcome) == [("frozen", "m-0", "opened", 70), ("frozen", "m-0", "cleared", 80)]


def test_a_stream_without_siblings_is_never_frozen() -> None:
    made = pipeline(1, health={"frozen_after": "10s"})
    assert life(made.process(readings([0] * 60, range(60), [1, 2, *[3] * 58]))) == []


def test_missing_values_and_long_pauses_are_not_constant() -> None:
    made = pipeline(health={"frozen_after": "10s"})
    batch = plant(range(60), range(20, 45))
    batch.values[(batch.stream == 0) & (batch.time >= 24 * S) & (batch.time < 36 * S)] = np.nan
    assert life(made.process(batch)) == []


def test_a_frozen_alert_ends_when_nobody_asks_any_more() -> None:
    made = pipeline(health={"frozen_after": "10s"})
    assert life(made.process(plant(range(40), range(20, 60)))) == [("frozen", "m-0", "opened", 30)]
    codes = np.arange(3, dtype=np.int32)
    later = pipeline(health={"frozen_after": "none"})
    assert later.load(codes, made.dump(codes)) == set()
    assert life(later.process(plant(range(40, 50), range(20, 60)))) == [("frozen", "m-0", "cleared", 40)]


# Silent


def quiet(now: float, since: float = 0, streams: Sequence[int] = (0, 1, 2)) -> Quiet:
    ones = np.ones(len(streams), np.int64)
    return Quiet(np.array(streams, np.int32), ones * int(since * S), ones * int(now * S))


def at(made: Pipeline, second: float, *streams: int) -> Outcome:
    return made.process(readings(streams, [second] * len(streams), [1.0] * len(streams)), int(second * S))


def test_a_silent_stream_and_its_return() -> None:
    made = pipeline(health={"silent_after": "60s"})
    at(made, 100, 0, 1, 2)
    at(made, 150, 1, 2)
    assert life(made.look(quiet(159))) == []
    first = made.look(quiet(160))
    assert (life(first), first.touched) == ([("silent", "m-0", "opened", 160)], {0})
    assert (first.facts[0].started_at, first.facts[0].peak_ratio) == (100 * S, 1.0)
    at(made, 165, 1, 2)
    assert life(made.look(quiet(200))) == []
    assert life(at(made, 220, 0)) == [("silent", "m-0", "cleared", 220)]
    assert life(made.look(quiet(224))) == []


def test_the_clock_begins_when_the_end_is_first_reached() -> None:
    made = pipeline(health={"silent_after": "60s"})
    at(made, 100, 0, 1, 2)
    assert life(made.look(quiet(500, since=441))) == []
    none = Quiet(np.array([0, 1, 2], np.int32), np.zeros(3, np.int64), np.zeros(3, np.int64))
    assert life(made.look(none)) == []


def test_a_family_that_falls_silent_at_once_is_one_gateway_alert() -> None:
    made = pipeline(health={"silent_after": "60s"})
    for i in range(3):
        at(made, 100 + 10 * i, i)
    assert life(made.look(quiet(165))) == []  # the others are quiet as well: it may become more than one stream
    outcome = made.look(quiet(181))
    assert life(outcome) == [("gateway", "", "opened", 181)]
    assert (outcome.facts[0].severity, outcome.touched) == (Severity.CRITICAL, {0, 1, 2})
    assert life(made.look(quiet(300))) == []
    back = at(made, 310, 1)
    assert (life(back), back.touched) == ([("gateway", "", "cleared", 310)], {0, 2})
    assert life(made.look(quiet(369))) == []
    at(made, 369, 1)
    assert life(made.look(quiet(371))) == [("silent", "m-0", "opened", 371), ("silent", "m-2", "opened", 371)]


def test_one_that_goes_on_makes_the_others_silent_by_themselves() -> None:
    made = pipeline(health={"silent_after": "60s"})
    at(made, 100, 0, 1, 2)
    at(made, 155, 2)
    assert life(made.look(quiet(161))) == [("silent", "m-0", "opened", 161), ("silent", "m-1", "opened", 161)]


def test_two_streams_are_no_gateway() -> None:
    made = pipeline(2, health={"silent_after": "60s"})
    at(made, 100, 0, 1)
    assert [kind for kind, *_ in life(made.look(quiet(161, streams=(0, 1))))] == ["silent", "silent"]


@pytest.mark.parametrize("together", [False, True])
def test_a_restart_raises_nothing_twice(together: bool) -> None:
    made = pipeline(health={"silent_after": "60s"})
    at(made, 100, 0, 1, 2)
    if not together:
        at(made, 150, 1, 2)
    opened = made.look(quiet(161))
    codes = np.arange(3, dtype=np.int32)
    later = pipeline(health={"silent_after": "60s"})
    assert later.load(codes, made.dump(codes)) == set()
    if not together:
        at(later, 240, 1, 2)

    assert life(later.look(quiet(500, since=450))) == []
    back = at(later, 600, 0)

    assert [fact.kind for fact in back.facts] == [FactKind.CLEARED]
    assert {fact.alert for fact in back.facts} == {fact.alert for fact in opened.facts}


def test_half_of_a_gateway_alert_on_another_worker() -> None:
    """The alert is resolved by whoever has its keeper, once; the others only forget it."""
    made = pipeline(health={"silent_after": "60s"})
    at(made, 100, 0, 1, 2)
    made.look(quiet(161))
    here, there = pipeline(health={"silent_after": "60s"}), pipeline(health={"silent_after": "60s"})
    for other, codes in ((here, [0, 1]), (there, [2])):
        other.load(np.array(codes, np.int32), made.dump(np.array(codes, np.int32)))
    assert life(at(there, 200, 2)) == []
    assert life(at(here, 201, 1)) == [("gateway", "", "cleared", 201)]


def test_nobody_is_silent_where_that_is_switched_off() -> None:
    made = pipeline(health={"silent_after": "none"})
    at(made, 100, 0, 1, 2)
    assert life(made.look(quiet(10_000))) == []


def test_what_waits_in_the_grid_of_an_idle_stream_is_let_go() -> None:
    made = pipeline(1, align={"lateness": 2})
    for second in (0, 1, 2, 3, 5):
        at(made, second, 0)
    assert len(made.look(quiet(10, streams=[0])).scores) == 0
    outcome = made.look(quiet(11, streams=[0]))  # window 4 s + lateness 2 s
    assert (outcome.scores.end.tolist(), outcome.touched) == ([4 * S, 5 * S], {0})
    assert len(made.look(quiet(12, streams=[0])).scores) == 0


def test_a_gateway_alert_as_receivers_see_it() -> None:
    made = pipeline(health={"silent_after": "60s"})
    at(made, 100, 0, 1, 2)
    (merged,) = merge_facts(made.look(quiet(161)).facts, {}, {})
    ((transition, alert),) = merged.changes
    message = json.loads(payload(alert, transition, None, UUID(int=1)))
    assert message["type"] == "alert.opened"
    expected = {"kind": "gateway", "stream": "", "severity": "critical", "ratio": 1.0, "causes": []}
    assert {name: message["data"][name] for name in expected} == expected


# Settings and states


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"valid_range": {"x": [0, 1]}}, "valid_range.x: no channel is called so"),
        ({"valid_range": {"value": [1, 0]}}, "valid_range.value: 1 is not below 0"),
        ({"valid_range": {"value": [float("-inf"), float("inf")]}}, "valid_range.value: both ends are open"),
        (
            {"health": {"frozen_after": "5m"}, "interval": "none"},
            "health.frozen_after: only streams with an interval",
        ),
        ({"health": {"silent_after": 5}}, 'health.silent_after: 5 has no unit; write e.g. "5s", or "none"'),
        ({"health": {"silent": "5m"}}, "health.silent: unknown key; did you mean silent_after?"),
    ],
)
def test_settings_that_make_no_sense(change: dict[str, object], problem: str) -> None:
    raw: dict[str, object] = {"topic": "t", "interval": "1s", "recipe": "plain", "window": {"length": 8}, **change}
    with pytest.raises(SettingsError) as error:
        parse({"families": {"f": raw}})
    assert f"families.f.{problem}" in str(error.value)


@pytest.mark.parametrize(("interval", "seconds"), [("1s", 600), ("5m", 3000), ("none", 0)])
def test_the_default_silence_suits_the_interval(interval: str, seconds: int) -> None:
    family = Family.model_validate({"topic": "t", "interval": interval, "recipe": "plain", "window": {"length": 4}})
    assert family.health.silence(family.interval) == seconds * S


def test_gaps_are_counted() -> None:
    made = pipeline(1)
    made.process(readings([0] * 6, [0, 1, 20, 21, 50, 51], range(6)))
    assert counts(made)["gaps"] == 2


def test_ids_of_anomalies_are_what_they_were() -> None:
    assert alert_id("live", "f", "m", 1) != alert_id("live", "f", "m", 1, "silent")
    assert str(alert_id("live", "f", "m", 1)) == "f49056e1-87fc-594c-9e68-cd100181bb45"


def test_a_reading_a_day_ahead_changes_nothing_but_its_counter() -> None:
    clean, made = pipeline(), pipeline()
    honest = [readings([0, 1, 2], [t] * 3, [t, t, t]) for t in range(100, 140)]
    ahead = readings([0, 1, 2], [100 + 86_400] * 3, [1, 2, 3])
    expected = [clean.process(batch, int(batch.time[0])) for batch in honest]
    made.process(honest[0], 100 * S)
    made.process(ahead, 100 * S)

    outcomes = [made.process(batch, int(batch.time[0])) for batch in honest[1:]]

    assert [o.scores.score.tobytes() for o in outcomes] == [o.scores.score.tobytes() for o in expected[1:]]
    assert sum(len(o.scores) for o in outcomes) == 3 * 37
    assert [counts(made, i)["future"] for i in range(3)] == [1, 1, 1]
    assert made.clock(np.array([0]))[0] == 139 * S
