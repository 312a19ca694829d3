"""A replay repeats what people did: in memory, on SQLite, on PostgreSQL, however its facts are cut into commits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from monitor.ports.store import Commit
from monitor.records.alerts import (
    Alert,
    Command,
    CommandKind,
    Fact,
    FactKind,
    Severity,
    TimerRules,
    Transition,
    Verdict,
)
from monitor.records.recorded_lives import RecordedLives, by_key
from monitor.store.stream_commands import Person, open_stream_commands
from tests.alert_keepers import AlertKeeper, MemoryKeeper, SqlKeeper, render
from tests.store_rows import alert, fact

MINUTE = 60 * 10**9
T = 1_700_000_000 * 10**9
RULES = TimerRules(escalate_after=20 * MINUTE, repeat_every=15 * MINUTE)
KIND = CommandKind


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def keeper(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AlertKeeper]:
    if request.param == "memory":
        yield MemoryKeeper()
        return
    at = f"sqlite:///{tmp_path}/store.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    found = SqlKeeper(at)
    yield found
    found.close()


def opening(minute: int, run: str = "live", stream: str = "m-1") -> Alert:
    return alert(run, stream, T + minute * MINUTE)


def at(of: Alert, kind: FactKind, minute: int, severity: Severity = Severity.WARNING) -> Fact:
    found = T + minute * MINUTE
    last = of.last_at if kind is FactKind.CLEARED else found
    return replace(fact(replace(of, last_at=last, severity=severity), kind, found))


def facts_of(run: str) -> list[Fact]:
    """One alert that is worse after half an hour and goes on, one that comes and goes three times, one of a stream."""
    first = opening(0, run)
    found = [
        fact(first), at(first, FactKind.CONTINUED, 10), at(first, FactKind.WORSENED, 30, Severity.CRITICAL),
        at(first, FactKind.CONTINUED, 60, Severity.CRITICAL), at(first, FactKind.CLEARED, 70, Severity.CRITICAL),
    ]  # fmt: skip
    for minute in (5, 25, 45):
        again = opening(minute, run, "m-2")
        found += [fact(again), at(again, FactKind.CLEARED, minute + 10)]
    other = opening(8, run, "m-3")
    found += [fact(other), at(other, FactKind.CONTINUED, 62)]
    return sorted(found, key=lambda each: each.at)


class Live:
    """The live run, fact by fact; `say` is a person's command about the newest alert of a stream."""

    def __init__(self, keeper: AlertKeeper) -> None:
        self.keeper, self.facts, self.given = keeper, facts_of("live"), 0

    def until(self, minute: int) -> None:
        """The facts up to then, and the timers that are due."""
        while self.facts and self.facts[0].at <= T + minute * MINUTE:
            self.keeper.store().commit(
                Commit("live", facts=[self.facts.pop(0)], announce=render, rules={"machines": RULES})
            )
        while self.keeper.timers().elapse(T + minute * MINUTE):
            pass

    def say(self, kind: CommandKind, of: Alert, minute: int, **more: Any) -> str:
        self.given += 1
        id_, when = UUID(int=self.given), T + minute * MINUTE
        command = Command(id=id_, alert=of.id, kind=kind, by=f"ann{self.given}", at=when, note=str(kind), **more)
        return self.keeper.commands().give(command).refused

    def play(self) -> None:
        """Several people, at all times; every command but the last is carried out."""
        first, nuisance = opening(0), opening(5, stream="m-2")
        self.until(12)
        assert self.say(KIND.SHELVE, nuisance, 12, span=20 * MINUTE) == ""
        self.until(16)  # a reminder
        assert self.say(KIND.ACKNOWLEDGE, first, 17) == ""
        self.until(22)
        assert self.say(KIND.UNACKNOWLEDGE, first, 22) == ""
        self.until(27)
        assert self.say(KIND.UNSHELVE, opening(25, stream="m-2"), 27) == ""
        self.until(31)
        assert self.say(KIND.SHELVE, first, 31, span=9 * MINUTE) == ""
        self.until(46)  # it comes back
        third = opening(45, stream="m-2")
        assert self.say(KIND.VERDICT, third, 46, verdict=Verdict.FALSE, start=T, end=T + 50 * MINUTE) == ""
        assert self.say(KIND.EXPECT, third, 47) == ""
        self.until(64)
        assert self.say(KIND.SHELVE, opening(8, stream="m-3"), 64) == ""
        self.until(71)
        assert self.say(KIND.ACKNOWLEDGE, first, 71) == ""
        assert self.say(KIND.CLOSE, opening(8, stream="m-3"), 72) == ""
        assert "resolved already" in self.say(KIND.SHELVE, first, 73)


def recorded(keeper: AlertKeeper) -> RecordedLives:
    return by_key(keeper.store().lives("live", "machines"))


def replay(keeper: AlertKeeper, cut: int, run: str = "again", rules: TimerRules = RULES) -> None:
    """So many facts in a commit."""
    facts, known = facts_of(run), recorded(keeper)
    for begin in range(0, len(facts), cut):
        commit = Commit(run, facts=facts[begin : begin + cut], rules={"machines": rules}, recorded=known)
        keeper.store().commit(commit)
        keeper.store().commit(commit)  # one whose answer was lost


