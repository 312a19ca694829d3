"""Settings of single streams: another limit, another silence, and streams that are switched off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from monitor import bootstrap
from monitor.config.families import Family
from monitor.pipeline.family import Pipeline
from monitor.pipeline.health.silence import Quiet
from monitor.pipeline.outcome import Outcome
from monitor.pipeline.scoring.stream_scaling import Profile
from monitor.records.alerts import FactKind
from monitor.records.batches import Readings
from monitor.records.streams import StreamIndex
from monitor.testing.in_memory import DistanceScorer

S = 10**9
NAMES = ("m-1", "m-10", "p-1")


def family(*overrides: dict[str, Any], **changes: Any) -> Family:
    grid = {"topic": "t", "interval": "1s", "recipe": "plain", "window": {"length": 4}, "align": {"lateness": 0}}
    return Family.model_validate({**grid, "train": {"after": 40}, **changes, "overrides": list(overrides)})


def pipeline(made_of: Family, names: Sequence[str] = NAMES, *, model: bool = True) -> Pipeline:
    index = StreamIndex()
    index.intern(names)
    made = bootstrap.pipeline("f", made_of, index=index)
    if model:
        one = np.ones(1, np.float32)
        made.adopt("0123456789abcdef", DistanceScorer(), {name: Profile(one * 0, one, 1.0, 0.2, 50) for name in names})
    return made


def readings(made: Pipeline, name: str, times: Sequence[int], values: Sequence[float]) -> Readings:
    stream = np.full(len(times), made.index.codes[name], np.int32)
    time = np.array(times, np.int64) * S
    return Readings(stream, time, np.array(values, np.float32)[:, None], stream * 0, np.arange(len(times)))


def feed(made: Pipeline, name: str, times: Sequence[int], value: float = 1.0, now: int | None = None) -> Outcome:
    return made.process(readings(made, name, times, [value] * len(times)), now)


def moved(made: Pipeline, to: Pipeline) -> Pipeline:
    """The other pipeline, which has resumed from the state of the first."""
    codes = np.array([to.index.codes[name] for name in made.index.codes], np.int32)
    assert to.load(codes, made.dump(np.array(list(made.index.codes.values()), np.int32))) == set()
    return to


def life(outcome: Outcome) -> list[tuple[str, str, str, str]]:
    events = (FactKind.OPENED, FactKind.CLEARED)
    return [(f.alert_kind, f.stream, f.kind.value, f.reason) for f in outcome.facts if f.kind in events]


def quiet(made: Pipeline, now: int, since: int = 0) -> Quiet:
    codes = np.array(list(made.index.codes.values()), np.int32)
    return Quiet(codes, np.full(len(codes), since * S), np.full(len(codes), now * S))


def test_of_overrides_that_match_the_later_one_wins_for_each_key() -> None:
    made = pipeline(
        family(
            {"streams": "m-*", "limit": 2.0, "silent_after": "2h"},
            {"streams": "m-1?", "limit": 3.0},
            {"streams": "M-1", "limit": 9.0},
            {"streams": "p-*", "off": True, "silent_after": "1h"},
        )
    )
    codes = made.index.intern(NAMES)
    feed(made, "m-1", [0])
    factors = made.overrides.limits(codes)
    assert factors is not None
    assert factors.tolist() == [2.0, 3.0, 1.0]
    assert made.overrides.silent_after(codes).tolist() == [7200 * S, 7200 * S, 0]
    assert made.overrides.off(codes).tolist() == [False, False, True]


def test_a_code_that_is_handed_out_again_has_the_settings_of_its_new_stream() -> None:
    made = pipeline(family({"streams": "m-1", "limit": 2.0, "off": True}))
    feed(made, "m-1", [0])
    code = made.index.codes["m-1"]
    made.forget(np.array([code], np.int32))
    assert made.index.intern(["q-7"]).tolist() == [code]
    feed(made, "q-7", [0])
    factors = made.overrides.limits(np.array([code]))
    assert factors is not None
    assert factors.tolist() == [1.0]
    assert made.overrides.off(np.array([code])).tolist() == [False]


@pytest.mark.parametrize("model", [True, False])
def test_the_factor_raises_limits_with_a_model_and_in_the_cold_start(model: bool) -> None:
    changes: dict[str, Any] = {"recipe": "plain", "window": {"length": 8}}
    plain = pipeline(family(**changes), model=model)
    other = pipeline(family({"streams": "m-1", "limit": 1.5}, **changes), model=model)
    before, after = (feed(made, "m-1", range(20), 1.0).scores for made in (plain, other))
    assert after.score.tobytes() == before.score.tobytes()
    assert after.limit.tobytes() == (before.limit * np.float32(1.5)).tobytes()
    same, kept = (feed(made, "m-10", range(20), 1.0).scores for made in (plain, other))
    assert kept.limit.tobytes() == same.limit.tobytes()


def test_another_limit_loses_no_state() -> None:
    first = pipeline(family())
    feed(first, "m-1", range(10))
    code = np.array([first.index.codes["m-1"]])
    second = moved(first, pipeline(family({"streams": "m-*", "limit": 2.0})))
    assert second.has_model(code).tolist() == [True]
    assert second.clock(code).tolist() == [9 * S]
    assert len(feed(second, "m-1", [10]).scores) == 1  # its windows go on


def test_streams_fall_silent_after_their_own_times() -> None:
    overrides = {"streams": "m-1", "silent_after": "2m"}, {"streams": "p-*", "silent_after": "none"}
    made = pipeline(family(*overrides, health={"silent_after": "10m", "unscored_after": "none"}))
    for name in NAMES:
        feed(made, name, [0], now=0)
    feed(made, "m-10", [100], now=100 * S)
    assert life(made.look(quiet(made, 119))) == []
    assert life(made.look(quiet(made, 120))) == [("silent", "m-1", "opened", "")]
    feed(made, "m-1", [650], now=650 * S)
    assert life(made.look(quiet(made, 700))) == [("silent", "m-10", "opened", "")]
    assert life(made.look(quiet(made, 5000)))[0][:2] == ("silent", "m-1")  # and p-1 never


def test_a_stream_that_is_never_silent_shows_that_a_gateway_is_up() -> None:
    names = ("a", "b", "c", "z")
    made = pipeline(family({"streams": "z", "silent_after": "none"}, health={"silent_after": "60s"}), names)
    for name in names:
        feed(made, name, [0], now=0)
    feed(made, "z", [80], now=80 * S)
    assert {kind for kind, *_ in life(made.look(quiet(made, 100)))} == {"silent"}
    other = pipeline(family({"streams": "z", "silent_after": "none"}, health={"silent_after": "60s"}), names)
    for name in names:
        feed(other, name, [0], now=0)
    assert life(other.look(quiet(other, 100))) == [("gateway", "", "opened", "")]


OFF = {"streams": "m-1", "off": True}


def test_readings_of_a_stream_that_is_off_are_counted_and_nothing_else() -> None:
    ranged = {"valid_range": {"value": [-10, 10]}, "health": {"silent_after": "60s", "unscored_after": 4}}
    made = pipeline(family(OFF, **ranged), NAMES[:2], model=False)
    feed(made, "m-10", range(60), now=60 * S)
    outcome = feed(made, "m-1", [*range(20), 3, 19, 500], now=60 * S)
    feed(made, "m-1", [20, 21], 99.0, now=60 * S)
    code = np.array([made.index.codes["m-1"]])
    counted = dict(zip(("accepted", "late", "duplicate", "future"), made.counters(code)[0].tolist(), strict=False))
    assert counted == {"accepted": 22, "late": 1, "duplicate": 1, "future": 1}
    assert len(outcome.scores) == len(outcome.history) == len(outcome.ready) == 0
    assert outcome.late is not None
    assert life(outcome) == []
    assert life(made.look(quiet(made, 1000))) == [("silent", "m-10", "opened", "")]


def test_open_alerts_of_a_stream_that_is_switched_off_are_closed_with_the_reason() -> None:
    ranged = {"valid_range": {"value": [-1000, 10]}, "health": {"silent_after": "60s", "unscored_after": "none"}}
    first = pipeline(family(**ranged), NAMES[:2])
    feed(first, "m-1", range(20), now=30 * S)
    feed(first, "m-10", range(20), now=30 * S)
    opened = life(feed(first, "m-1", range(20, 26), -500.0, now=30 * S))
    opened += life(feed(first, "m-1", [26], 500.0, now=30 * S))
    feed(first, "m-10", [80], now=80 * S)
    opened += life(first.look(quiet(first, 100)))
    assert opened == [(kind, "m-1", "opened", "") for kind in ("anomaly", "out-of-range", "silent")]
    second = moved(first, pipeline(family(OFF, **ranged), NAMES[:2]))
    outcome = second.look(quiet(second, 101, since=100))
    why = "switched off in the settings"
    assert sorted(life(outcome)) == sorted((kind, name, "cleared", why) for kind, name, *_ in opened)
    assert outcome.touched == {second.index.codes["m-1"]}
    assert life(second.look(quiet(second, 1000, since=100))) == [("silent", "m-10", "opened", "")]


def test_a_stream_that_is_switched_on_again_has_its_limit_and_no_window_over_the_time_between() -> None:
    first = pipeline(family())
    limits = feed(first, "m-1", range(10)).scores.limit
    off = moved(first, pipeline(family(OFF)))
    assert len(feed(off, "m-1", range(10, 40)).scores) == 0
    on = moved(off, pipeline(family()))
    scores = feed(on, "m-1", range(40, 50)).scores
    assert (scores.start // S).tolist() == list(range(40, 47))
    assert scores.limit[0] == limits[-1]


def test_any_cut_into_batches_gives_the_same_with_overrides() -> None:
    values = np.random.default_rng(5).normal(1, 3, 60).astype(np.float32)
    made_of = family({"streams": "m-*", "limit": 0.5}, {"streams": "p-1", "off": True})
    found = []
    for size in (60, 7, 1):
        made, scores, facts = pipeline(made_of), b"", []
        batch = readings(made, "m-1", range(60), values.tolist())
        batch = Readings(np.arange(60, dtype=np.int32) % 3, batch.time, batch.values, batch.partition, batch.offset)
        for begin in range(0, 60, size):
            outcome = made.process(batch.take(np.arange(begin, min(begin + size, 60))))
            order = np.argsort(outcome.scores.stream, kind="stable")
            scores += outcome.scores.take(order[outcome.scores.stream[order] == 0]).limit.tobytes()
            facts += [fact.id for fact in outcome.facts if fact.kind is not FactKind.CONTINUED and fact.stream == "m-1"]
        found.append((scores, facts, made.dump(np.arange(3, dtype=np.int32))))
    assert found[0] == found[1] == found[2]
