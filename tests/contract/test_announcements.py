"""Which changes of alerts are announced, and under which ids: in memory, on SQLite, on PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from monitor.alerts.notifications import TOO_OLD
from monitor.ports.store import Commit
from monitor.records.alerts import Alert, Fact, FactKind, message_id
from tests.alert_keepers import AlertKeeper, MemoryKeeper, SqlKeeper, render
from tests.store_rows import alert, command, fact

HOUR = 3600 * 10**9
Make = Callable[[str], AlertKeeper]


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Makes keepers over databases of these names; PostgreSQL has one database, made again for each name."""
    made: list[AlertKeeper] = []

    def keeper(name: str) -> AlertKeeper:
        if request.param == "memory":
            return MemoryKeeper()
        url = f"sqlite:///{tmp_path}/{name}.db"
        made.append(found := SqlKeeper(url if request.param == "sqlite" else request.getfixturevalue("postgres_url")))
        return found

    yield keeper
    for each in made:
        each.close()


def ago(hours: float, stream: str = "m-1", kind: str = "anomaly") -> Alert:
    """An alert that opened so long ago."""
    return replace(alert(stream=stream, opened_at=time.time_ns() - round(hours * HOUR)), kind=kind)


def at(of: Alert, kind: FactKind, hours: float) -> Fact:
    return fact(of, kind, time.time_ns() - round(hours * HOUR))


def report(keeper: AlertKeeper, *facts: Fact, max_age: int | None = HOUR) -> dict[str, int]:
    """Commit facts; how many changes were withheld, by kind of alert."""
    commit = Commit("live", facts=list(facts), announce=render, max_age=max_age)
    keeper.store().commit(commit)
    return dict(commit.withheld)


def sent(keeper: AlertKeeper, of: Alert) -> list[tuple[str, str, bool]]:
    """Cause, reason to withhold it, and whether it is in the outbox, of each change of an alert."""
    kept = keeper.kept()
    return [(str(t.cause), t.withheld, t.id in kept.outbox) for t in kept.transitions[of.id]]


def test_the_past_is_withheld_and_counted_and_what_is_recent_is_sent(make: Make) -> None:
    keeper, old, silent, new = make("a"), ago(30), ago(2, "m-2", "silent"), ago(0.5, "m-3")

    withheld = report(keeper, fact(old), at(old, FactKind.CLEARED, 29), fact(silent), fact(new))

    assert withheld == {"anomaly": 2, "silent": 1}
    assert sent(keeper, old) == [("opened", TOO_OLD, False), ("cleared", TOO_OLD, False)]
    assert sent(keeper, silent) == [("opened", TOO_OLD, False)]
    assert sent(keeper, new) == [("opened", "", True)]


def test_an_old_alert_that_worsens_now_is_sent_from_then_on(make: Make) -> None:
    keeper, old = make("a"), ago(2)

    assert report(keeper, fact(old)) == {"anomaly": 1}
    assert report(keeper, at(old, FactKind.WORSENED, 0.1)) == {}
    assert report(keeper, at(old, FactKind.CLEARED, 0)) == {}

    assert sent(keeper, old) == [("opened", TOO_OLD, False), ("worsened", "", True), ("cleared", "", True)]


def test_an_alert_that_was_sent_is_followed_to_its_end(make: Make) -> None:
    """Its worker was down for a while: without this the receiver would take it for open for ever."""
    keeper, known, unknown = make("a"), ago(5), ago(5, "m-2")
    report(keeper, fact(known), max_age=None)
    report(keeper, fact(unknown))

    withheld = report(keeper, at(known, FactKind.CLEARED, 4), at(unknown, FactKind.CLEARED, 4))

    assert withheld == {"anomaly": 1}
    assert sent(keeper, known) == [("opened", "", True), ("cleared", "", True)]
    assert sent(keeper, unknown) == [("opened", TOO_OLD, False), ("cleared", TOO_OLD, False)]


def test_what_people_do_is_always_sent(make: Make) -> None:
    keeper, old = make("a"), ago(30)
    report(keeper, fact(old))

    keeper.commands().give(command(old))

    assert sent(keeper, old)[1:] == [("acknowledge", "", True)]


def test_a_commit_that_comes_again_counts_once(make: Make) -> None:
    keeper, commit = make("a"), Commit("live", facts=[fact(ago(2))], announce=render, max_age=HOUR)
    keeper.store().commit(commit)
    keeper.store().commit(commit)

    assert commit.withheld == {}
    assert len(keeper.kept().transitions) == 1


def test_two_stores_give_the_same_change_two_ids(make: Make) -> None:
    """A receiver drops ids that it has seen: with one id it would drop the news of the second plant."""
    ids, stores = [], []
    for name in ("a", "b"):
        keeper = make(name)
        report(keeper, fact(alert()), max_age=None)
        (delivery,) = keeper.outbox().claim("hook", 1, 10, 60)
        stores.append(keeper.store().identity)
        assert keeper.store().identity == stores[-1]
        assert (delivery.transition, delivery.message) == (fact(alert()).id, message_id(stores[-1], fact(alert()).id))
        ids.append(delivery.message)
        if isinstance(keeper, SqlKeeper) and keeper.url.startswith("postgresql"):
            return  # there is one database only; its id is random
    assert len({*ids, *stores}) == 4


def test_a_payload_names_its_store(make: Make) -> None:
    keeper, seen = make("a"), list[UUID]()

    def announce(*about: object) -> list[tuple[str, str]]:
        seen.append(about[3])  # type: ignore[arg-type] # the fourth is the store's identity
        return []

    keeper.store().commit(Commit("live", facts=[fact(alert())], announce=announce))

    assert seen == [keeper.store().identity]
