"""Transactions that change alerts of several groups at once do not wait for each other in a ring, on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event
from types import MappingProxyType
from typing import Any

import pytest
from sqlalchemy import text

from monitor.ports.store import Commit
from monitor.records.alerts import Alert, Fact, FactKind
from monitor.records.incidents import Grouping
from monitor.records.maintenance import Muted, Muting
from monitor.store.engine import connect
from monitor.store.migrations import upgrade
from monitor.store.sql import SqlStore, open_store
from monitor.store.stream_commands import Person, open_stream_commands
from tests.integration.test_incidents import eventually
from tests.store_rows import TOPIC, alert, fact, state

pytestmark = pytest.mark.postgres

BEGIN, END = 1000, 2000
RULE = Grouping(within=600, wait=30)


@pytest.fixture
def url(postgres_url: str) -> str:
    upgrade(postgres_url)
    return postgres_url


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    found = open_store(url)
    yield found
    found.close()


class Waiting:
    """Holds a transaction once it has locked its incidents, until the other one has too, or waits for a lock."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._locked: dict[str, Event] = {"first": Event(), "second": Event()}

    def rule(self, name: str, new: int = 1, groups: Mapping[str, Sequence[str]] = MappingProxyType({})) -> Grouping:
        """For a commit of `new` alerts. Groups are looked at twice for each: to lock them, and when they are locked."""
        return replace(RULE, groups=_Looked(groups, new, lambda: self.hold(name)))

    def reached(self, name: str) -> bool:
        return self._locked[name].wait(30)

    def hold(self, name: str) -> None:
        if self._locked[name].is_set():
            return
        self._locked[name].set()
        database = connect(self._url)
        others = [event for known, event in self._locked.items() if known != name]
        waits = text(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )

        def together() -> bool:
            with database.reading() as connection:
                return all(e.is_set() for e in others) or connection.execute(waits).scalar_one() > 0

        eventually(together)
        database.close()


class _Looked(dict[str, Sequence[str]]):
    def __init__(self, groups: Mapping[str, Sequence[str]], before: int, then: Callable[[], None]) -> None:
        super().__init__(groups)
        self._then, self._before = then, before

    def items(self) -> Any:
        self._before -= 1
        if self._before == -1:
            self._then()
        return super().items()


def muting(_family: str, _stream: str, at: int) -> Muted | None:
    return Muted("maintenance weekly", END) if BEGIN <= at < END else None


def of(family: str, opened: int, stream: str = "m-1") -> Alert:
    return alert(family=family, stream=stream, opened_at=opened)


def goes_on(of: Alert) -> Fact:
    return replace(fact(of, FactKind.CONTINUED, END), last_at=END)


def commit(url: str, *facts: Fact, by: Muting | None = muting, grouping: Grouping = RULE) -> None:
    store = open_store(url)
    try:
        store.commit(Commit("live", facts=list(facts), announce=lambda *_: [], muting=by, grouping=grouping))
    finally:
        store.close()


def test_two_commits_that_announce_alerts_of_each_others_groups(url: str) -> None:
    """Each opens an alert in one group, and ends the withholding of one in the other."""
    pumps, fans = of("pumps", 1100), of("fans", 1100)
    commit(url, fact(pumps), fact(fans))
    waiting = Waiting(url)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(commit, url, fact(of("pumps", 2100, "m-2")), goes_on(fans), grouping=waiting.rule("first"))
        second = pool.submit(
            commit, url, fact(of("fans", 2100, "m-2")), goes_on(pumps), grouping=waiting.rule("second")
        )
        assert [done.result(120) for done in (first, second)] == [None, None]
    assert waiting.reached("first")
    assert waiting.reached("second")


def test_a_commit_beside_a_stream_that_is_retired_with_the_gateway_alert_of_its_family(
    url: str, store: SqlStore
) -> None:
    """The stream's alert is in a group of the settings, that of the gateway in its family; the commit has both."""
    hall = {"z-hall": ["h-*"]}
    rule = replace(RULE, wait=None, groups=hall)
    row = store.open_streams("live", "pumps", ["h-1"])[0]
    epoch = store.take("live", [TOPIC])[TOPIC].epoch
    gateway = replace(of("pumps", 1100, ""), kind="gateway")
    facts = [fact(of("pumps", 1100, "h-1")), fact(gateway)]
    store.commit(
        Commit("live", facts=facts, grouping=rule, streams=[state(row.id, b"")], positions={TOPIC: (epoch, 9)})
    )
    waiting = Waiting(url)

    def announce(*_: object) -> list[tuple[str, str]]:
        waiting.hold("first")
        return []

    commands = open_stream_commands(url, announce)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(commands.retire, "h-1", None, Person("ann"))
        assert waiting.reached("first")
        both = [fact(of("pumps", 2100, "h-2")), fact(of("pumps", 2100, "m-2"))]
        second = pool.submit(commit, url, *both, grouping=waiting.rule("second", 2, hall))
        assert (first.result(120).alerts, second.result(120)) == (2, None)
    commands.close()


def test_a_release_beside_a_commit_locks_groups_before_incidents(url: str, store: SqlStore) -> None:
    """What is released is of two groups; the commit changes alerts in both."""
    pumps, fans = of("pumps", 1100), of("fans", 1100)
    commit(url, fact(pumps), fact(fans))
    waiting = Waiting(url)
    with ThreadPoolExecutor(2) as pool:
        news = [fact(of(family, 2100, "m-2")) for family in ("pumps", "fans")]
        first = pool.submit(commit, url, *news, grouping=waiting.rule("first", 2))
        assert waiting.reached("first")
        second = pool.submit(store.maintenance.release, "live", END, muting, lambda *_: [])
        assert (first.result(120), second.result(120)) == (None, 2)
