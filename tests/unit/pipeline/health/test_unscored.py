"""Streams that send and are not scored: when the alert opens, what it says, and when it is over."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pytest

from monitor import bootstrap
from monitor.alerts.lifecycle import merge_facts
from monitor.config.families import Family
from monitor.pipeline.family import Pipeline
from monitor.pipeline.outcome import Outcome
from monitor.records.alerts import Alert, Fact, FactKind, Severity
from monitor.records.batches import Readings
from monitor.records.streams import StreamIndex

S = 10**9
T0 = 1_699_999_920  # the first stretch begins here
NAN = float("nan")


def pipeline(**changes: object) -> Pipeline:
    family = {"topic": "t", "interval": "10s", "recipe": "plain", "window": {"length": 12}, **changes}
    index = StreamIndex()
    index.intern(["m-1"])
    return bootstrap.pipeline("f", Family.model_validate(family), index=index)


def process(made: Pipeline, seconds: Iterable[float], now: float | None = None, missing: int = 0) -> Outcome:
    """Readings of varying values; the last channel is missing in so many of the newest."""
    time = np.array(list(seconds), np.float64)
    width, none = made.family.shape.width, np.zeros(len(time), np.int32)
    values = np.random.default_rng(len(time)).normal(size=(len(time), width)).astype(np.float32)
    if missing:
        values[-missing:, -1] = np.nan
    readings = Readings(none, (time * S).astype(np.int64), values, none, none.astype(np.int64))
    return made.process(readings, None if now is None else int(now * S))


def facts(outcome: Outcome) -> list[Fact]:
    return [fact for fact in outcome.facts if fact.alert_kind == "unscored"]


def life(outcome: Outcome) -> list[tuple[str, float]]:
    return [(str(fact.kind), fact.at / S - T0) for fact in facts(outcome) if fact.kind is not FactKind.CONTINUED]


def steady(count: int, begin: float = T0, step: float = 10) -> list[float]:
    return [begin + step * i for i in range(count)]


def test_a_step_that_is_too_long_is_named_and_a_return_to_the_old_one_resolves() -> None:
    made = pipeline()
    slow = steady(100, T0 + 1_490, 60)
    outcome = process(made, [*steady(144), *slow, *steady(300, slow[-1] + 60)])
    assert life(outcome) == [("opened", 2_160), ("cleared", 7_920)]
    opened = facts(outcome)[0]
    assert opened.cause == (
        "12 of the last 12 readings were not judged: 12 gaps: seems to send every 60 s, interval is 10s"
    )
    assert (opened.windows, opened.severity, opened.ratio) == (12, Severity.WARNING, 2.5)
    assert facts(outcome)[-2].windows > 80


def test_a_channel_that_is_missing_for_good_is_named() -> None:
    (_, second, *_) = facts(process(pipeline(channels=["flow"]), steady(300), missing=156))
    assert second.cause.endswith("36 windows with too many values missing: flow at 36 readings")


def test_one_missing_channel_of_two_is_an_alert_of_the_channel_and_the_stream_is_scored() -> None:
    outcome = process(pipeline(channels=["temperature", "flow"]), steady(300), missing=156)
    assert [(fact.alert_kind, fact.channel) for fact in outcome.facts] == [("missing", "flow")]


@pytest.mark.parametrize("length", [20, 400])
def test_readings_from_the_future_are_one_soon(length: int) -> None:
    made = pipeline()
    fact = facts(process(made, steady(length, T0 + 3_300), now=T0))[0]
    assert fact.at == fact.opened_at == T0 * S
    assert fact.cause == (
        f"{length} of the last {length} readings were not judged: "
        f"{length} readings at least 55 min ahead of the clock: local time?"
    )
    assert [str(fact.kind) for fact in facts(process(made, steady(100), now=T0 + 1_000))][-1] == "cleared"


def test_five_readings_from_the_future_are_not_yet_one() -> None:
    made = pipeline()
    assert facts(process(made, steady(100), now=T0 + 1_000)) == []
    assert facts(process(made, steady(5, T0 + 5_000), now=T0 + 1_000)) == []
    assert facts(process(made, steady(5, T0 + 1_000), now=T0 + 1_050)) == []
    assert facts(process(made, steady(5, T0 + 5_000), now=T0 + 1_050)) == []


def test_an_hour_that_comes_twice() -> None:
    made = pipeline()
    outcome = process(made, [*steady(720), *steady(360, T0 + 3_600), *steady(200, T0 + 7_200)])
    assert life(outcome) == [("opened", 6_840), ("cleared", 7_560)]  # where the clock stood
    assert "readings late, up to 60 min behind the newest: local time, or a clock that was set back?" in (
        facts(outcome)[1].cause
    )


def test_live_the_kind_is_known_at_once() -> None:
    made = pipeline()
    process(made, steady(720), now=T0 + 7_200)
    (fact,) = facts(process(made, steady(60, T0 + 3_600), now=T0 + 7_200))
    assert "readings late, up to 60 min behind" in fact.cause


def test_readings_that_share_a_slot() -> None:
    outcome = process(pipeline(interval="60s"), steady(800, T0, 10))
    assert "duplicates: several readings for one slot of 1m" in facts(outcome)[1].cause


@pytest.mark.parametrize("seconds", [[*steady(144), *steady(200, T0 + 9_000)], steady(500), steady(40)])
def test_one_gap_and_the_beginning_are_none(seconds: Sequence[float]) -> None:
    assert facts(process(pipeline(), seconds)) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"recipe": "plain", "window": {"kind": "tumbling", "length": 12}},
        {"recipe": "plain", "window": {"length": 12, "hop": 30}},
        {"interval": "none"},
        {"interval": "none", "window": {"kind": "message", "length": 9}},
        {"align": {"lateness": "2m"}},
        {
            "recipe": "plain",
            "window": {"length": 4},
        },  # too short for the statistic that covers it before it has a model
    ],
)
def test_streams_that_are_well_are_none_in_any_kind_of_window(changes: dict[str, object]) -> None:
    assert facts(process(pipeline(**changes), steady(2_000))) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"recipe": "plain", "window": {"kind": "tumbling", "length": 12}},
        {"recipe": "plain", "window": {"length": 12, "hop": 6}},
    ],
)
def test_other_hops_are_not_scored_either(changes: dict[str, object]) -> None:
    assert life(process(pipeline(**changes), steady(200, T0, 60)))[0][0] == "opened"


def test_without_a_grid_windows_that_lack_values_are_not_scored() -> None:
    made = pipeline(interval="none", channels=["b"])
    outcome = process(made, [T0 + 7.3 * i for i in range(200)], missing=100)
    (first, *_) = facts(outcome)
    assert "b at" in first.cause
    assert T0 * S < first.opened_at < (T0 + 1_460) * S


def test_it_can_be_switched_off_and_then_resolves() -> None:
    off = {"health": {"unscored_after": "none"}}
    assert facts(process(pipeline(**off), steady(300, T0, 60))) == []
    made = pipeline()
    assert life(process(made, steady(100, T0, 60)))[-1][0] == "opened"
    codes = np.array([0], np.int32)
    later = pipeline(**off)
    assert later.load(codes, made.dump(codes)) == {"stretches"}
    assert life(process(later, [T0 + 9_000])) == [("cleared", 5_880)]  # the first reading that waited


def test_other_settings_leave_an_open_alert_to_resolve() -> None:
    made = pipeline()
    process(made, steady(100, T0, 60))
    codes = np.array([0], np.int32)
    later = pipeline(health={"unscored_after": "20m"})
    later.load(codes, made.dump(codes))
    assert life(process(later, steady(400, T0 + 6_000)))[-1][0] == "cleared"


def alerts(made: Pipeline, batches: Iterable[Iterable[float]], now: float | None = None) -> list[Alert]:
    outcomes = [process(made, seconds, now) for seconds in batches]
    return [each.alert for each in merge_facts([fact for outcome in outcomes for fact in facts(outcome)], {}, {})]


@pytest.mark.parametrize("now", [None, T0 + 100])
def test_a_flood_that_comes_before_the_stretch_before_it_is_complete_leaves_that_one_uncounted(
    now: float | None,
) -> None:
    family = {"interval": "1s", "recipe": "plain", "window": {"length": 1}, "align": {"lateness": 2, "max_gap": 3}}
    settings = family | {"health": {"unscored_after": 6}}
    first = [*range(6), 2, 3, 4, 5]  # 4 of 10 readings are duplicates: too few to open an alert
    times = [T0 + at for at in (*first, 6, *[0] * 6, *range(7, 24))]
    (whole,) = alerts(pipeline(**settings), [times], now)
    (one_by_one,) = alerts(pipeline(**settings), [[at] for at in times], now)
    assert (whole.windows, one_by_one.windows) == (6, 6)


@pytest.mark.parametrize("first", [[[0, 1, 1]], [[0], [1], [1]]])
def test_a_stretch_is_complete_when_the_clock_has_passed_it_though_the_newest_readings_wait(
    first: list[list[int]],
) -> None:
    align = {"lateness": 1, "max_gap": 0, "max_jump": "60s"}
    made = pipeline(interval="1s", window={"length": 4}, align=align, health={"unscored_after": 5})
    found = alerts(made, [[T0 + at for at in batch] for batch in (*first, [2, 9])])
    assert [alert.opened_at for alert in found] == [(T0 + 5) * S]
