"""Incidents beside the alerts that make them, and their messages: in memory, on SQLite, on PostgreSQL."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from monitor.alerts.notifications import TOO_OLD
from monitor.config.channels import Channel
from monitor.notify.incident_payload import incident_announcement
from monitor.ports.incidents import IncidentMessages
from monitor.ports.notifier import Outcome
from monitor.ports.store import Commit
from monitor.records.alerts import Alert, Command, CommandKind, Delivery, Fact, FactKind, Severity, message_id
from monitor.records.incidents import Grouping, Incident, IncidentState, incident_id
from monitor.store import incident_rows, schema
from monitor.store.incident_messages import SqlIncidentMessages
from monitor.store.memory_incidents import MemoryIncidentMessages
from tests.alert_keepers import AlertKeeper, MemoryKeeper, SqlKeeper, render
from tests.store_rows import alert, cleared, command, fact, resolved

SECOND = 10**9
RULE = Grouping(within=60 * SECOND, wait=30 * SECOND)
LATER = 2**61  # wall clock, ns: everything that waits is due


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def keeper(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AlertKeeper]:
    if request.param == "memory":
        yield MemoryKeeper()
        return
    at = f"sqlite:///{tmp_path}/store.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    found = SqlKeeper(at)
    yield found
    found.close()


def report(keeper: AlertKeeper, *facts: Fact, rule: Grouping = RULE, max_age: int | None = None) -> None:
    keeper.store().commit(Commit("live", facts=list(facts), announce=render, grouping=rule, max_age=max_age))


def messages(keeper: AlertKeeper) -> IncidentMessages:
    announce = incident_announcement({"hook": Channel()})
    if isinstance(keeper, MemoryKeeper):
        return MemoryIncidentMessages(keeper.shared, announce)
    assert isinstance(keeper, SqlKeeper)
    return SqlIncidentMessages(keeper.database, announce)


def incidents(keeper: AlertKeeper) -> list[Incident]:
    """By opening."""
    if isinstance(keeper, MemoryKeeper):
        return sorted(keeper.shared.incidents.values(), key=lambda each: each.opened_at)
    assert isinstance(keeper, SqlKeeper)
    with keeper.database.reading() as connection:
        rows = connection.execute(select(schema.incidents).order_by(schema.incidents.c.opened_at))
        return [incident_rows.incident(row) for row in rows]


def members(keeper: AlertKeeper) -> dict[UUID, UUID]:
    """Incidents by alert."""
    if isinstance(keeper, MemoryKeeper):
        return {member.alert: member.incident for member in keeper.shared.members.values()}
    assert isinstance(keeper, SqlKeeper)
    with keeper.database.reading() as connection:
        return {row.alert: row.incident for row in connection.execute(select(schema.incident_members))}


def sent(keeper: AlertKeeper) -> list[Delivery]:
    """What is due on the channel, which accepts it."""
    outbox, found = keeper.outbox(), list[Delivery]()
    while some := outbox.claim("hook", LATER, 100, 10**9):
        outbox.record([Outcome(each, LATER) for each in some])
        found += some
    return sorted(found, key=lambda delivery: delivery.id)


def said(deliveries: list[Delivery]) -> list[tuple[str, dict[str, Any]]]:
    return [(body["type"], body["data"]) for body in (json.loads(each.payload) for each in deliveries)]


def trip(count: int, at: int = 100, first: int = 0) -> list[Alert]:
    return [alert(stream=f"m-{i}", opened_at=at + i) for i in range(first, first + count)]


def worse(of: Alert, at: int) -> Fact:
    changed = replace(of, severity=Severity.CRITICAL, last_at=at, peak_ratio=9.0, peak_at=at, windows=9)
    return fact(changed, FactKind.WORSENED, at, 9.0)


def test_alerts_that_overlap_are_one_incident_with_one_message(keeper: AlertKeeper) -> None:
    of = trip(200)
    for i in range(0, 200, 50):
        report(keeper, *map(fact, of[i : i + 50]))
    report(keeper, worse(of[150], 400))

    (incident,) = incidents(keeper)
    assert incident.id == incident_id("live", "machines", 100)
    assert (incident.members, incident.open, incident.severity) == (200, 200, Severity.CRITICAL)
    assert members(keeper) == dict.fromkeys((each.id for each in of), incident.id)
    assert len(keeper.kept().alerts) == 200
    reasons = {change.withheld for changes in keeper.kept().transitions.values() for change in changes}
    assert reasons == {f"in incident {incident.id.hex[:8]}"}
    assert sent(keeper) == []

    assert messages(keeper).write_due(LATER) == 1
    assert messages(keeper).write_due(LATER) == 0
    (delivery,) = sent(keeper)
    ((kind, data),) = said([delivery])
    assert kind == "incident.opened"
    assert (data["incident_id"], data["state"], data["severity"]) == (str(incident.id), "open", "critical")
    assert (data["alerts"], data["open"], data["kinds"], data["more"]) == (200, 200, {"anomaly": 200}, 180)
    listed = [row["stream"] for row in data["members"]]
    assert listed[:3] == ["m-0", "m-150", "m-1"]  # the first, the worst, then by opening
    assert len(listed) == 20


def test_no_message_is_made_before_its_time(keeper: AlertKeeper) -> None:
    report(keeper, fact(alert()))
    due = incidents(keeper)[0].due_at
    assert due is not None
    assert messages(keeper).write_due(due - 1) == 0
    assert messages(keeper).write_due(due) == 1


def test_without_the_setting_every_alert_is_announced_and_incidents_are_a_record(keeper: AlertKeeper) -> None:
    report(keeper, *map(fact, trip(3)), rule=Grouping())
    report(keeper, cleared(alert(stream="m-0")), rule=Grouping())
    (incident,) = incidents(keeper)
    assert (incident.members, incident.open, incident.due_at) == (3, 2, None)
    assert len(keeper.kept().outbox) == 4
    assert messages(keeper).write_due(LATER) == 0


def test_a_late_member_joins_at_most_every_wait_and_then_more_rarely(keeper: AlertKeeper) -> None:
    wait = RULE.wait or 0
    report(keeper, fact(alert()))
    writer, now = messages(keeper), incidents(keeper)[0].due_at or 0
    assert writer.write_due(now) == 1
    for number, pause in enumerate((wait, 2 * wait, 4 * wait), start=1):
        report(keeper, *map(fact, trip(2, at=200, first=10 * number)))
        assert incidents(keeper)[0].due_at == now + pause
        assert writer.write_due(now + pause - 1) == 0
        now += pause
        assert writer.write_due(now) == 1
    kinds = said(sent(keeper))
    assert [kind for kind, _ in kinds] == ["incident.opened", *["incident.updated"] * 3]
    assert [data["alerts"] for _, data in kinds] == [1, 3, 5, 7]


def test_what_worsens_is_said_at_once(keeper: AlertKeeper) -> None:
    of = trip(2)
    report(keeper, *map(fact, of))
    now = incidents(keeper)[0].due_at or 0
    messages(keeper).write_due(now)
    report(keeper, worse(of[1], 300))
    assert messages(keeper).write_due(now) == 1
    kind, data = said(sent(keeper))[-1]
    assert (kind, data["severity"], [row["stream"] for row in data["members"]]) == (
        "incident.updated", "critical", ["m-0", "m-1"]
    )  # fmt: skip


def test_it_is_resolved_when_all_are_and_says_so_once(keeper: AlertKeeper) -> None:
    of = trip(3)
    report(keeper, *map(fact, of))
    now = incidents(keeper)[0].due_at or 0
    messages(keeper).write_due(now)
    report(keeper, cleared(of[0]), cleared(of[1]))
    assert messages(keeper).write_due(LATER) == 0  # that fewer are open is no message
    report(keeper, cleared(of[2]))
    report(keeper, cleared(of[2]))

    (incident,) = incidents(keeper)
    assert (incident.state, incident.resolved_at) == (IncidentState.RESOLVED, resolved(of[2]).resolved_at)
    assert messages(keeper).write_due(now) == 1
    assert messages(keeper).write_due(LATER) == 0
    kinds = said(sent(keeper))
    assert [(kind, data["state"]) for kind, data in kinds] == [
        ("incident.opened", "open"), ("incident.resolved", "resolved")
    ]  # fmt: skip
    assert kinds[1][1]["resolved_at"] is not None


def test_one_that_is_over_before_its_message_opens_and_is_resolved(keeper: AlertKeeper) -> None:
    """So that a receiver which goes by the type is left with nothing that is open."""
    report(keeper, fact(alert()), cleared(alert()))
    assert messages(keeper).write_due(LATER) == 1
    assert messages(keeper).write_due(LATER) == 1
    assert messages(keeper).write_due(LATER) == 0
    found = sent(keeper)
    states = [(kind, data["state"], data["resolved_at"] is None) for kind, data in said(found)]
    assert states == [("incident.opened", "open", True), ("incident.resolved", "resolved", False)]
    assert [json.loads(each.payload)["timestamp"][-8:] for each in found] == ["0000150Z"] * 2  # when it was over


def test_members_of_the_past_start_no_message_and_what_they_changed_is_said_with_the_next_one(
    keeper: AlertKeeper,
) -> None:
    of = trip(3)
    report(keeper, fact(of[0]))
    now = incidents(keeper)[0].due_at or 0
    assert messages(keeper).write_due(now) == 1
    report(keeper, fact(of[1]), worse(of[1], 300), max_age=1)
    assert (incidents(keeper)[0].members, incidents(keeper)[0].due_at) == (2, None)

    report(keeper, fact(of[2]))
    assert messages(keeper).write_due(now) == 1  # at once: it is worse than was said
    assert [(kind, data["alerts"], data["severity"]) for kind, data in said(sent(keeper))][1:] == [
        ("incident.updated", 3, "critical")
    ]


def test_a_member_that_comes_back_from_its_shelf_is_said_again(keeper: AlertKeeper) -> None:
    report(keeper, fact(alert()))
    now = incidents(keeper)[0].due_at or 0
    assert messages(keeper).write_due(now) == 1
    for number, kind in enumerate((CommandKind.SHELVE, CommandKind.UNSHELVE)):
        given = Command(id=UUID(int=number), alert=alert().id, kind=kind, by="ann", at=200, span=3600 * SECOND)
        assert keeper.commands().give(given).refused == ""
        assert messages(keeper).write_due(LATER) == (kind is CommandKind.UNSHELVE)

    assert [kind for kind, _ in said(sent(keeper))] == ["incident.opened", "incident.updated"]
    assert messages(keeper).write_due(LATER) == 0


def test_a_first_message_that_a_command_makes_due_waits_as_the_settings_say(keeper: AlertKeeper) -> None:
    """Its alert is of the past: no commit makes a message due."""
    hour = 3600 * SECOND
    report(keeper, fact(alert()), rule=replace(RULE, wait=hour), max_age=1)
    assert incidents(keeper)[0].due_at is None
    before = time.time_ns()
    for number, kind in enumerate((CommandKind.SHELVE, CommandKind.UNSHELVE)):
        given = Command(id=UUID(int=number), alert=alert().id, kind=kind, by="ann", at=200, span=hour)
        assert keeper.commands().give(given).refused == ""

    assert before + hour <= (incidents(keeper)[0].due_at or 0) <= time.time_ns() + hour


def test_one_that_opens_again_soon_is_said_to_open(keeper: AlertKeeper) -> None:
    report(keeper, fact(alert()), cleared(alert()))
    for _ in range(2):
        messages(keeper).write_due(LATER)
    report(keeper, fact(alert(stream="m-2", opened_at=100 + 59 * SECOND)))
    report(keeper, fact(alert(stream="m-3", opened_at=100 + 3 * 3600 * SECOND)))  # while that one is open
    assert len(incidents(keeper)) == 1
    messages(keeper).write_due(LATER + 3600 * SECOND)
    assert [(kind, data["alerts"]) for kind, data in said(sent(keeper))][2:] == [("incident.opened", 3)]


def test_what_comes_later_or_of_another_group_is_another_incident(keeper: AlertKeeper) -> None:
    rule = replace(RULE, groups={"north": ["n-*", "*/north"]})
    report(keeper, fact(alert()), cleared(alert()), rule=rule)
    report(keeper, fact(alert(stream="m-2", opened_at=200 + 61 * SECOND)), rule=rule)
    others = [alert(stream="p-1", family="pumps"), alert(stream="n-1"), alert(stream="x/north", family="pumps")]
    report(keeper, *map(fact, others), rule=rule)
    assert sorted((each.group, each.members) for each in incidents(keeper)) == [
        ("machines", 1), ("machines", 1), ("north", 2), ("pumps", 1)
    ]  # fmt: skip


def test_ids_of_messages_are_made_of_store_incident_and_number(keeper: AlertKeeper) -> None:
    report(keeper, fact(alert()), cleared(alert()))
    for _ in range(2):
        messages(keeper).write_due(LATER)
    found = sent(keeper)
    incident = incidents(keeper)[0]
    from monitor.alerts.incidents import message_name

    names = [message_name(replace(incident, messages=number)) for number in (1, 2)]
    assert [each.message for each in found] == [message_id(keeper.store().identity, name) for name in names]
    assert [each.alert for each in found] == [incident.id] * 2  # one queue: they arrive in their order
    assert len({each.transition for each in found}) == 2


def test_what_people_do_to_members_counts(keeper: AlertKeeper) -> None:
    of = trip(2)
    report(keeper, *map(fact, of))
    now = incidents(keeper)[0].due_at or 0
    messages(keeper).write_due(now)
    keeper.commands().give(command(of[0], CommandKind.ACKNOWLEDGE, 1))
    assert incidents(keeper)[0].state is IncidentState.OPEN
    keeper.commands().give(command(of[1], CommandKind.ACKNOWLEDGE, 2))
    assert incidents(keeper)[0].state is IncidentState.ACKNOWLEDGED
    messages(keeper).write_due(LATER)
    keeper.commands().give(command(of[0], CommandKind.CLOSE, 3))
    keeper.commands().give(command(of[1], CommandKind.CLOSE, 4))
    messages(keeper).write_due(LATER)
    assert [(kind, data["state"]) for kind, data in said(sent(keeper))] == [
        ("incident.opened", "open"), ("incident.updated", "acknowledged"), ("incident.resolved", "resolved")
    ]  # fmt: skip


def test_an_alert_that_was_announced_by_itself_is_to_its_end(keeper: AlertKeeper) -> None:
    """The setting came while it was open: who knows of the alert hears that it is over."""
    report(keeper, fact(alert()), rule=Grouping())
    report(keeper, fact(alert(stream="m-2", opened_at=150)))
    report(keeper, cleared(alert()))
    assert [change.withheld for change in keeper.kept().transitions[alert().id]] == ["", ""]
    messages(keeper).write_due(LATER)
    assert len(sent(keeper)) == 3


def test_a_member_of_an_announced_incident_is_none_without_the_setting(keeper: AlertKeeper) -> None:
    report(keeper, fact(alert()))
    messages(keeper).write_due(LATER)
    report(keeper, cleared(alert()), rule=Grouping())
    messages(keeper).write_due(LATER)
    assert [kind for kind, _ in said(sent(keeper))] == ["incident.opened", "incident.resolved"]


def test_incidents_of_the_past_are_not_announced(keeper: AlertKeeper) -> None:
    report(keeper, *map(fact, trip(3)), max_age=3600 * SECOND)
    assert messages(keeper).write_due(LATER) == 0
    assert {change.withheld for of in keeper.kept().transitions.values() for change in of} == {TOO_OLD}


def test_alerts_that_were_there_before_incidents_belong_to_none(keeper: AlertKeeper) -> None:
    report(keeper, fact(alert()), rule=Grouping())
    if isinstance(keeper, MemoryKeeper):
        keeper.shared.incidents.clear()
        keeper.shared.members.clear()
    else:
        assert isinstance(keeper, SqlKeeper)
        with keeper.database.writing() as connection:
            connection.execute(schema.incidents.delete())  # places in them go with them
    report(keeper, worse(alert(), 120))
    keeper.commands().give(command(alert()))
    report(keeper, cleared(alert()))
    assert (incidents(keeper), members(keeper)) == ([], {})
    assert len(keeper.kept().outbox) == 4
    report(keeper, fact(alert(stream="m-2", opened_at=120)))
    assert [each.members for each in incidents(keeper)] == [1]


def test_incidents_go_with_their_run(keeper: AlertKeeper) -> None:
    store = keeper.store()
    store.take("again", [("plant", 0)])
    report(keeper, fact(alert()))
    store.commit(Commit("again", facts=[fact(alert("again"))]))
    assert [each.run for each in incidents(keeper)] in (["live", "again"], ["again", "live"])
    store.start_run("again", replace=True)
    assert [each.run for each in incidents(keeper)] == ["live"]
    assert members(keeper).keys() == {alert().id}


def test_two_workers_at_once_make_one_incident(keeper: AlertKeeper) -> None:
    """Their first alerts open at the same moment, again and again; a dispatcher makes messages meanwhile."""
    groups = [f"family-{i}" for i in range(8)]

    def worker(number: int) -> None:
        store = keeper.store()
        for group in groups:
            of = [alert(stream=f"w-{number}-{i}", family=group, opened_at=100 + 7 * number + i) for i in range(3)]
            store.commit(Commit("live", facts=list(map(fact, of)), announce=render, grouping=RULE))
            store.commit(Commit("live", facts=[cleared(of[0]), cleared(of[1])], announce=render, grouping=RULE))

    def dispatcher() -> None:
        for _ in range(20):
            messages(keeper).write_due(LATER)

    with ThreadPoolExecutor(6) as pool:
        for each in [*(pool.submit(worker, number) for number in range(4)), pool.submit(dispatcher)]:
            each.result()
    found = incidents(keeper)
    assert sorted(each.group for each in found) == groups
    assert {(each.members, each.open) for each in found} == {(12, 4)}
    while messages(keeper).write_due(LATER * 2):
        pass
    newest = {data["group"]: data["alerts"] for _, data in said(sent(keeper))}
    assert newest == dict.fromkeys(groups, 12)
