"""Facts of workers and commands of people on one alert: in memory, on SQLite, on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from monitor.errors import SettingsError
from monitor.ports.store import Commit
from monitor.records.alerts import Alert, AlertState, CommandKind, Fact, FactKind, Severity, alert_id
from tests.alert_keepers import AlertKeeper, MemoryKeeper, SqlKeeper, render, statements
from tests.store_rows import TOPIC, alert, cleared, command, evidence, fact, resolved

OPENED = alert()
WORSE = replace(OPENED, severity=Severity.CRITICAL, last_at=120, peak_ratio=2.5, peak_at=120, windows=3)
WORSENED = fact(WORSE, FactKind.WORSENED, 120, 2.5)
CONTINUED = fact(replace(WORSE, last_at=130, windows=4), FactKind.CONTINUED, 130)
ACK, UNACK, NOTE = CommandKind.ACKNOWLEDGE, CommandKind.UNACKNOWLEDGE, CommandKind.NOTE


SQL = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]


@pytest.fixture(params=SQL)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlKeeper]:
    at = f"sqlite:///{tmp_path}/store.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    found = SqlKeeper(at)
    yield found
    found.close()


@pytest.fixture(params=["memory", *SQL])
def keeper(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AlertKeeper]:
    if request.param == "memory":
        yield MemoryKeeper()
        return
    at = f"sqlite:///{tmp_path}/store.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    found = SqlKeeper(at)
    yield found
    found.close()


def report(keeper: AlertKeeper, *facts: Fact) -> None:
    keeper.store().commit(Commit("live", facts=list(facts), announce=render))


def causes(keeper: AlertKeeper, of: Alert = OPENED) -> list[tuple[int, str, str]]:
    """Number, cause and state of each transition."""
    return [(t.number, str(t.cause), str(t.state)) for t in keeper.kept().transitions[of.id]]


def test_facts_become_a_row_with_its_transitions(keeper: AlertKeeper) -> None:
    report(keeper, fact(OPENED))
    report(keeper, WORSENED, CONTINUED)
    report(keeper, cleared(WORSE))

    (row,) = keeper.kept().alerts.values()
    assert row == replace(
        OPENED, severity=Severity.CRITICAL, state=AlertState.RESOLVED, resolved_at=150, last_at=130, windows=7,
        peak_ratio=3.0, peak_at=120,
    )  # fmt: skip
    assert causes(keeper) == [(0, "opened", "open"), (1, "worsened", "open"), (2, "cleared", "resolved")]
    ids = [transition.id for transition in keeper.kept().transitions[OPENED.id]]
    assert ids == [fact(OPENED).id, WORSENED.id, cleared(WORSE).id]
    assert list(keeper.kept().outbox) == ids


def test_alerts_of_two_channels_are_two_with_ratios_as_large_as_they_get(keeper: AlertKeeper) -> None:
    ids = {name: alert_id("live", "machines", "m-1", 100, "frozen", name) for name in ("inlet", "Ausgang °C")}
    of = [replace(OPENED, id=id_, kind="frozen", channel=name, peak_ratio=1e9) for name, id_ in ids.items()]
    report(keeper, *(fact(alert, ratio=1e9) for alert in of))
    kept = keeper.kept()
    assert {alert.channel: alert.peak_ratio for alert in kept.alerts.values()} == dict.fromkeys(ids, 1e9)
    assert [kept.transitions[alert.id][0].ratio for alert in of] == [1e9, 1e9]
    keeper.commands().give(command(of[1]))
    assert keeper.kept().alerts[of[1].id].channel == "Ausgang °C"


def test_the_newest_cause_stays_whatever_comes_again(keeper: AlertKeeper) -> None:
    first = replace(OPENED, cause="12 gaps: seems to send every 60 s\x00")
    newer = replace(first, last_at=130, windows=7, cause="18 gaps: seems to send every 60 s")
    report(keeper, fact(first))
    assert keeper.kept().alerts[OPENED.id].cause.startswith("12 gaps: seems to send every 60 s")
    report(keeper, fact(newer, FactKind.CONTINUED, 130), fact(first))
    report(keeper, fact(first))
    assert keeper.kept().alerts[OPENED.id].cause == newer.cause
    keeper.commands().give(command(OPENED))
    assert keeper.kept().alerts[OPENED.id].cause == newer.cause


@pytest.mark.parametrize("again", [[fact(OPENED)], [WORSENED, CONTINUED], [fact(OPENED), WORSENED, cleared(WORSE)]])
def test_facts_that_come_again_change_nothing(keeper: AlertKeeper, again: list[Fact]) -> None:
    report(keeper, fact(OPENED), WORSENED, CONTINUED, cleared(WORSE))
    before = keeper.kept()
    report(keeper, *again)
    report(keeper, *again, *again)
    assert keeper.kept() == before


def test_a_commit_whose_answer_was_lost_may_come_again(keeper: AlertKeeper) -> None:
    store = keeper.store()
    epoch = store.take("live", [TOPIC])[TOPIC].epoch
    commit = Commit(
        "live", facts=[fact(OPENED)], evidence=[evidence(OPENED)], announce=render, positions={TOPIC: (epoch, 9)}
    )
    store.commit(commit)
    before = keeper.kept()
    keeper.store().commit(commit)
    assert keeper.kept() == before


def test_facts_in_any_order_lose_nothing(keeper: AlertKeeper) -> None:
    for each in (cleared(WORSE), CONTINUED, WORSENED, fact(OPENED)):
        report(keeper, each)
    assert [(cause, state) for _, cause, state in causes(keeper)] == [
        ("cleared", "resolved"), ("worsened", "resolved"), ("opened", "resolved"),
    ]  # fmt: skip
    (row,) = keeper.kept().alerts.values()
    assert (row.resolved_at, row.severity, row.windows, row.peak_ratio) == (150, Severity.CRITICAL, 7, 3.0)


def test_an_acknowledgement_outlives_the_next_anomaly_and_the_resolution(keeper: AlertKeeper) -> None:
    """It was undone by the next anomalous window, and the resolution then ended the worker."""
    report(keeper, fact(OPENED))
    answer = keeper.commands().give(command(OPENED, note="on my way"))
    assert (answer.alert.state, answer.refused) == (AlertState.ACKNOWLEDGED, "")
    report(keeper, CONTINUED)
    report(keeper, WORSENED)
    row = keeper.kept().alerts[OPENED.id]
    assert (row.state, row.windows, row.severity) == (AlertState.ACKNOWLEDGED, 4, Severity.CRITICAL)
    report(keeper, cleared(WORSE))

    row = keeper.kept().alerts[OPENED.id]
    assert (row.state, row.acknowledged_by, row.acknowledged_at, row.note) == ("resolved", "ann", 1001, "on my way")
    assert causes(keeper) == [
        (0, "opened", "open"), (1, "acknowledge", "acknowledged"), (2, "worsened", "acknowledged"),
        (3, "cleared", "resolved"),
    ]  # fmt: skip
    kept = keeper.kept()
    payloads = [kept.outbox[transition.id] for transition in kept.transitions[OPENED.id]]
    assert payloads == [
        "0 opened open warning 1 ", "1 acknowledge acknowledged warning 1 ann",
        "2 worsened acknowledged critical 4 ann", "3 cleared resolved critical 7 ann",
    ]  # fmt: skip


def test_a_resolved_alert_says_whether_it_was_acknowledged(keeper: AlertKeeper) -> None:
    other = alert(stream="m-2")
    report(keeper, fact(OPENED), fact(other))
    keeper.commands().give(command(OPENED))
    report(keeper, cleared(OPENED), cleared(other))
    kept = keeper.kept().alerts
    assert [kept[of.id].acknowledged_at for of in (OPENED, other)] == [1001, None]
    assert kept[other.id] == resolved(other)


def test_a_command_that_comes_again_gets_the_first_answer(keeper: AlertKeeper) -> None:
    report(keeper, fact(OPENED))
    commands = keeper.commands()
    assert commands.give(command(OPENED)).refused == ""
    commands.give(command(OPENED, UNACK, 2))
    before = keeper.kept()
    assert commands.give(command(OPENED)).refused == ""
    assert keeper.commands().give(command(OPENED, UNACK, 2)).alert == before.alerts[OPENED.id]
    assert keeper.kept() == before
    assert before.alerts[OPENED.id] == OPENED
    assert causes(keeper)[1:] == [(1, "acknowledge", "acknowledged"), (2, "unacknowledge", "open")]


def test_what_cannot_be_done_is_refused_and_kept(keeper: AlertKeeper) -> None:
    report(keeper, fact(OPENED))
    commands = keeper.commands()
    given = [commands.give(command(OPENED, UNACK, 1)), commands.give(command(OPENED, ACK, 2))]
    given.append(commands.give(command(OPENED, ACK, 3)))
    given.append(commands.give(command(OPENED, NOTE, 4, note=" ")))
    report(keeper, cleared(OPENED))
    given += [commands.give(command(OPENED, kind, 5 + i, "why")) for i, kind in enumerate((ACK, UNACK, NOTE))]
    refused = [
        "the alert is not acknowledged", "", "the alert is acknowledged already, by ann", "the note is empty",
        "the alert is acknowledged already, by ann", "the alert is resolved already", "",
    ]  # fmt: skip
    assert [answer.refused for answer in given] == refused
    assert keeper.kept().commands == {UUID(int=i + 1): why for i, why in enumerate(refused)}
    assert [cause for _, cause, _ in causes(keeper)] == ["opened", "acknowledge", "cleared", "note"]
    assert keeper.kept().alerts[OPENED.id].note == "why"


def test_an_alert_that_does_not_exist(keeper: AlertKeeper) -> None:
    with pytest.raises(SettingsError, match="no alert"):
        keeper.commands().give(command(OPENED))
    assert keeper.kept().commands == {}


def test_decisions_are_read_back_for_a_replay(keeper: AlertKeeper) -> None:
    """By stream, kind and event time they fit the alert of another run, whose id is another one."""
    store = keeper.store()
    report(keeper, fact(OPENED), fact(alert(family="pumps")))
    commands = keeper.commands()
    commands.give(command(OPENED, ACK, 1, "seen"))
    commands.give(command(OPENED, ACK, 2))  # refused
    commands.give(command(alert(family="pumps"), ACK, 3))
    report(keeper, CONTINUED)
    commands.give(command(OPENED, UNACK, 4))

    found = store.decisions("live", "machines")

    assert [(d.command.kind, d.command.by, d.command.note, d.command.effective) for d in found] == [
        (ACK, "ann", "seen", 100), (UNACK, "ann", "", 130),
    ]  # fmt: skip
    assert store.decisions("live", "machines", found[0].position) == found[1:]
    assert store.decisions("again", "machines") == []
    replayed = alert("again")
    assert all((d.stream, d.alert_kind, d.opened_at) == (replayed.stream, "anomaly", 100) for d in found)
    again = [replace(d.command, id=uuid4(), alert=replayed.id) for d in found]
    store.commit(Commit("again", facts=[fact(replayed)]))
    for each in again:
        commands.give(each)
    assert [(t.cause, t.at) for t in keeper.kept().transitions[replayed.id]] == [
        (t.cause, t.at) for t in keeper.kept().transitions[OPENED.id]
    ]


def test_commands_go_with_their_run(keeper: AlertKeeper) -> None:
    store, replayed = keeper.store(), alert("again")
    report(keeper, fact(OPENED))
    store.take("again", [TOPIC])
    store.commit(Commit("again", facts=[fact(replayed)]))
    for i, of in enumerate((OPENED, replayed)):
        keeper.commands().give(command(of, number=i))
    store.start_run("again", replace=True)
    assert keeper.kept().commands == {UUID(int=0): ""}


def test_decisions_after_a_deleted_replay_are_behind_all_before(keeper: AlertKeeper) -> None:
    """A reader that remembers how far it has read misses none, although positions went with the replay."""
    store, commands, replayed = keeper.store(), keeper.commands(), alert("again")
    report(keeper, fact(OPENED))
    store.commit(Commit("again", facts=[fact(replayed)]))
    commands.give(command(OPENED, ACK, 1))
    commands.give(command(replayed, ACK, 2))
    (read,) = store.decisions("again", "machines")
    store.start_run("again", replace=True)

    commands.give(command(OPENED, UNACK, 3))

    assert [d.command.kind for d in store.decisions("live", "machines", read.position)] == [UNACK]


def test_people_and_workers_at_once(keeper: AlertKeeper) -> None:
    """Nothing is lost or doubled, and transitions are numbered without holes."""
    of = [alert(stream=f"m-{i}") for i in range(4)]
    report(keeper, *(fact(each) for each in of))

    def person(number: int) -> list[tuple[UUID, str]]:
        commands = keeper.commands()
        given = [command(of[i % 4], (ACK, UNACK)[i // 4 % 2], 100 * number + i) for i in range(16)]
        return [(each.id, commands.give(each).refused) for each in given]

    def worker(number: int) -> None:
        store = keeper.store()
        for i in range(8):
            worse = replace(of[number], last_at=110 + i, windows=2 + i)
            store.commit(Commit("live", facts=[fact(worse, FactKind.WORSENED, 110 + i)], announce=render))
        store.commit(Commit("live", facts=[cleared(replace(worse, opened_at=100))], announce=render))

    with ThreadPoolExecutor(8) as pool:
        workers = [pool.submit(worker, i) for i in range(4)]
        given = dict(answer for answers in pool.map(person, range(1, 5)) for answer in answers)
        for each in workers:
            each.result()
    kept = keeper.kept()
    assert kept.commands == given
    done = {id_ for id_, refused in given.items() if not refused}
    ids = [transition.id for transitions in kept.transitions.values() for transition in transitions]
    assert len(ids) == len(set(ids)) == len(kept.outbox) == 4 * 10 + len(done)
    assert done < set(ids)
    for transitions in kept.transitions.values():
        assert [transition.number for transition in transitions] == list(range(len(transitions)))
    assert {(row.state, row.windows) for row in kept.alerts.values()} == {(AlertState.RESOLVED, 9)}


def test_ten_thousand_facts_take_a_few_statements(database: SqlKeeper) -> None:
    of = [alert(stream=f"m-{i}") for i in range(10_000)]
    store = database.store()
    commits = [
        Commit("live", facts=[fact(each) for each in of], announce=render),
        Commit("live", facts=[fact(replace(each, last_at=120), FactKind.CONTINUED, 120) for each in of]),
        Commit("live", facts=[cleared(each) for each in of], announce=render),
    ]
    begin = ("BEGIN", "SELECT pg_current_xact_id", "SELECT version_num")

    sent = [statements(store, lambda commit=commit: store.commit(commit)) for commit in commits]  # type: ignore[misc]

    words = [[s.split()[0] + " " + s.split()[2] for s in each if not s.startswith(begin)] for each in sent]
    lock = database.url.startswith("postgresql")  # of the group of incidents
    incidents = [3 + lock, 0, 2 + 2 + lock]
    alerts = [3 + 3, 2 + 1, 2 + 2 + 1 + 3]  # ids are looked up 5,000 at a time
    assert [len(each) for each in words] == [sum(each) for each in zip(alerts, incidents, strict=True)]
    assert len(database.kept().outbox) == 20_000


def test_one_fact_takes_few_statements(database: SqlKeeper) -> None:
    store = database.store()
    begin = ("BEGIN", "SELECT pg_current_xact_id", "SELECT version_num")

    def count(*facts: Fact) -> int:
        sent = statements(store, lambda: store.commit(Commit("live", facts=list(facts), announce=render)))
        return sum(not statement.startswith(begin) for statement in sent)

    more = 3 + database.url.startswith("postgresql")  # its incident, and there the lock of its group
    counts = [count(), count(fact(OPENED)), count(CONTINUED), count(cleared(WORSE)), count(CONTINUED)]
    assert counts == [0, 5 + more, 2, 6 + more, 1]


def test_an_acknowledgement_made_with_sql_alone_is_kept(database: SqlKeeper) -> None:
    """As people did before there was a command: the state, and a transition under the next number."""
    report(database, fact(OPENED))
    with database.database.writing() as connection:
        connection.execute(text("UPDATE alerts SET state = 'acknowledged'"))
        by_hand = "INSERT INTO transitions (id, alert, number, at, state, severity, actor, note) SELECT "
        by_hand += ":id, id, 1, 105, 'acknowledged', 'warning', 'bob', '' FROM alerts"
        id_ = "0" * 31 + "7"
        connection.execute(text(by_hand.replace(":id", f"'{id_}'")))
    report(database, CONTINUED)
    assert database.kept().alerts[OPENED.id].state is AlertState.ACKNOWLEDGED
    report(database, cleared(WORSE))

    assert [(n, state) for n, _, state in causes(database)] == [(0, "open"), (1, "acknowledged"), (2, "resolved")]
    assert database.kept().alerts[OPENED.id].acknowledged_at is not None
