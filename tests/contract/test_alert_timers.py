"""Shelves, escalations and reminders: in memory, on SQLite, on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from monitor.ports.alert_commands import Answer
from monitor.ports.store import Commit, StreamState
from monitor.records.alerts import Alert, AlertState, Command, CommandKind, Fact, FactKind, Severity, TimerRules
from tests.alert_keepers import AlertKeeper, MemoryKeeper, SqlKeeper, render
from tests.store_rows import alert, cleared, fact

MINUTE, HOUR = 60 * 10**9, 3600 * 10**9
T = 1_700_000_000 * 10**9
NONE = TimerRules()
RULES = TimerRules(escalate_after=HOUR, repeat_every=30 * MINUTE)
OPENED = alert(opened_at=T)
ACK, SHELVE, UNSHELVE, NOTE = (CommandKind[name] for name in ("ACKNOWLEDGE", "SHELVE", "UNSHELVE", "NOTE"))


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def keeper(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AlertKeeper]:
    if request.param == "memory":
        yield MemoryKeeper()
        return
    at = f"sqlite:///{tmp_path}/store.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    found = SqlKeeper(at)
    yield found
    found.close()


def report(keeper: AlertKeeper, *facts: Fact, rules: TimerRules = NONE) -> None:
    keeper.store().commit(Commit("live", facts=list(facts), announce=render, rules={"machines": rules}))


def say(keeper: AlertKeeper, kind: CommandKind, at: int, of: Alert = OPENED, span: int | None = None) -> Answer:
    """A person's command; its id comes from the wall clock at which it is given."""
    command = Command(id=UUID(int=at), alert=of.id, kind=kind, by="ann", at=at, note=str(kind), span=span)
    return keeper.commands().give(command)


