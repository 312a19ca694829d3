"""What the trainings of every store do alike: in memory, on SQLite, on PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from monitor.ports import trainings as port
from monitor.ports.store import Commit, HistoryBlock, Store
from monitor.ports.trainings import Progress, Request
from monitor.records.alerts import FactKind
from monitor.store import memory_trainings, trainings
from monitor.store.history import STRETCH
from monitor.store.memory import MemoryStore
from monitor.store.migrations import upgrade
from monitor.store.sql import open_store
from tests.store_rows import alert, fact

ASKED = Request(family="machines", cause="doubled", readings=400)
Open = Callable[[], Store]  # one for each process that uses it


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    if request.param == "memory":
        shared = MemoryStore()
        yield lambda: shared
        return
    sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path}/store.db" if sqlite else request.getfixturevalue("postgres_url")
    upgrade(url)
    stores = []

    def open_one() -> Store:
        stores.append(open_store(url))
        return stores[-1]

    yield open_one
    for store in stores:
        store.close()


def test_a_training_from_the_request_to_its_end(opened: Open) -> None:
    asking, working = opened().trainings, opened().trainings
    assert working.newest(["machines"]) == {}

    made = asking.ask(ASKED)
    assert (made.progress, made.free, made.request) == (Progress.WAITING, True, ASKED)
    assert working.newest(["machines", "ovens"]) == {"machines": made}
    assert working.claim(made.id)
    running = asking.newest(["machines"])["machines"]
    assert (running.progress, running.free) == (Progress.RUNNING, False)
    assert asking.ask(replace(ASKED, cause="request", by="ann")) == running  # one at a time

    working.renew(made.id)
    working.end(made.id, Progress.REFUSED, "a" * 64, "it finds fewer faults")
    working.end(made.id, Progress.FAILED, outcome="exit code 1")  # the worker knows less than the training said
    (ended,) = asking.recent("machines", 10)
    assert (ended.progress, ended.free, ended.model) == (Progress.REFUSED, False, "a" * 64)
    assert ended.outcome == "it finds fewer faults"
    assert ended.ended is not None
    assert ended.ended >= ended.at > 10**18
    assert not working.claim(made.id)


def test_the_next_one_may_be_asked_for_after_the_end(opened: Open) -> None:
    found = opened().trainings
    first = found.ask(ASKED)
    found.claim(first.id)
    found.end(first.id, Progress.PROMOTED, "a" * 64)
    second = found.ask(replace(ASKED, cause="request", by="ann", note="new pump", readings=None))

    assert [training.id for training in found.recent("machines", 10)] == [second.id, first.id]
    assert [training.id for training in found.recent("machines", 1)] == [second.id]
    assert found.recent("ovens", 10) == []
    assert (second.request.by, second.request.note) == ("ann", "new pump")


def test_how_long_the_history_was_is_noted_by_the_first_worker_that_knows(opened: Open) -> None:
    found = opened().trainings
    asked = found.ask(replace(ASKED, readings=None))
    assert found.claim(asked.id, 512)
    found.measured(asked.id, 600)
    assert found.newest(["machines"])["machines"].request.readings == 512
    found.end(asked.id, Progress.FAILED)
    by_hand = found.ask(replace(ASKED, readings=None))
    found.measured(by_hand.id, 700)

    assert found.newest(["machines"])["machines"].request.readings == 700


def test_one_of_many_workers_runs_it(opened: Open) -> None:
    made = opened().trainings.ask(ASKED)
    workers = [opened().trainings for _ in range(4)]
    won: list[bool] = []
    threads = [threading.Thread(target=lambda own=own: won.append(own.claim(made.id))) for own in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(won) == [False, False, False, True]


def test_that_of_a_worker_that_died_is_free(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    found = opened().trainings
    made = found.ask(ASKED)
    found.claim(made.id)
    for module in (port, trainings, memory_trainings):
        monkeypatch.setattr(module, "LEASE_NS", -(10**9))

    assert found.newest(["machines"])["machines"].free
    assert found.claim(made.id)


def test_thinning_keeps_the_newest_readings_and_every_other_stretch_of_the_others(opened: Open) -> None:
    store = opened()
    one, other = (stream.id for stream in store.open_streams("live", "machines", ["m-1", "m-2"]))
    time, parts = np.arange(8 * STRETCH, dtype=np.int64), [0, 700, 8 * STRETCH]
    for first, last in pairwise(parts):
        values = time[first:last, None].astype(np.float32)
        store.commit(Commit("live", history=[HistoryBlock(id_, time[first:last], values) for id_ in (one, other)]))

    store.thin_history([one], 4 * STRETCH)

    blocks = list(store.history("live", "machines"))
    assert [name for name, _ in blocks] == ["m-1", "m-2", "m-2"]
    kept = blocks[0][1]
    expected = np.concatenate([np.arange(1, 2) * STRETCH, np.arange(3, 8) * STRETCH])
    np.testing.assert_array_equal(kept.time.reshape(-1, STRETCH)[:, 0], expected)
    np.testing.assert_array_equal(kept.values[:, 0], kept.time)


def test_what_is_not_to_be_learned_is_when_alerts_say_that_readings_were_unusual(opened: Open) -> None:
    store = opened()
    store.open_streams("live", "machines", ["m-1", "m-2"])
    over = alert(stream="m-1")
    goes_on = alert(stream="m-2", opened_at=over.opened_at + 5)
    silent = replace(alert(stream="m-2", opened_at=300), kind="silent", id=UUID(int=3))
    elsewhere = alert(stream="m-1", family="ovens")
    facts = [fact(found) for found in (over, goes_on, silent, elsewhere)]
    cleared = replace(facts[0], kind=FactKind.CLEARED, at=over.last_at + 100)
    store.commit(Commit("live", facts=[*facts, cleared]))

    found = store.unusual_times("live", "machines")

    assert found["m-1"] == [(over.started_at, over.last_at + 100)]
    assert [first for first, _ in found["m-2"]] == [goes_on.started_at]
    assert found["m-2"][0][1] > 10**18
    assert store.unusual_times("replay", "machines") == {}