def said(change: Transition) -> tuple[object, ...]:
    """What is equal in both runs."""
    return (
        change.number, str(change.cause), change.at, str(change.state), str(change.severity), repr(change.ratio),
        change.actor, change.note, change.withheld, change.acted_at,
    )  # fmt: skip


def lives(keeper: AlertKeeper, run: str) -> dict[tuple[str, int], list[tuple[object, ...]]]:
    kept = keeper.kept()
    ours = [alert for alert in kept.alerts.values() if alert.run == run]
    return {(of.stream, of.opened_at): [said(change) for change in kept.transitions[of.id]] for of in ours}


@pytest.mark.parametrize("cut", [1, 2, 5, 100])
def test_a_replay_has_the_transitions_of_the_live_run_and_notifies_of_nothing(keeper: AlertKeeper, cut: int) -> None:
    live = Live(keeper)
    live.play()
    before = keeper.kept()
    causes = [change[1] for life in lives(keeper, "live").values() for change in life]
    assert {"reminded", "escalated", "returned", "shelve", "expect", "verdict", "close"} <= {*causes}

    replay(keeper, cut)

    assert lives(keeper, "again") == lives(keeper, "live")
    after = keeper.kept()
    assert after.outbox == before.outbox
    assert {id_: after.transitions[id_] for id_ in before.transitions} == before.transitions
    rows = [of for of in after.alerts.values() if of.run == "again"]
    assert {(of.stream, of.opened_at, of.state, of.acknowledged_by, of.verdict, of.note) for of in rows} == {
        (of.stream, of.opened_at, of.state, of.acknowledged_by, of.verdict, of.note) for of in before.alerts.values()
    }
    assert sum(not refused for refused in after.commands.values()) == 2 * (live.given - 1)


def test_with_other_rules_timers_are_those_of_the_settings(keeper: AlertKeeper) -> None:
    Live(keeper).play()
    replay(keeper, 3, rules=TimerRules(escalate_after=5 * MINUTE))
    first = [(cause, (when - T) // MINUTE) for _, cause, when, *_ in lives(keeper, "again")["m-1", T]]  # type: ignore[operator]
    assert ("escalated", 5) in first
    assert "reminded" not in [cause for cause, _ in first]
    assert [cause for cause, _ in first if cause in {"shelve", "returned", "acknowledge"}] == [
        cause for cause in (change[1] for change in lives(keeper, "live")["m-1", T])
        if cause in {"shelve", "returned", "acknowledge"}
    ]  # fmt: skip


def test_an_alert_of_which_the_live_run_knows_nothing_is_as_its_facts_say(keeper: AlertKeeper) -> None:
    Live(keeper).play()
    found = opening(3, "again")
    keeper.store().commit(Commit("again", facts=[fact(found)], recorded=recorded(keeper)))
    assert [change[1] for change in lives(keeper, "again")["m-1", found.opened_at]] == ["opened"]


def test_a_stream_out_of_service_is_that_in_the_replay(keeper: AlertKeeper) -> None:
    """Also for alerts that open meanwhile, of which one is shelved when the stream is in service again."""
    if isinstance(keeper, MemoryKeeper):
        return  # commands about streams have no twin
    live = Live(keeper)
    store = keeper.store()
    store.open_streams("live", "machines", ["m-2"])
    live.until(12)
    live.say(KIND.SHELVE, opening(5, stream="m-2"), 12, span=60 * MINUTE)
    streams(keeper, out=True)
    live.until(29)
    streams(keeper, out=False)
    live.until(90)
    replay(keeper, 4)
    assert lives(keeper, "again") == lives(keeper, "live")
    states = [change[3] for change in lives(keeper, "live")["m-2", T + 25 * MINUTE]]
    assert states == ["out-of-service", "shelved", "resolved"]


def streams(keeper: AlertKeeper, *, out: bool) -> None:
    assert isinstance(keeper, SqlKeeper)
    with closing(open_stream_commands(keeper.url, render)) as commands:
        (commands.take_out_of_service if out else commands.put_in_service)("m-2", None, Person("bob", "repair"))


def test_a_command_that_the_replay_refuses_is_refused_once(keeper: AlertKeeper) -> None:
    """A person had shelved it in the live run; in the replay it was over before."""
    first = opening(0)
    keeper.store().commit(Commit("live", facts=[fact(first), at(first, FactKind.WORSENED, 30)]))
    live = Live(keeper)
    assert live.say(KIND.SHELVE, first, 31, span=MINUTE) == ""
    again, known = opening(0, "again"), recorded(keeper)
    for each in (fact(again), at(again, FactKind.CLEARED, 20), at(again, FactKind.CLEARED, 20)):
        keeper.store().commit(Commit("again", facts=[each], recorded=known))
    assert [change[1] for change in lives(keeper, "again")["m-1", T]] == ["opened", "cleared"]
    assert sorted(keeper.kept().commands.values()) == ["", "the alert is resolved already"]