def life(keeper: AlertKeeper, of: Alert = OPENED) -> list[tuple[str, int, str, str]]:
    """Cause, minutes after the opening, state, and why it was not sent."""
    transitions = keeper.kept().transitions[of.id]
    assert [t.number for t in transitions] == list(range(len(transitions)))
    outbox = keeper.kept().outbox
    assert all((t.id in outbox) == (not t.withheld) for t in transitions)
    return [(str(t.cause), (t.at - T) // MINUTE, str(t.state), t.withheld) for t in transitions]


def test_a_shelved_alert_is_not_announced_and_comes_back(keeper: AlertKeeper) -> None:
    report(keeper, fact(OPENED))
    answer = say(keeper, SHELVE, T + MINUTE, span=2 * HOUR)
    assert (answer.alert.state, answer.alert.shelved_until) == (AlertState.SHELVED, T + MINUTE + 2 * HOUR)
    worse = replace(OPENED, severity=Severity.CRITICAL, last_at=T + 5 * MINUTE)
    report(keeper, fact(worse, FactKind.WORSENED, T + 5 * MINUTE))
    say(keeper, ACK, T + 6 * MINUTE)
    assert keeper.kept().alerts[OPENED.id].state is AlertState.SHELVED
    assert keeper.timers().elapse(T + 2 * HOUR) == 0
    assert keeper.timers().elapse(T + 3 * HOUR) == 1  # also where nothing ran when it was due
    assert keeper.timers().elapse(T + 3 * HOUR) == 0

    assert life(keeper) == [
        ("opened", 0, "open", ""), ("shelve", 0, "shelved", ""), ("worsened", 5, "shelved", "shelved"),
        ("acknowledge", 5, "shelved", "shelved"), ("returned", 121, "acknowledged", ""),
    ]  # fmt: skip
    row = keeper.kept().alerts[OPENED.id]
    assert (row.shelved_until, row.shelved_by, row.severity) == (None, "", Severity.CRITICAL)
    assert keeper.kept().transitions[OPENED.id][-1].actor == "monitor"


def test_a_fact_behind_the_end_of_a_shelf_comes_behind_it(keeper: AlertKeeper) -> None:
    """As in a replay, where nothing asks for timers between two readings."""
    report(keeper, fact(OPENED))
    say(keeper, SHELVE, T + MINUTE, span=10 * MINUTE)
    end = replace(OPENED, last_at=T + 20 * MINUTE)
    report(keeper, fact(end, FactKind.CLEARED, T + 20 * MINUTE))
    keeper.timers().elapse(T + HOUR)
    assert [row[0] for row in life(keeper)] == ["opened", "shelve", "returned", "cleared"]


def test_a_fact_that_only_goes_on_finds_timers_that_were_due_before_it(keeper: AlertKeeper) -> None:
    report(keeper, fact(OPENED), rules=RULES)
    later = replace(OPENED, last_at=T + 65 * MINUTE)
    report(keeper, fact(later, FactKind.CONTINUED, T + 65 * MINUTE))
    assert [row[:2] for row in life(keeper)] == [("opened", 0), ("reminded", 30), ("escalated", 60)]


def test_the_next_alert_of_the_kind_is_shelved_too(keeper: AlertKeeper) -> None:
    """A nuisance that resolves and opens again; what it opens once the time is over is announced."""
    later, last = alert(opened_at=T + HOUR), alert(opened_at=T + 3 * HOUR)
    others = [replace(later, id=UUID(int=7), kind="frozen"), alert(stream="m-2", opened_at=T + HOUR)]
    report(keeper, fact(OPENED))
    say(keeper, SHELVE, T + MINUTE, span=2 * HOUR)
    report(keeper, cleared(OPENED), fact(later), fact(last), *map(fact, others))
    report(keeper, cleared(later))
    assert [row[3] for row in life(keeper, later)] == ["shelved", "shelved"]  # nothing of it was sent, nor is its end
    assert life(keeper)[-1][0::3] == ("cleared", "")  # its opening was sent, so is its end
    for of in (last, *others):
        assert keeper.kept().alerts[of.id].state is AlertState.OPEN


def test_a_shelf_for_once_ends_with_its_alert(keeper: AlertKeeper) -> None:
    later = alert(opened_at=T + HOUR)
    report(keeper, fact(OPENED))
    assert say(keeper, SHELVE, T).alert.shelved_until == T + 7 * 24 * HOUR
    report(keeper, cleared(OPENED), fact(later))
    assert keeper.kept().alerts[later.id].state is AlertState.OPEN


def test_unshelving_a_resolved_alert_ends_the_shelf_of_its_kind(keeper: AlertKeeper) -> None:
    later = alert(opened_at=T + HOUR)
    report(keeper, fact(OPENED))
    say(keeper, SHELVE, T, span=2 * HOUR)
    report(keeper, cleared(OPENED))
    assert say(keeper, UNSHELVE, T + MINUTE).refused == ""
    assert say(keeper, UNSHELVE, T + 2 * MINUTE).refused == "the alert is not shelved"
    report(keeper, fact(later))
    assert keeper.kept().alerts[later.id].state is AlertState.OPEN


def test_an_open_alert_escalates_and_is_said_again_until_it_is_acknowledged(keeper: AlertKeeper) -> None:
    report(keeper, fact(OPENED), rules=RULES)
    for minute in range(0, 100, 10):
        keeper.timers().elapse(T + minute * MINUTE)
    say(keeper, ACK, T + 95 * MINUTE)
    assert keeper.timers().elapse(T + 24 * HOUR) == 0
    assert life(keeper) == [
        ("opened", 0, "open", ""), ("reminded", 30, "open", ""), ("escalated", 60, "open", ""),
        ("reminded", 60, "open", ""), ("reminded", 90, "open", ""), ("acknowledge", 0, "acknowledged", ""),
    ]  # fmt: skip
    assert keeper.kept().alerts[OPENED.id].severity is Severity.CRITICAL


def test_what_was_due_while_nothing_ran_is_said_once(keeper: AlertKeeper) -> None:
    report(keeper, fact(OPENED), rules=RULES)
    keeper.timers().elapse(T + 100 * MINUTE)
    keeper.timers().elapse(T + 119 * MINUTE)
    assert life(keeper)[1:] == [("reminded", 30, "open", ""), ("escalated", 60, "open", "")]
    keeper.timers().elapse(T + 120 * MINUTE)
    assert life(keeper)[3:] == [("reminded", 120, "open", "")]


def test_timers_begin_again_with_an_alert_that_comes_back(keeper: AlertKeeper) -> None:
    report(keeper, fact(OPENED), rules=RULES)
    say(keeper, SHELVE, T + MINUTE, span=3 * HOUR)
    keeper.timers().elapse(T + 3 * HOUR)
    keeper.timers().elapse(T + 181 * MINUTE)
    keeper.timers().elapse(T + 211 * MINUTE)
    assert [row[:2] for row in life(keeper)[2:]] == [("returned", 181), ("reminded", 211)]


def test_several_that_ask_at_once_carry_out_each_timer_once(keeper: AlertKeeper) -> None:
    of = [alert(stream=f"m-{i}", opened_at=T) for i in range(20)]
    report(keeper, *map(fact, of), rules=RULES)
    several = [keeper.timers() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        changed = sum(pool.map(lambda timers: timers.elapse(T + 70 * MINUTE), several))
    assert changed == len(of)
    for each in of:
        assert [row[0] for row in life(keeper, each)] == ["opened", "reminded", "escalated"]


def test_an_alert_that_becomes_critical_is_announced_although_its_stream_flaps(keeper: AlertKeeper) -> None:
    """Its opening was not; what follows at the same severity is not, but the end."""
    worse = replace(OPENED, severity=Severity.CRITICAL, last_at=T + MINUTE)
    report(keeper, replace(fact(OPENED), flapping_until=T + 15 * MINUTE))
    report(keeper, fact(worse, FactKind.WORSENED, T + MINUTE))
    report(keeper, fact(worse, FactKind.WORSENED, T + 2 * MINUTE))
    report(keeper, cleared(worse))
    assert [row[0::3] for row in life(keeper)] == [
        ("opened", "flapping"), ("worsened", ""), ("worsened", "flapping"), ("cleared", ""),
    ]  # fmt: skip


def test_a_stream_that_flaps_is_said_once_until_it_is_calm(keeper: AlertKeeper) -> None:
    first, second = alert(opened_at=T), alert(opened_at=T + 5 * MINUTE)
    began = replace(fact(first), flapping_until=T + 10 * MINUTE, reason="it flaps")
    on = replace(fact(second), flapping_until=T + 15 * MINUTE)
    worse = replace(first, severity=Severity.CRITICAL, last_at=T + 10)
    report(keeper, began, fact(worse, FactKind.WORSENED, T + 10), cleared(worse), on, rules=RULES)
    assert [row[0::3] for row in life(keeper, first)] == [("opened", ""), ("worsened", ""), ("cleared", "")]
    assert keeper.kept().transitions[first.id][0].note == "it flaps"
    assert keeper.timers().elapse(T + 14 * MINUTE) == 0
    assert keeper.timers().elapse(T + 15 * MINUTE) == 1
    assert life(keeper, second) == [("opened", 5, "open", "flapping"), ("returned", 15, "open", "")]
    assert keeper.kept().alerts[second.id].flapping_until is None
    assert keeper.timers().elapse(T + 45 * MINUTE) == 1  # its reminders count from there
    say(keeper, ACK, T + 50 * MINUTE, second)
    assert [row[0] for row in life(keeper, second)[2:]] == ["reminded", "acknowledge"]


def test_nothing_happens_to_alerts_of_a_replay(keeper: AlertKeeper) -> None:
    again = alert("again", opened_at=T)
    keeper.store().commit(Commit("again", facts=[fact(again)], announce=render, rules={"machines": RULES}))
    assert keeper.timers().elapse(T + 24 * HOUR) == 0


def test_the_event_time_of_a_stream_that_is_behind_goes_on_with_the_wall_clock(tmp_path: Path) -> None:
    """A backlog: what its readings may still end does not escalate; shelves are a promise to a person."""
    keeper = SqlKeeper(f"sqlite:///{tmp_path}/store.db")
    store, (stream,) = keeper.store(), keeper.store().open_streams("live", "machines", ["m-1"])
    report(keeper, fact(OPENED), rules=RULES)
    store.commit(Commit("live", streams=[StreamState(stream.id, 0, T + MINUTE, b"")]))
    with keeper.database.writing() as connection:
        wall = int(connection.exec_driver_sql("SELECT updated FROM streams").scalar_one())
    assert keeper.timers().elapse(wall) == 0
    assert keeper.timers().elapse(wall + 28 * MINUTE) == 0
    assert keeper.timers().elapse(wall + 29 * MINUTE) == 1
    say(keeper, SHELVE, wall, span=10 * MINUTE)
    assert keeper.timers().elapse(wall + 9 * MINUTE) == 0
    assert keeper.timers().elapse(wall + 10 * MINUTE) == 1
    assert [row[0] for row in life(keeper)] == ["opened", "reminded", "shelve", "returned"]
    keeper.close()
