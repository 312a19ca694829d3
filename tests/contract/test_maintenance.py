"""Maintenance that people enter, and what it withholds of alerts: in memory, on SQLite, on PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import pytest

from monitor.errors import SettingsError
from monitor.ports.notifier import Outcome
from monitor.ports.store import Commit
from monitor.records.alerts import Alert, Fact, FactKind
from monitor.records.maintenance import Maintenance, Muted
from tests.alert_keepers import AlertKeeper, MemoryKeeper, SqlKeeper, render, statements
from tests.store_rows import alert, command, fact

WEEKLY = Maintenance(
    name="weekly", start=datetime(2026, 1, 4, 1), end=datetime(2026, 1, 4, 5), zone="Europe/Berlin",  # noqa: DTZ001
    rrule="FREQ=WEEKLY", exdates=(datetime(2026, 1, 11, 1),), families=("pumps",), streams="m-1*", score=False,  # noqa: DTZ001
    by="ann", why="cleaning",
)  # fmt: skip
BEGIN, END = 1000, 2000
WITHHELD = "maintenance weekly"


def muting(_family: str, _stream: str, at: int) -> Muted | None:
    return Muted(WITHHELD, END) if BEGIN <= at < END else None


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def keeper(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AlertKeeper]:
    if request.param == "memory":
        yield MemoryKeeper()
        return
    sqlite = request.param == "sqlite"
    made = SqlKeeper(f"sqlite:///{tmp_path}/store.db" if sqlite else request.getfixturevalue("postgres_url"))
    yield made
    made.close()


def of(opened: int, stream: str = "m-1") -> Alert:
    return alert(stream=stream, opened_at=opened)


def report(keeper: AlertKeeper, *facts: Fact) -> dict[str, int]:
    commit = Commit("live", facts=list(facts), announce=render, muting=muting)
    keeper.store().commit(commit)
    return dict(commit.muted)


def at(of: Alert, kind: FactKind, time_: int) -> Fact:
    return replace(fact(of, kind, time_), last_at=time_)


def sent(keeper: AlertKeeper) -> list[tuple[str, str]]:
    """Alerts and causes of what is in the outbox, in the order in which it is delivered."""
    kept, found = keeper.kept(), []
    streams = {each.id: each.stream for each in kept.alerts.values()}
    causes = {change.id: str(change.cause) for changes in kept.transitions.values() for change in changes}
    while taken := keeper.outbox().claim("hook", 2**62, 100, 1):
        found += [(streams[each.alert], causes[each.transition]) for each in taken]
        keeper.outbox().record([Outcome(each, 1, None, None) for each in taken])
    return found


def changes(keeper: AlertKeeper, of: Alert) -> list[tuple[str, str]]:
    return [(str(change.cause), change.withheld) for change in keeper.kept().transitions[of.id]]


def test_what_was_entered_comes_back_and_is_never_changed(keeper: AlertKeeper) -> None:
    kept = keeper.store().maintenance

    (row,) = kept.add([WEEKLY])
    assert (kept.windows(), [each.maintenance for each in kept.entered()]) == ([WEEKLY], [WEEKLY])
    ended = kept.remove("weekly", "bob", "moved")

    assert (ended.id, ended.removed_by, ended.removed_why) == (row.id, "bob", "moved")
    assert kept.entered() == []
    (now,) = kept.entered(removed=True)
    assert (now, now.maintenance) == (ended, WEEKLY)
    assert kept.windows() == [replace(WEEKLY, over=ended.removed_at)]


def test_what_is_void_counts_as_if_it_had_never_been(keeper: AlertKeeper) -> None:
    kept = keeper.store().maintenance
    kept.add([WEEKLY])

    kept.remove("weekly", "bob", "a mistake", void=True)

    assert kept.windows() == []
    assert [each.void for each in kept.entered(removed=True)] == [True]


def test_a_name_is_in_force_once(keeper: AlertKeeper) -> None:
    kept = keeper.store().maintenance
    kept.add([WEEKLY])

    with pytest.raises(SettingsError, match="there is a maintenance called"):
        kept.add([replace(WEEKLY, name="other"), WEEKLY])
    assert [each.maintenance.name for each in kept.entered()] == ["weekly"]
    kept.remove("weekly", "bob", "")
    with pytest.raises(SettingsError, match="no maintenance named 'weekly'"):
        kept.remove("weekly", "bob", "")
    kept.add([WEEKLY])
    assert len(kept.entered(removed=True)) == 2


def test_a_life_within_maintenance_is_kept_and_never_announced(keeper: AlertKeeper) -> None:
    inside = of(1100)

    muted = report(keeper, fact(inside), at(inside, FactKind.WORSENED, 1200), at(inside, FactKind.CLEARED, 1300))

    assert muted == {WITHHELD: 3}
    assert changes(keeper, inside) == [(kind, WITHHELD) for kind in ("opened", "worsened", "cleared")]
    assert keeper.store().maintenance.release("live", 10**9, muting, render) == 0
    assert sent(keeper) == []


@pytest.mark.parametrize("at_once", [True, False])
def test_one_that_outlives_it_is_announced_before_what_follows(keeper: AlertKeeper, at_once: bool) -> None:
    """However the facts are cut into commits."""
    inside = of(1100)
    facts = [fact(inside), at(inside, FactKind.WORSENED, 2500), at(inside, FactKind.CLEARED, 2600)]

    for some in [facts] if at_once else [[each] for each in facts]:
        report(keeper, *some)

    assert changes(keeper, inside) == [("opened", WITHHELD), ("worsened", ""), ("cleared", "")]
    assert sent(keeper) == [("m-1", "opened"), ("m-1", "worsened"), ("m-1", "cleared")]


def test_newer_numbers_after_it_announce_it(keeper: AlertKeeper) -> None:
    inside = of(1100)
    report(keeper, fact(inside))
    report(keeper, at(inside, FactKind.CONTINUED, 1900))
    assert sent(keeper) == []

    report(keeper, at(inside, FactKind.CONTINUED, 2000))
    report(keeper, at(inside, FactKind.CONTINUED, 2100))

    assert sent(keeper) == [("m-1", "opened")]


def test_its_end_announces_those_that_nothing_more_is_heard_of(keeper: AlertKeeper) -> None:
    """A silent stream has no newer numbers."""
    first, second = of(1100), of(1200, "m-2")
    report(keeper, fact(second), fact(first))
    maintenance = keeper.store().maintenance

    assert maintenance.release("live", END - 1, muting, render) == 0
    assert maintenance.release("other", END, muting, render) == 0
    assert sent(keeper) == []
    assert maintenance.release("live", END, muting, render) == 2
    assert maintenance.release("live", END, muting, render) == 0

    assert sent(keeper) == [("m-1", "opened"), ("m-2", "opened")]
    report(keeper, at(first, FactKind.CLEARED, 2500))
    assert sent(keeper) == [("m-1", "cleared")]


def test_what_was_announced_before_is_followed_to_its_end_afterwards(keeper: AlertKeeper) -> None:
    """Nothing is sent meanwhile, and a receiver does not take it for open for ever."""
    before = of(500)
    report(keeper, fact(before))
    report(keeper, at(before, FactKind.WORSENED, 1100))
    report(keeper, at(before, FactKind.CLEARED, 1200))

    assert sent(keeper) == [("m-1", "opened")]
    assert keeper.store().maintenance.release("live", END, muting, render) == 1
    assert sent(keeper) == [("m-1", "cleared")]


def test_another_maintenance_that_follows_withholds_on(keeper: AlertKeeper) -> None:
    report(keeper, fact(of(1100)))
    maintenance = keeper.store().maintenance

    assert maintenance.release("live", END, lambda *_: Muted("maintenance next", 3000), render) == 0
    assert maintenance.release("live", 2999, muting, render) == 0
    assert maintenance.release("live", 3000, muting, render) == 1
    assert sent(keeper) == [("m-1", "opened")]


def test_removing_it_announces_what_goes_on(keeper: AlertKeeper) -> None:
    maintenance, inside = keeper.store().maintenance, of(1100)
    maintenance.add([WEEKLY])
    far = time.time_ns() + 10**15
    commit = Commit("live", facts=[fact(inside)], announce=render, muting=lambda *_: Muted(WITHHELD, far))
    keeper.store().commit(commit)
    assert maintenance.release("live", time.time_ns(), muting, render) == 0

    maintenance.remove("weekly", "ann", "")

    assert maintenance.release("live", time.time_ns(), muting, render) == 1
    assert sent(keeper) == [("m-1", "opened")]


def test_what_people_do_to_an_alert_that_is_withheld_is_withheld(keeper: AlertKeeper) -> None:
    inside, before = of(1100), of(500, "m-2")
    report(keeper, fact(before), fact(inside))
    assert sent(keeper) == [("m-2", "opened")]

    for each in (inside, before):
        keeper.commands().give(replace(command(each), id=uuid4()))

    assert changes(keeper, inside) == [("opened", WITHHELD), ("acknowledge", WITHHELD)]
    assert sent(keeper) == [("m-2", "acknowledge")]
    keeper.store().maintenance.release("live", END, muting, render)
    assert sent(keeper) == [("m-1", "opened")]


def test_a_commit_that_comes_again_changes_nothing(keeper: AlertKeeper) -> None:
    commit = Commit("live", facts=[fact(of(1100))], announce=render, muting=muting)
    keeper.store().commit(commit)
    keeper.store().commit(commit)

    assert len(keeper.kept().transitions) == 1
    assert keeper.store().maintenance.release("live", END, muting, render) == 1
    assert sent(keeper) == [("m-1", "opened")]


def test_a_commit_without_facts_asks_nothing(tmp_path: Path) -> None:
    keeper = SqlKeeper(f"sqlite:///{tmp_path}/store.db")
    store = keeper.store()

    def cost(commit: Commit) -> int:
        return len(statements(store, lambda: store.commit(commit)))

    assert cost(Commit("live", muting=muting)) == cost(Commit("live"))
    keeper.close()
