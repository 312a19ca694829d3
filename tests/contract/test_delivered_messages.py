"""What receivers know of alerts: in SQL and by the in-memory twin."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from uuid import UUID

import numpy as np
import pytest

from monitor.ports.notifier import DeliveredMessages, Outbox, Outcome
from monitor.ports.store import Commit, Store
from monitor.records.alerts import Alert, Evidence, FactKind, Transition
from monitor.store.delivered_messages import SqlDeliveredMessages, open_delivered_messages
from monitor.store.memory import MemoryStore
from monitor.store.memory_delivered_messages import MemoryDeliveredMessages
from monitor.store.memory_outbox import MemoryOutbox
from monitor.store.migrations import upgrade
from monitor.store.outbox import open_outbox
from monitor.store.sql import open_store
from tests.plans import analyze, plans
from tests.store_rows import SECOND, alert, cleared, evidence, fact

LEASE = 60 * SECOND


class Closes(DeliveredMessages, Protocol):
    def close(self) -> None: ...


@dataclass
class Kept:
    store: Store
    outbox: Outbox
    announced: Closes


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kept]:
    if request.param == "memory":
        shared = MemoryStore()
        yield Kept(shared, MemoryOutbox(shared), MemoryDeliveredMessages(shared))
        return
    url = f"sqlite:///{tmp_path}/w.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    upgrade(url)
    with (
        closing(open_store(url)) as store,
        closing(open_outbox(url)) as outbox,
        closing(open_delivered_messages(url)) as found,
    ):
        yield Kept(store, outbox, found)


def announce(change: Transition, about: Alert, _: Evidence | None, _store: UUID) -> list[tuple[str, str]]:
    return [(channel, f"{about.stream} {change.cause}") for channel in ("am", "hook")]


def deliver(outbox: Outbox, channel: str = "am") -> None:
    while due := outbox.claim(channel, 10**18, 10, LEASE):
        outbox.record([Outcome(each, 10**18) for each in due])


def test_open_alerts_are_those_of_the_live_run_that_are_not_resolved(kept: Kept) -> None:
    one, two, over, replayed = (alert(stream="a"), alert(stream="b"), alert(stream="c"), alert("again", "d"))
    kept.store.commit(Commit(run="live", facts=[fact(one), fact(two), fact(over), cleared(over)]))
    kept.store.commit(Commit(run="again", facts=[fact(replayed)]))

    assert set(kept.announced.open_alerts()) == {one.id, two.id}


def test_open_alerts_are_found_by_index_however_many_are_over(kept: Kept) -> None:
    over = [alert(stream=f"over-{number}") for number in range(2000)]
    kept.store.commit(Commit(run="live", facts=[*map(fact, over), *map(cleared, over), fact(alert(stream="a"))]))
    assert kept.announced.open_alerts() == [alert(stream="a").id]
    if isinstance(kept.announced, SqlDeliveredMessages):
        database = kept.announced._database
        for _ in range(2):
            (plan,) = plans(database, kept.announced.open_alerts)
            assert "ix_alerts_open" in plan
            analyze(database)


def test_the_newest_delivered_message_of_each_alert(kept: Kept) -> None:
    one, two, three = alert(stream="a"), alert(stream="b"), alert(stream="c")
    kept.store.commit(Commit(run="live", facts=[fact(one), fact(two)], announce=announce))
    deliver(kept.outbox)
    worse = fact(one, FactKind.WORSENED, one.opened_at + 1)
    kept.store.commit(Commit(run="live", facts=[worse, fact(three)], announce=announce))

    def newest() -> list[str]:
        return sorted(each.payload for each in kept.announced.newest("am", [one.id, two.id, three.id]))

    assert newest() == ["a opened", "b opened"]
    deliver(kept.outbox)
    assert newest() == ["a worsened", "b opened", "c opened"]
    assert kept.announced.newest("hook", [one.id]) == []
    assert kept.announced.newest("am", []) == []


def test_the_evidence_of_an_alert(kept: Kept) -> None:
    one, bare = alert(stream="a"), alert(stream="b")
    kept.store.commit(Commit(run="live", facts=[fact(one), fact(bare)], evidence=[evidence(one)]))

    found = kept.announced.evidence(one.id)
    assert found is not None
    np.testing.assert_array_equal(found.values, evidence(one).values)
    assert kept.announced.evidence(bare.id) is None
