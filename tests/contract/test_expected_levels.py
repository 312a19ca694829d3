"""A person expects the level of an alert: in memory, on SQLite, on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid5

import pytest

from monitor.errors import StreamsChangedError
from monitor.ports.store import Commit, StreamState
from monitor.records.alerts import AlertState, CommandKind, Fact, FactKind
from tests.alert_keepers import AlertKeeper, MemoryKeeper, SqlKeeper, render
from tests.store_rows import TOPIC, alert, command, fact, state

EXPECT, ACK = CommandKind.EXPECT, CommandKind.ACKNOWLEDGE
OPENED = alert()
NEWEST = 170  # event time of the newest reading that is stored


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def keeper(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AlertKeeper]:
    if request.param == "memory":
        yield MemoryKeeper()
        return
    at = f"sqlite:///{tmp_path}/store.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    found = SqlKeeper(at)
    yield found
    found.close()


def write(keeper: AlertKeeper, *facts: Fact, run: str = "live", stream: str = "m-1") -> StreamState:
    """What a worker commits about a stream that it has loaded; its newest reading is at `NEWEST`."""
    store = keeper.store()
    (held,) = store.open_streams(run, "machines", [stream])
    epoch = store.take(run, [TOPIC])[TOPIC].epoch
    saved = state(held.id, b"saved", NEWEST)._replace(version=held.version)
    store.commit(Commit(run, streams=[saved], facts=list(facts), announce=render, positions={TOPIC: (epoch, 9)}))
    return saved


def life(keeper: AlertKeeper) -> list[tuple[str, str, str, int]]:
    return [(str(t.cause), str(t.state), t.actor, t.at) for t in keeper.kept().transitions[OPENED.id]]


def test_the_alert_is_over_and_the_verdict_takes_effect_behind_the_newest_reading(keeper: AlertKeeper) -> None:
    write(keeper, fact(OPENED))
    answer = keeper.commands().give(command(OPENED, EXPECT, note="new pump"))
    assert (answer.refused, answer.alert.state, answer.alert.resolved_at) == ("", AlertState.RESOLVED, NEWEST)
    assert (answer.alert.acknowledged_by, answer.alert.acknowledged_at, answer.alert.note) == ("ann", 1001, "new pump")
    assert life(keeper) == [("opened", "open", "monitor", 100), ("expect", "resolved", "ann", NEWEST)]
    (found,) = keeper.store().decisions("live", "machines")
    assert (found.command.kind, found.command.effective, found.stream) == (EXPECT, NEWEST, "m-1")


def test_a_change_keeps_when_a_person_acted_beside_its_event_time(keeper: AlertKeeper) -> None:
    write(keeper, fact(OPENED))
    given = command(OPENED, EXPECT)
    keeper.commands().give(given)
    assert [(change.at, change.acted_at) for change in keeper.kept().transitions[OPENED.id]] == [
        (100, None), (NEWEST, given.at),
    ]  # fmt: skip


def test_who_acknowledged_it_before_stays(keeper: AlertKeeper) -> None:
    write(keeper, fact(OPENED))
    keeper.commands().give(command(OPENED, ACK, 1))
    given = replace(command(OPENED, EXPECT, 2), by="bob")
    assert keeper.commands().give(given).alert.acknowledged_by == "ann"


def test_that_the_alert_is_over_is_said_once(keeper: AlertKeeper) -> None:
    """The worker that meets the verdict reports the same end."""
    write(keeper, fact(OPENED))
    keeper.commands().give(command(OPENED, EXPECT))
    before = keeper.kept()
    write(keeper, replace(fact(OPENED, FactKind.CLEARED, NEWEST), reason="expected by ann"))
    assert keeper.kept() == before


def test_a_worker_that_holds_the_stream_is_refused_until_it_loads_it_again(keeper: AlertKeeper) -> None:
    held, other = write(keeper, fact(OPENED)), write(keeper, stream="m-2")
    keeper.commands().give(command(OPENED, EXPECT))
    store = keeper.store()
    epoch = store.take("live", [TOPIC])[TOPIC].epoch
    store.commit(Commit("live", streams=[other._replace(before=10)], positions={TOPIC: (epoch, 10)}))
    with pytest.raises(StreamsChangedError, match="command"):
        store.commit(Commit("live", streams=[held._replace(before=10)], positions={TOPIC: (epoch, 11)}))
    (again,) = store.open_streams("live", "machines", ["m-1"])
    assert (again.version, again.closed, again.retired) == (held.version + 1, False, False)
    write(keeper)


def test_a_repeat_changes_nothing(keeper: AlertKeeper) -> None:
    write(keeper, fact(OPENED))
    commands = keeper.commands()
    assert commands.give(command(OPENED, EXPECT)).refused == commands.give(command(OPENED, EXPECT)).refused == ""
    assert len(life(keeper)) == 2


def test_what_has_no_level_is_refused(keeper: AlertKeeper) -> None:
    silent, replayed = replace(OPENED, id=uuid5(OPENED.id, "silent"), kind="silent"), alert("again")
    write(keeper, fact(OPENED), fact(silent))
    write(keeper, fact(replayed), run="again")
    commands = keeper.commands()
    given = [commands.give(command(of, EXPECT, number)) for number, of in enumerate((silent, replayed, OPENED, OPENED))]
    assert [answer.refused for answer in given] == [
        "it is about the stream itself (silent); only the level of an anomaly can be expected",
        "it belongs to run again; only a live stream learns what is expected",
        "",
        "the alert is resolved already",
    ]
    (held,) = keeper.store().open_streams("live", "machines", ["m-1"])
    assert held.version == 1


def test_an_alert_whose_stream_has_no_row_ends_at_its_newest_anomaly(keeper: AlertKeeper) -> None:
    keeper.store().commit(Commit("live", facts=[fact(OPENED)], announce=render))
    assert keeper.commands().give(command(OPENED, EXPECT)).alert.resolved_at == OPENED.last_at
