"""What is announced of an alert when its maintenance is over: in memory, on SQLite, on PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from monitor.config.channels import Channel
from monitor.notify.incident_payload import incident_announcement
from monitor.ports.incidents import IncidentMessages
from monitor.ports.notifier import Outcome
from monitor.ports.store import Commit
from monitor.records.alerts import Alert, CommandKind, Evidence, Fact, FactKind, Severity, TimerRules, Transition
from monitor.records.incidents import BY_FAMILY, Grouping
from monitor.records.maintenance import Maintenance, Muted, Muting
from monitor.store.alert_commands import SqlAlertCommands
from monitor.store.alert_timers import SqlAlertTimers
from monitor.store.incident_messages import SqlIncidentMessages
from monitor.store.memory_alerts import MemoryAlertCommands, MemoryAlertTimers
from monitor.store.memory_incidents import MemoryIncidentMessages
from tests.alert_keepers import AlertKeeper, MemoryKeeper, SqlKeeper, statements
from tests.store_rows import alert, command, fact

BEGIN, END = 1000, 2000
WITHHELD = "maintenance weekly"
HOUR = 3600 * 10**9
LATER = 2**61  # wall clock, ns: everything that waits is due
GROUPED = Grouping(within=600, wait=30)
CONTINUED, WORSENED, CLEARED = FactKind.CONTINUED, FactKind.WORSENED, FactKind.CLEARED


def muting(_family: str, _stream: str, at: int) -> Muted | None:
    return Muted(WITHHELD, END) if BEGIN <= at < END else None


def by_entered(_entered: object) -> Muting:
    return muting


def announce(change: Transition, of: Alert, _: Evidence | None, _store: UUID) -> list[tuple[str, str]]:
    return [("hook", f"{of.stream} {change.cause} {change.state} {change.severity}")]


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def keeper(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AlertKeeper]:
    if request.param == "memory":
        yield MemoryKeeper()
        return
    at = f"sqlite:///{tmp_path}/store.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    found = SqlKeeper(at)
    yield found
    found.close()


def of(opened: int, stream: str = "m-1") -> Alert:
    return alert(stream=stream, opened_at=opened)


def at(of: Alert, kind: FactKind, when: int, severity: Severity = Severity.WARNING) -> Fact:
    return replace(fact(of, kind, when), last_at=when, severity=severity)


def report(
    keeper: AlertKeeper, *facts: Fact, by: Muting | None = muting, grouping: Grouping = BY_FAMILY,
    rules: TimerRules | None = None,
) -> None:  # fmt: skip
    timers = {} if rules is None else {"machines": rules}
    commit = Commit("live", facts=list(facts), announce=announce, muting=by, grouping=grouping, rules=timers)
    keeper.store().commit(commit)


def release(keeper: AlertKeeper, now: int = END, by: Muting = muting) -> int:
    return keeper.store().maintenance.release("live", now, by, announce)


def give(keeper: AlertKeeper, of: Alert, kind: CommandKind, span: int | None = None) -> None:
    given = replace(command(of, kind), id=uuid4(), span=span)
    if isinstance(keeper, MemoryKeeper):
        assert not MemoryAlertCommands(keeper.shared, announce).give(given).refused
        return
    assert isinstance(keeper, SqlKeeper)
    assert not SqlAlertCommands(keeper.database, announce).give(given).refused


def incidents(keeper: AlertKeeper) -> IncidentMessages:
    said = incident_announcement({"hook": Channel()})
    if isinstance(keeper, MemoryKeeper):
        return MemoryIncidentMessages(keeper.shared, said)
    assert isinstance(keeper, SqlKeeper)
    return SqlIncidentMessages(keeper.database, said)


def elapse(keeper: AlertKeeper, now: int) -> int:
    if isinstance(keeper, MemoryKeeper):
        return MemoryAlertTimers(keeper.shared, announce, by_entered).elapse(now)
    assert isinstance(keeper, SqlKeeper)
    return SqlAlertTimers(keeper.database, announce, by_entered).elapse(now)


def sent(keeper: AlertKeeper) -> list[str]:
    """Payloads, in the order in which they are delivered; of an incident, its type."""
    found = []
    while taken := keeper.outbox().claim("hook", 2**62, 100, 1):
        found += [each.payload for each in taken]
        keeper.outbox().record([Outcome(each, 1, None, None) for each in taken])
    return [text.split('"type":')[1].split('"')[1] if "{" in text else text for text in found]


def test_it_is_announced_with_its_severity_and_state_by_then(keeper: AlertKeeper) -> None:
    """A channel for critical alerts would never hear of it."""
    worse, seen, goes_on = of(1100), of(1100, "m-2"), of(1100, "m-3")
    report(keeper, *map(fact, (worse, seen, goes_on)))
    report(keeper, *(at(each, WORSENED, 1200, Severity.CRITICAL) for each in (worse, goes_on)))
    give(keeper, seen, CommandKind.ACKNOWLEDGE)

    report(keeper, at(goes_on, CONTINUED, END, Severity.CRITICAL))
    assert release(keeper) == 2

    assert sorted(sent(keeper)) == [
        "m-1 opened open critical", "m-2 opened acknowledged warning", "m-3 opened open critical",
    ]  # fmt: skip


def test_one_that_is_shelved_by_then_is_announced_when_it_returns(keeper: AlertKeeper) -> None:
    shelved, goes_on, flaps = of(1100), of(1100, "m-2"), of(1100, "m-3")
    report(keeper, fact(shelved), fact(goes_on), replace(fact(flaps), flapping_until=10**15, reason="it flaps"))
    for each in (shelved, goes_on):
        give(keeper, each, CommandKind.SHELVE, HOUR)

    report(keeper, at(goes_on, CONTINUED, END))
    assert release(keeper) == 0

    assert sent(keeper) == []
    for each in (shelved, goes_on):
        give(keeper, each, CommandKind.UNSHELVE)
    assert sorted(sent(keeper)) == ["m-1 unshelve open warning", "m-2 unshelve open warning"]


def test_one_that_is_shelved_and_over_by_then_is_not_announced(keeper: AlertKeeper) -> None:
    inside = of(1100)
    report(keeper, fact(inside))
    give(keeper, inside, CommandKind.SHELVE, HOUR)
    report(keeper, at(inside, CLEARED, 1300))

    assert release(keeper) == 0
    assert sent(keeper) == []


def test_the_end_of_one_that_was_announced_and_shelved_is_sent_afterwards(keeper: AlertKeeper) -> None:
    before = of(500)
    report(keeper, fact(before))
    give(keeper, before, CommandKind.SHELVE, HOUR)
    report(keeper, at(before, CLEARED, 1300))
    assert sent(keeper) == ["m-1 opened open warning", "m-1 shelve shelved warning"]

    assert release(keeper) == 1
    assert sent(keeper) == ["m-1 cleared resolved warning"]


def test_one_that_ends_when_its_maintenance_is_planned_no_more_is_announced_once_and_in_order(
    keeper: AlertKeeper,
) -> None:
    ends, shelved = of(1100), of(1100, "m-2")
    report(keeper, fact(ends), fact(shelved))
    give(keeper, shelved, CommandKind.SHELVE, HOUR)

    report(keeper, at(ends, CLEARED, 1300), at(shelved, CLEARED, 1300), by=None)

    assert sent(keeper) == ["m-1 opened open warning", "m-1 cleared resolved warning"]
    assert release(keeper) == 0
    assert sent(keeper) == []


def test_members_of_an_incident_are_announced_by_that_to_the_end(keeper: AlertKeeper) -> None:
    some = [of(1100 + i, f"m-{i}") for i in range(3)]
    report(keeper, *map(fact, some), grouping=GROUPED)

    assert release(keeper) == 3
    assert incidents(keeper).write_due(LATER) == 1
    assert sent(keeper) == ["incident.opened"]
    report(keeper, *(at(each, CLEARED, 2600) for each in some), grouping=GROUPED)
    assert incidents(keeper).write_due(LATER) == 1
    assert sent(keeper) == ["incident.resolved"]


@pytest.mark.parametrize("how", ["release", "worsens", "goes on"])
def test_an_incident_may_have_taken_the_change_that_is_withheld(keeper: AlertKeeper, how: str) -> None:
    """The worker would fail at each release, as the outbox has a message of each change once."""
    before, inside = of(900, "m-0"), of(1100)
    report(keeper, fact(before), grouping=GROUPED)
    incidents(keeper).write_due(LATER)
    report(keeper, fact(inside), grouping=GROUPED)
    incidents(keeper).write_due(LATER)
    sent(keeper)

    if how == "release":
        assert release(keeper) == 1
    else:
        report(keeper, at(inside, WORSENED if how == "worsens" else CONTINUED, 2500), grouping=GROUPED)

    assert sent(keeper) == []
    assert release(keeper) == 0


def test_a_message_that_there_is_already_is_not_made_again(keeper: AlertKeeper) -> None:
    """A change that an incident has taken before it was no longer grouped."""
    inside = of(1100)
    report(keeper, fact(inside))
    (change,) = keeper.kept().transitions[inside.id]

    def twice(*_: object) -> list[tuple[str, str]]:
        return [("hook", "first"), ("hook", "second")]

    assert keeper.store().maintenance.release("live", END, muting, twice) == 1
    assert sent(keeper) == ["first"]
    assert change.withheld == WITHHELD


def test_no_reminder_is_sent_within(keeper: AlertKeeper) -> None:
    """The newest of what was due meanwhile is sent afterwards."""
    before = of(900)
    report(keeper, fact(before), rules=TimerRules(repeat_every=300))
    assert sent(keeper) == ["m-1 opened open warning"]

    assert elapse(keeper, 1300) == 1
    assert elapse(keeper, 1900) == 1

    assert [change.withheld for change in keeper.kept().transitions[before.id]] == ["", WITHHELD, WITHHELD]
    assert sent(keeper) == []
    assert release(keeper) == 1
    assert sent(keeper) == ["m-1 reminded open warning"]
    assert elapse(keeper, 2100) == 1
    assert sent(keeper) == ["m-1 reminded open warning"]


def test_what_escalates_within_is_announced_as_critical_afterwards(keeper: AlertKeeper) -> None:
    inside = of(1100)
    report(keeper, fact(inside), rules=TimerRules(escalate_after=300))

    assert elapse(keeper, 1500) == 1

    assert sent(keeper) == []
    assert release(keeper) == 1
    assert sent(keeper) == ["m-1 opened open critical"]


def test_a_timer_after_its_maintenance_announces_it_first(keeper: AlertKeeper) -> None:
    inside = of(1100)
    report(keeper, fact(inside), rules=TimerRules(escalate_after=1000))

    assert elapse(keeper, 2200) == 1

    assert sent(keeper) == ["m-1 opened open critical", "m-1 escalated open critical"]
    assert release(keeper) == 0


def test_what_is_muted_no_more_is_announced_once_it_is_reviewed(keeper: AlertKeeper) -> None:
    """The maintenance has left the configuration, or ends earlier there."""
    gone, still = of(1100), of(1200, "m-2")
    report(keeper, fact(gone), fact(still))

    def shorter(_family: str, stream: str, at: int) -> Muted | None:
        return muting("", stream, at) if stream == "m-2" else None

    assert release(keeper, 1500, shorter) == 0
    keeper.store().maintenance.review("other")
    assert release(keeper, 1500, shorter) == 0
    keeper.store().maintenance.review("live")
    assert release(keeper, 1150, shorter) == 1  # also where the streams of this worker are behind
    assert sent(keeper) == ["m-1 opened open warning"]
    assert release(keeper, END - 1) == 0
    assert release(keeper) == 1
    assert sent(keeper) == ["m-2 opened open warning"]


def test_removing_it_locks_alerts_before_what_is_withheld_of_them(tmp_path: Path) -> None:
    """As commits and releases do: else two of them may wait for each other."""
    keeper = SqlKeeper(f"sqlite:///{tmp_path}/store.db")
    store = keeper.store()
    start = datetime(2026, 1, 4, 1)  # noqa: DTZ001 (a wall-clock time)
    store.maintenance.add([Maintenance(name="weekly", start=start, end=start + timedelta(hours=1))])
    far = time.time_ns() + HOUR
    store.commit(Commit("live", facts=[fact(of(1100))], announce=announce, muting=lambda *_: Muted(WITHHELD, far)))

    found = statements(store, lambda: store.maintenance.remove("weekly", "ann", ""))

    (update,) = (place for place, each in enumerate(found) if each.startswith("UPDATE withheld"))
    (lock,) = (place for place, each in enumerate(found) if "FROM alerts" in each and "ORDER BY alerts.id" in each)
    assert lock < update
    keeper.close()
