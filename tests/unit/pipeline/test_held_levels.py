"""A step that is held for a day keeps its alert, and moves no limit; a level that a person expects is learned."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import numpy as np
import pytest

from monitor import bootstrap
from monitor.config.families import Family
from monitor.pipeline import loop
from monitor.pipeline.family import Pipeline
from monitor.pipeline.scoring.companions.time_of_day import TimeOfDay
from monitor.pipeline.scoring.stream_scaling import Profile
from monitor.records.alerts import Command, CommandKind, Decision, Fact, FactKind
from monitor.records.batches import Float32, Poll, Readings, Windows
from monitor.records.streams import StreamIndex
from monitor.testing.in_memory import DistanceScorer

S, DAY = 10**9, 86_400
BEGIN = 1_767_225_600  # midnight
OPENED, CLEARED = FactKind.OPENED, FactKind.CLEARED


def pipeline(interval: int, **changes: Any) -> Pipeline:
    made_of = {
        "topic": "t",
        "interval": f"{interval}s",
        "recipe": "plain",
        "window": {"length": 12},
        "align": {"lateness": 0},
    }
    index = StreamIndex()
    index.intern(["m-1"])
    family = Family.model_validate({**made_of, "train": {"after": 400}, **changes})
    made = bootstrap.pipeline("f", family, index=index)
    one = np.ones(1, np.float32)
    made.adopt("0123456789abcdef", DistanceScorer(), {"m-1": Profile(one * 20, one * 2.5, 1.0, 0.2, 500)})
    return made


def readings(interval: int, days: float, cycle: float, step: tuple[float, float, float]) -> Readings:
    """Noise of 1 around a daily cycle; `step` is its begin and end in days, and its size."""
    begin, end, size = step
    time = np.arange(0, int(days * DAY), interval)
    values = 20 + cycle * np.sin(2 * np.pi * time / DAY) + np.random.default_rng(interval).normal(0, 1, len(time))
    values[(time >= begin * DAY) & (time < end * DAY)] += size
    none = np.zeros(len(time), np.int32)
    return Readings(none, (BEGIN + time) * S, values.astype(np.float32)[:, None], none, np.arange(len(time)))


def run(made: Pipeline, all_: Readings, batch: int = 500) -> tuple[list[Fact], Float32]:
    """What became known of alerts, and the limit of each window."""
    facts, limits = [], []
    for first in range(0, len(all_), batch):
        some = all_.take(np.arange(first, min(first + batch, len(all_))))
        for step in loop.process(Poll(readings={"f": some}), {"f": made}):
            facts += step.outcome.facts
            limits.append(step.outcome.scores.limit)
    return facts, np.concatenate(limits)


def at(days: float) -> int:
    return int((BEGIN + days * DAY) * S)


def open_at(facts: list[Fact], when: int) -> bool:
    """Whether an alert is open then."""
    opened = [fact.at for fact in facts if fact.kind is OPENED and fact.at <= when]
    return len(opened) > sum(fact.kind is CLEARED and fact.at <= when for fact in facts)


def decision(kind: CommandKind, when: int, note: str = "") -> Decision:
    command = Command(id=UUID(int=1), alert=UUID(int=2), kind=kind, by="ann", at=0, effective=when, note=note)
    return Decision(
        position=1, command=command, family="f", stream="m-1", alert_kind="anomaly", channel="", opened_at=0
    )


def expect(made: Pipeline, when: int, note: str = "") -> None:
    made.expected.add([decision(CommandKind.EXPECT, when, note)])


@pytest.mark.parametrize(("interval", "before"), [(300, 8), (10, 2)])
def test_with_the_recipe_default_an_alert_is_open_as_long_as_a_step_is_held(interval: int, before: int) -> None:
    """Its companions learn the step within an hour; the limit is one number for ever."""
    made = pipeline(interval, recipe="default")
    facts, limits = run(made, readings(interval, before + 2, 3.0, (before + 0.3, before + 1.3, 8.0)))
    assert not open_at(facts, at(before + 0.29))
    assert all(open_at(facts, at(before + 0.31 + hours / 24)) for hours in np.arange(0, 23.5, 0.25))
    assert not open_at(facts, at(before + 1.45))
    assert any("has not come back" in fact.cause for fact in facts)
    assert limits[-1] == pytest.approx(limits[500], rel=0.01)


@pytest.mark.parametrize("interval", [300, 10])
def test_with_the_recipe_plain_the_limit_moves_less_than_a_hundredth(interval: int) -> None:
    """The step is beyond what its detector knows at every hour: nothing is learned of it."""
    made = pipeline(interval, recipe="plain")
    facts, limits = run(made, readings(interval, 4, 0.5, (2.3, 3.3, 12.0)))
    begin, end = int(2.3 * DAY / interval) - 11, int(3.3 * DAY / interval) - 11
    assert all(open_at(facts, at(2.35 + hours / 24)) for hours in np.arange(0, 22.5, 0.25))
    assert limits[end] == pytest.approx(limits[begin - 1], rel=0.01)


@pytest.mark.parametrize(("recipe", "cycle", "size"), [("default", 3.0, 8.0), ("plain", 0.5, 12.0)])
def test_a_level_that_is_expected_is_learned_at_once(recipe: str, cycle: float, size: float) -> None:
    """The alert ends when the person says so; the step goes on to the end, and no alert opens or stays open."""
    made = pipeline(300, recipe=recipe)
    expect(made, at(6.4), "new pump")
    facts, _ = run(made, readings(300, 10, cycle, (6.3, 10, size)))
    assert open_at(facts, at(6.39))
    ended = [fact for fact in facts if fact.kind is CLEARED and fact.at >= at(6.35)]
    assert [(fact.at, fact.reason) for fact in ended] == [(at(6.4), "expected by ann: new pump")]
    assert not [fact for fact in facts if fact.kind is OPENED and fact.at > at(6.4)]


@pytest.mark.parametrize(("recipe", "cycle", "size"), [("default", 3.0, 8.0), ("plain", 0.5, 12.0)])
def test_what_lies_beyond_the_level_that_is_expected_still_alerts(recipe: str, cycle: float, size: float) -> None:
    made = pipeline(300, recipe=recipe)
    expect(made, at(6.4))
    batch = readings(300, 10, cycle, (6.3, 10, size))
    batch.values[int(8.5 * DAY / 300) :] += 10 * size
    facts, _ = run(made, batch)
    assert open_at(facts, at(8.6))


def test_a_level_that_is_expected_leaves_no_step_in_the_residuals() -> None:
    """The window that reaches back before the verdict shows no shape: the readings there were of another level."""
    day = TimeOfDay(24, 1, 10 * S)
    day.grow(1)
    time = np.arange(200) * 10 * S
    values = np.where(np.arange(200) < 180, 50, 62).astype(np.float32)[:, None]
    stream = np.zeros(177, np.int32)
    cut = np.lib.stride_tricks.sliding_window_view(values[:, 0], 24)[:, :, None]
    windows = Windows(stream, time[:177], time[23:], np.ascontiguousarray(cut), stream.astype(np.float32))
    before, _, _ = day.follow(windows.take(np.arange(176)))
    day.accept(0, np.full((24, 1), 62, np.float32))
    after, _, _ = day.follow(windows.take(np.arange(176, 177)))
    assert np.abs(before[-1]).max() > 5
    assert np.abs(after).max() < 0.1


@pytest.mark.parametrize("recipe", ["default", "plain"])
def test_a_verdict_takes_effect_at_its_event_time_wherever_batches_are_cut(recipe: str) -> None:
    """Also after a restart between any two of them: what has taken effect does not do so again."""
    batch = readings(300, 9, 1.0, (6.3, 9, 12.0))
    found = []
    for size, restart in ((4000, False), (500, False), (97, True)):
        made, facts, limits = pipeline(300, recipe=recipe), [], []
        expect(made, at(6.4))
        for first in range(0, len(batch), size):
            some = batch.take(np.arange(first, min(first + size, len(batch))))
            for step in loop.process(Poll(readings={"f": some}), {"f": made}):
                facts += [fact for fact in step.outcome.facts if fact.kind is not FactKind.CONTINUED]
                limits.append(step.outcome.scores.limit)
            if restart:
                saved, made = made.dump(np.array([0])), pipeline(300, recipe=recipe)
                assert made.load(np.array([0], np.int32), saved) == set()
                expect(made, at(6.4))
        found.append((facts, np.concatenate(limits).tobytes()))
    assert found[0] == found[1] == found[2]
    assert sum(fact.reason.startswith("expected by ann") for fact in found[0][0]) == 1


def test_other_decisions_about_alerts_change_nothing() -> None:
    made = pipeline(300)
    made.expected.add([decision(CommandKind.ACKNOWLEDGE, 5)])
    batch = readings(300, 1, 0.0, (0, 0, 0))
    assert [len(piece) for piece in made.expected.pieces(batch)] == [len(batch)]


def test_the_state_of_the_policy_is_saved_and_small() -> None:
    assert pipeline(300, recipe="default").state_size - pipeline(300, recipe="plain").state_size < 1200
