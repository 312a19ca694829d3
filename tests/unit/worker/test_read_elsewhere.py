"""Two configurations with different databases in one consumer group: noticed when it lasts, and never before."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from monitor.errors import SourceError
from monitor.records.workers import DEAD_AFTER, Heartbeat, OwnedPartition
from monitor.worker.heartbeat import HeartbeatThread, new_report
from monitor.worker.troubles import SPLIT_FROM, ReadElsewhere
from tests.unit.worker.test_heartbeat import Bench, Events, of


class Group:
    """A topic of `count` partitions, and the workers of one database that own some of them."""

    def __init__(self, count: int = 4) -> None:
        self.counts, self.now, self.look_at = {"t": count}, 0.0, ReadElsewhere()
        self.workers: dict[str, Heartbeat] = {}

    def owns(self, worker: str, *numbers: int, age: int = 0, ended: int | None = None) -> None:
        report = replace(new_report("live", {"f": "t"}), id=worker)
        owned = tuple(OwnedPartition("t", number, 1) for number in numbers)
        self.workers[worker] = Heartbeat(replace(report, partitions=owned), age, ended)

    def look(self, seconds: float = SPLIT_FROM) -> tuple[int, Events]:
        """At every ten seconds until so much later; how many are read elsewhere then, and what was logged."""
        with capture_logs() as lines:
            until = self.now + seconds
            while self.now < until:
                self.now += 10
                self.look_at.look(self.counts, list(self.workers.values()), "mine", self.now)
        return self.look_at.partitions, of(lines)


def test_partitions_that_no_worker_of_the_database_has_are_said_once_while_that_lasts() -> None:
    group = Group()
    group.owns("mine", 0)
    group.owns("other", 1)
    assert group.look() == (0, [])
    assert group.look(10) == (2, [("warning", "partitions_read_elsewhere")])
    assert group.look_at.since is not None
    assert group.look(3 * SPLIT_FROM) == (2, [])
    group.owns("other", 1, 2, 3)
    assert group.look() == (0, [("info", "partitions_read_elsewhere_ended")])
    assert group.look_at.since is None


def test_what_passes_is_no_split() -> None:
    group = Group()
    for _ in range(5):  # rebalances, each of which lasts longer than a member may hold it up
        group.owns("mine", 0)
        assert group.look(SPLIT_FROM - 10) == (0, [])
        group.owns("mine", 0, 1, 2, 3)
        assert group.look(10) == (0, [])
    group.counts = {"t": 6}  # the group sees the new ones after minutes
    assert group.look(SPLIT_FROM - 10) == (0, [])
    group.owns("mine", 0, 1, 2, 3, 4, 5)
    assert group.look(10) == (0, [])


def test_a_topic_that_grows_while_some_are_missing_is_waited_for_anew() -> None:
    group = Group()
    group.owns("mine", 0, 1)
    assert group.look(SPLIT_FROM - 10) == (0, [])
    group.counts = {"t": 6}
    assert group.look(SPLIT_FROM - 10) == (0, [])


def test_a_worker_that_has_nothing_that_is_lost_or_does_not_know_the_topic_is_no_split() -> None:
    group = Group()
    group.owns("mine")  # more workers than partitions, or the group has not answered yet
    assert group.look(3 * SPLIT_FROM) == (0, [])
    group.owns("mine", 0, 1)
    group.owns("lost", 2, 3, age=2 * DEAD_AFTER)  # said by other events
    assert group.look(3 * SPLIT_FROM) == (0, [])
    group.owns("lost", 2, 3, ended=10**9)
    group.counts = {}  # the broker does not answer
    assert group.look(3 * SPLIT_FROM) == (0, [])


def test_a_worker_reports_what_is_read_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.worker.troubles.SPLIT_FROM", 0.0)
    asked: list[Sequence[str]] = []

    def count(topics: Collection[str]) -> dict[str, int]:
        asked.append(sorted(topics))
        return {"t": 3}

    bench = Bench()
    bench.thread = HeartbeatThread(bench.report, bench.progress, bench.heartbeats, bench.broker, count=count)
    bench.own(p0=17)
    with capture_logs() as lines:
        for _ in range(3):
            bench.thread.beat()
    report = bench.kept().report
    assert (report.elsewhere, report.elsewhere_since is not None) == (2, True)
    assert [line["partitions"] for line in lines if line["event"] == "partitions_read_elsewhere"] == [["t/1", "t/2"]]
    assert asked == [["t"]]  # not at every beat

    bench.broker.error = SourceError("no broker")
    bench.thread.beat()
    bench.thread.beat()
    assert bench.kept().report.elsewhere == 0


def test_a_broker_that_does_not_say_how_many_there_are_is_asked_again_later() -> None:
    def fails(_: Collection[str]) -> dict[str, int]:
        raise SourceError("no broker")

    bench = Bench()
    bench.thread = HeartbeatThread(bench.report, bench.progress, bench.heartbeats, bench.broker, count=fails)
    bench.own(p0=17)
    bench.thread.beat()
    assert bench.kept().report.elsewhere == 0


def test_the_start_and_the_end_ask_nothing() -> None:
    """A broker that is away would delay them, and with them every process that starts a worker."""
    asked: list[Collection[str]] = []

    def count(topics: Collection[str]) -> dict[str, int]:
        asked.append(topics)
        return {}

    bench = Bench()
    bench.thread = HeartbeatThread(bench.report, bench.progress, bench.heartbeats, bench.broker, count=count)
    bench.thread.beat(ask=False)
    assert asked == []
