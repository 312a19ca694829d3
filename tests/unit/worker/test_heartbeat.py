"""Heartbeats: what a worker reports, which troubles are logged when, and that nothing can hold the worker up."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from monitor.errors import SourceError, StoreError
from monitor.ports.store import Position
from monitor.records.batches import TopicPartition
from monitor.records.workers import DEAD_AFTER, Heartbeat, Lag, OwnedPartition, WorkerReport
from monitor.store.memory_workers import MemoryHeartbeats
from monitor.worker import heartbeat
from monitor.worker.heartbeat import HeartbeatThread, new_report
from monitor.worker.partitions import Partitions
from monitor.worker.progress import Progress
from monitor.worker.troubles import BEHIND_FROM, LagGrowth, LostWorkers

P0, P1 = ("t", 0), ("t", 1)
Events = list[tuple[str, str]]


class Broker:
    """Answers with `lags`, or raises `error`."""

    def __init__(self) -> None:
        self.lags: dict[TopicPartition, Lag] = {}
        self.error: SourceError | None = None
        self.asked: list[Mapping[TopicPartition, int | None]] = []

    def __call__(self, positions: Mapping[TopicPartition, int | None]) -> Mapping[TopicPartition, Lag]:
        self.asked.append(dict(positions))
        if self.error is not None:
            raise self.error
        return self.lags


class Bench:
    def __init__(self) -> None:
        self.partitions, self.progress = Partitions(), Progress()
        self.broker, self.heartbeats = Broker(), MemoryHeartbeats()
        self.report = new_report("live", {"f": "t"})
        self.thread = HeartbeatThread(self.report, self.progress, self.heartbeats, self.broker, lambda: ["f"])

    def own(self, **offsets: int | None) -> None:
        self.partitions.assign({("t", int(name[1:])): Position(4, offset) for name, offset in offsets.items()})
        self.progress.turned(self.partitions)

    def kept(self) -> Heartbeat:
        return next(
            each for each in self.heartbeats.beat(replace(self.report, id="other")) if each.report.id != "other"
        )


def of(lines: Sequence[Mapping[str, Any]]) -> Events:
    return [(line["log_level"], line["event"]) for line in lines]


def test_a_worker_reports_what_it_owns_and_how_far_behind_it_is() -> None:
    bench = Bench()
    bench.own(p0=17, p1=None)
    bench.progress.commit_durable()
    bench.broker.lags = {P0: Lag(5, 10**9)}
    bench.thread.beat()

    report = bench.kept().report
    assert bench.broker.asked == [{P0: 17, P1: None}]
    assert report.partitions == (OwnedPartition("t", 0, 4, 17, Lag(5, 10**9)), OwnedPartition("t", 1, 4, None, None))
    assert (report.families, report.trainings, report.lag) == ({"f": "t"}, ("f",), 5)
    assert (report.host, report.pid) == (bench.report.host, bench.report.pid)
    assert report.committed == bench.progress.committed
    assert report.idle < 10**9


def test_positions_are_those_of_what_is_processed_not_only_of_what_is_durable() -> None:
    bench = Bench()
    bench.own(p0=17)
    bench.partitions.next[P0] = 30
    bench.progress.publish(bench.partitions)

    assert bench.progress.owned == {P0: (4, 30)}


def test_a_broker_that_is_away_is_logged_when_that_begins_and_ends() -> None:
    bench = Bench()
    with capture_logs() as lines:
        bench.thread.beat()
        bench.broker.error = SourceError("no Kafka broker answers at plant:9092")
        for _ in range(3):
            bench.thread.beat()
        since = bench.kept().report.broker_away
        away = bench.thread.broker_away
        bench.broker.error = None
        for _ in range(3):
            bench.thread.beat()

    assert of(lines) == [("error", "broker_away"), ("info", "broker_back")]
    assert "plant:9092" in lines[0]["error"]
    assert since is not None
    assert away > 0
    assert bench.thread.broker_away == 0
    assert bench.kept().report.broker_away is None


@pytest.mark.parametrize("behind", [BEHIND_FROM, None])
def test_lag_that_grows_is_logged_when_that_begins_and_ends(behind: int | None) -> None:
    growth, since = LagGrowth(), []
    with capture_logs() as lines:
        for at, records in enumerate([0, 10, 20, 30, 40, 50, 45, 44, 43, 30, 0]):
            growth.look([Lag(records, behind)], at * 10**10)
            since.append(growth.since)

    assert of(lines) == [("warning", "lag_growing"), ("info", "lag_growth_ended")]
    assert since == [None] * 3 + [3 * 10**10] * 5 + [None] * 3
    assert (lines[0]["records"], lines[1]["records"], lines[1]["after_s"]) == (30, 43, 50)


@pytest.mark.parametrize(
    ("records", "behind"),
    [
        ([0, 10, 20, 30, 40], BEHIND_FROM - 1),  # a commit interval
        ([100, 90, 80, 70, 60], BEHIND_FROM),  # catches up
        ([10, 30, 10, 30, 10, 30], BEHIND_FROM),
        ([0, 0, 0, 0, 0], 0),
    ],
)
def test_lag_that_does_not_grow_is_not_logged(records: list[int], behind: int) -> None:
    growth = LagGrowth()
    with capture_logs() as lines:
        for at, count in enumerate(records):
            growth.look([Lag(count, behind)], at)

    assert (lines, growth.since) == ([], None)


def worker(id_: str, age: int, *epochs: int, ended: int | None = None) -> Heartbeat:
    owned = tuple(OwnedPartition("t", number, epoch) for number, epoch in enumerate(epochs))
    report = WorkerReport(id=id_, run="live", host="h", pid=1, version="", started=0, partitions=owned)
    return Heartbeat(report, age, ended)


def test_another_worker_that_died_is_logged_when_that_begins_and_ends() -> None:
    lost = LostWorkers()
    with capture_logs() as lines:
        for age in (0, DEAD_AFTER - 1, DEAD_AFTER, DEAD_AFTER + 10):
            lost.look([worker("me", 0), worker("it", age, 1, 1)], "me")
        for epochs in ((2,), (2, 2), (2, 2)):
            lost.look([worker("me", 0, *epochs), worker("it", DEAD_AFTER + 20, 1, 1)], "me")
        lost.look([worker("me", 0, 2, 2), worker("it", 0, 1, 1)], "me")
        lost.look([worker("me", 0, 2, 2), worker("it", 5, 1, 1)], "me")

    assert of(lines) == [
        ("error", "worker_lost"), ("info", "worker_replaced"), ("info", "worker_returned"),
    ]  # fmt: skip
    assert lines[0]["partitions"] == ["t/0", "t/1"]
    assert lines[0]["silent_s"] == 30


def test_a_worker_that_ended_and_the_own_one_are_never_lost() -> None:
    lost = LostWorkers()
    with capture_logs() as lines:
        lost.look([worker("me", DEAD_AFTER, 1), worker("it", DEAD_AFTER, 1, ended=3)], "me")

    assert lines == []


def test_sql_that_is_away_is_logged_once_and_stops_nothing() -> None:
    bench = Bench()
    with capture_logs() as lines:
        bench.heartbeats.errors = [StoreError("locked", transient=True)] * 3
        for _ in range(5):
            bench.thread.beat()

    assert of(lines) == [
        ("warning", "heartbeat_not_written"), ("info", "heartbeat_written_again"),
    ]  # fmt: skip


def test_the_thread_reports_at_once_where_partitions_come_and_says_why_it_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(heartbeat, "BEAT_S", 600.0)
    monkeypatch.setattr(heartbeat, "SOONEST_S", 0.01)
    bench = Bench()
    bench.thread.start()
    bench.own(p0=17)
    deadline = time.monotonic() + 10
    while not bench.kept().report.partitions and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [owned.partition for owned in bench.kept().report.partitions] == [0]
    bench.partitions.next[P0] = 99
    bench.progress.publish(bench.partitions)
    bench.thread.stop("the disk is full")

    ended = bench.kept()
    assert (ended.state, ended.error, ended.report.partitions[0].next_offset) == ("failed", "the disk is full", 99)


def test_a_mistake_in_a_report_does_not_end_the_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "BEAT_S", 0.02)
    monkeypatch.setattr(heartbeat, "SOONEST_S", 0.01)
    bench = Bench()
    bench.heartbeats.errors = [ZeroDivisionError("not expected")]
    with capture_logs() as lines:
        bench.thread.start()
        time.sleep(0.3)
        bench.thread.stop()

    assert of(lines)[0] == ("error", "heartbeat_failed")
    assert bench.kept().state == "ended"


def test_a_database_that_hangs_holds_up_the_end_for_a_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hanging(MemoryHeartbeats):
        def beat(self, report: WorkerReport) -> list[Heartbeat]:
            answered.wait(30)
            return []

    monkeypatch.setattr(heartbeat, "STOP_S", 0.2)
    answered = threading.Event()
    thread = HeartbeatThread(new_report("live", {}), Progress(), Hanging(), Broker())
    thread.start()
    began = time.monotonic()
    thread.stop()

    assert time.monotonic() - began < 5
    answered.set()


def test_a_loop_that_stands_still_is_seen() -> None:
    now = [0.0]
    progress = Progress(lambda: now[0])
    progress.turned(Partitions())
    now[0] = 130.0

    assert progress.idle == 130.0


def test_the_start_and_the_end_ask_no_broker_and_count_what_is_left() -> None:
    bench = Bench()
    bench.own(p0=17, p1=3)
    bench.broker.lags = {P0: Lag(10, 10**9), P1: Lag(4, 10**9)}
    bench.thread.beat()
    bench.partitions.next = {P0: 20, P1: 7}
    bench.progress.publish(bench.partitions)
    bench.broker.error = SourceError("no Kafka broker answers")
    bench.thread.beat(ask=False)

    assert len(bench.broker.asked) == 1
    assert [owned.lag for owned in bench.kept().report.partitions] == [Lag(7, 10**9), Lag(0, 0)]
