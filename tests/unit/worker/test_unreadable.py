"""Alerts about unreadable records, from the worker's loop: through kills, restarts and rebalances."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from structlog.testing import capture_logs

from monitor import bootstrap
from monitor.config.overrides import Override
from monitor.config.settings import parse
from monitor.errors import FencedError
from monitor.ports.source import Assignments
from monitor.ports.store import Commit
from monitor.records.batches import TopicPartition
from monitor.records.totals import Totals
from monitor.sources.memory import ListSource, Record
from monitor.store.memory import MemoryStore
from monitor.testing.in_memory import NoModels
from monitor.worker.options import WorkerOptions
from monitor.worker.runner import Runner

P0, P1 = ("t", 0), ("t", 1)
SETTINGS = parse({"families": {"f": {"topic": "t", "interval": "1s", "recipe": "plain", "window": {"length": 4}}}})


class Shaky(MemoryStore):
    """Refuses the commits of these numbers, as if another worker had taken over meanwhile."""

    def __init__(self, refuse: Sequence[int] = ()) -> None:
        super().__init__()
        self._refuse, self._number = refuse, 0

    def commit(self, commit: Commit) -> None:
        self._number += 1
        if self._number in self._refuse:
            raise FencedError("a newer owner")
        super().commit(commit)


def record(name: str, at: int, *, fine: bool = True) -> Record:
    field = "value" if fine else "temp"
    return name.encode(), json.dumps({"time": 1_700_000_000 + at, field: 1.0}).encode()


def plant(seconds: int = 60) -> dict[TopicPartition, list[Record]]:
    """Four good machines and one that cannot be read from second 10 to 40; another partition has nothing else."""
    mixed = [
        record(name, at, fine=name != "bad" or not 10 <= at < 40)
        for at in range(seconds)
        for name in ("a", "b", "c", "d", "bad")
    ]
    return {P0: mixed, P1: [record("x", at, fine=False) for at in range(20)]}


def work(store: MemoryStore, logs: dict[TopicPartition, list[Record]], batch: int = 7) -> Totals:
    pipelines = bootstrap.pipelines(SETTINGS)
    decoders = bootstrap.decoders(SETTINGS, {"f": pipelines["f"].index})

    def connect(listener: Assignments) -> ListSource:
        return ListSource(logs, decoders, listener, batch=batch)

    options = WorkerOptions(commit_interval=0, until_end=True, live=False)
    return Runner(connect, store, pipelines, NoModels(), options).run()


def facts(store: MemoryStore) -> object:
    """What is left of a run, whoever did it."""
    shares = {key: position.unreadable for key, position in store.positions.items()}
    return store.alerts, store.transitions, shares, set(store.dead)


def test_an_unreadable_machine_and_an_unreadable_partition_are_alerts() -> None:
    store, logs = MemoryStore(), plant()
    with capture_logs() as lines:
        totals = work(store, logs)
    found = sorted((a.stream, a.kind, str(a.state), a.windows) for a in store.alerts.values())
    assert found == [("", "unreadable", "open", 20), ("bad", "unreadable", "resolved", 30)]
    assert {alert.family for alert in store.alerts.values()} == {"f"}
    (family,) = (alert for alert in store.alerts.values() if not alert.stream)
    assert family.cause.startswith(
        "20 of the newest 20 records cannot be read: the field value is missing; the body has"
    )
    assert (totals.opened, totals.resolved, totals.dead) == (2, 1, 50)
    accepted = sum(sum(state.counts[:4]) for state in store.states.values())
    assert totals.records == accepted + totals.dead
    logged = [line for line in lines if line["event"] == "records_unreadable"]
    assert [(line["reason"], line["topic"]) for line in logged] == [("missing-value", "t")]


@pytest.mark.parametrize("batch", [1, 3, 50, 10_000])
def test_any_size_of_a_poll_gives_the_same_alerts(batch: int) -> None:
    expected, store = MemoryStore(), MemoryStore()
    work(expected, plant())
    work(store, plant(), batch)
    assert facts(store) == facts(expected)


@pytest.mark.parametrize("refuse", [[1], [4], [5, 6, 7], list(range(2, 40, 2))])
def test_a_worker_that_steps_down_loses_and_doubles_nothing(refuse: list[int]) -> None:
    expected, store = MemoryStore(), Shaky(refuse)
    work(expected, plant())
    for _ in range(len(refuse) + 1):  # a commit that is refused at the very end ends the worker
        try:
            work(store, plant())
            break
        except FencedError:
            pass
    assert facts(store) == facts(expected)


@pytest.mark.parametrize("first", range(0, 300, 25))
def test_the_next_worker_goes_on_where_the_one_before_stopped(first: int) -> None:
    expected, store, logs = MemoryStore(), MemoryStore(), plant()
    work(expected, logs)
    work(store, {partition: records[:first] for partition, records in logs.items()})
    work(store, logs, 11)
    assert facts(store) == facts(expected)


def test_partitions_that_move_take_their_shares_along() -> None:
    expected, store, logs = MemoryStore(), MemoryStore(), plant()
    work(expected, logs)
    begun = {partition: records[:70] for partition, records in logs.items()}
    work(store, begun)
    for partition in (P1, P0):
        work(store, {partition: logs[partition]})
    assert facts(store) == facts(expected)


def test_where_all_is_read_nothing_is_saved_once_enough_was_seen() -> None:
    store = MemoryStore()
    work(store, {P0: [record("a", at) for at in range(200)]}, 50)
    before = store.positions["live", *P0].unreadable
    work(store, {P0: [record("a", at) for at in range(400)]}, 50)
    assert store.positions["live", *P0].unreadable == before
    assert json.loads(before)["family"]["recent"] == "0" * 40


def test_an_alert_of_a_stream_that_is_switched_off_is_closed_and_no_other_opens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = MemoryStore()
    work(store, {P0: plant()[P0][:100]})  # while "bad" cannot be read
    assert [(alert.stream, alert.state.value) for alert in store.alerts.values()] == [("bad", "open")]
    family = SETTINGS.families["f"].model_copy(update={"overrides": (Override(streams="b*", off=True),)})
    monkeypatch.setattr(
        "tests.unit.worker.test_unreadable.SETTINGS", SETTINGS.model_copy(update={"families": {"f": family}})
    )
    work(store, {P0: plant()[P0]})
    assert [(alert.stream, alert.state.value) for alert in store.alerts.values()] == [("bad", "resolved")]
    assert {t.note for t in store.transitions.values()} == {"", "switched off in the settings"}
