"""Heartbeats of workers: the in-memory twin and both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import update

from monitor.ports.workers import Heartbeats
from monitor.records.workers import DEAD_AFTER, Heartbeat, Lag, OwnedPartition, WorkerReport
from monitor.store import schema
from monitor.store.engine import connect
from monitor.store.memory_workers import MemoryHeartbeats
from monitor.store.migrations import upgrade
from monitor.store.workers import KEPT, open_heartbeats

HOUR = 3600 * 10**9
REPORT = WorkerReport(
    id="a1", run="live", host="plant", pid=7, version="0.1.0", started=1, at=9, idle=3, committed=5,
    families={"pumps": "p", "ecg": "e"}, trainings=("ecg",), broker_away=2, lag_grows=4, elsewhere=2, elsewhere_since=6,
    partitions=(
        OwnedPartition("p", 0, 3, 17, Lag(5, HOUR)), OwnedPartition("p", 1, 1), OwnedPartition("e", 0, 2, 4, Lag(1)),
    ),
)  # fmt: skip
OTHER = replace(REPORT, id="b2", pid=8, started=2)

Age = Callable[[str, int], None]  # let the newest report of a worker be so many ns older


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Heartbeats, Age]]:
    if request.param == "memory":

        def later(worker: str, by: int) -> None:
            report, beat, ended, error = twin._rows[worker]
            twin._rows[worker] = report, beat - by, None if ended is None else ended - by, error

        twin = MemoryHeartbeats(lambda: 10**18)
        yield twin, later
        return
    url = f"sqlite:///{tmp_path}/w.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    upgrade(url)
    database, found = connect(url), open_heartbeats(url)

    def older(worker: str, by: int) -> None:
        w = schema.workers.c
        with database.writing() as connection:
            change = update(schema.workers).where(w.id == worker)
            connection.execute(change.values(beat=w.beat - by, ended=w.ended - by))

    yield found, older
    found.close()
    database.close()


def test_a_report_comes_back_as_it_was(opened: tuple[Heartbeats, Age]) -> None:
    heartbeats, _ = opened

    (first,) = heartbeats.beat(REPORT)
    changed = replace(REPORT, committed=None, partitions=())
    (second,) = heartbeats.beat(changed)

    assert (first.report, second.report) == (REPORT, changed)
    assert first.alive
    assert 0 <= second.age < DEAD_AFTER


def test_others_of_the_run_are_seen_in_the_order_of_their_start(opened: tuple[Heartbeats, Age]) -> None:
    heartbeats, older = opened
    heartbeats.beat(OTHER)
    heartbeats.beat(replace(REPORT, id="c3", run="a replay"))
    older("b2", DEAD_AFTER)

    mine, other = heartbeats.beat(REPORT)

    assert (mine.report.id, mine.alive, other.report.id, other.state) == ("a1", True, "b2", "lost")
    assert other.age >= DEAD_AFTER


@pytest.mark.parametrize(("error", "state"), [("", "ended"), ("SQL is away", "failed")])
def test_a_worker_that_says_that_it_ends_is_not_lost(opened: tuple[Heartbeats, Age], error: str, state: str) -> None:
    heartbeats, older = opened
    heartbeats.beat(OTHER)
    heartbeats.end("b2", error)
    older("b2", DEAD_AFTER)

    _, other = heartbeats.beat(REPORT)

    assert (other.state, other.error) == (state, error)
    assert other.ended is not None
    assert other.ended >= DEAD_AFTER


def test_rows_of_the_day_before_are_deleted(opened: tuple[Heartbeats, Age]) -> None:
    heartbeats, older = opened
    for worker in ("lost", "ended", "young"):
        heartbeats.beat(replace(OTHER, id=worker))
    heartbeats.end("ended", "")
    older("lost", KEPT + HOUR)
    older("ended", KEPT + HOUR)
    older("young", KEPT - HOUR)

    assert [each.report.id for each in heartbeats.beat(REPORT)] == ["a1", "young"]


def test_the_end_of_an_unknown_worker_changes_nothing(opened: tuple[Heartbeats, Age]) -> None:
    heartbeats, _ = opened
    heartbeats.beat(REPORT)
    heartbeats.end("never seen", "")

    assert [each.alive for each in heartbeats.beat(REPORT)] == [True]


def test_the_lag_of_a_worker_is_that_of_its_partitions() -> None:
    assert (REPORT.lag, REPORT.behind) == (6, None)  # of one it is not known how old its oldest record is
    known = replace(REPORT, partitions=(REPORT.partitions[0], OwnedPartition("e", 1, 1, 1, Lag(0, 0))))
    assert (known.lag, known.behind) == (5, HOUR)
    assert replace(REPORT, partitions=()).behind is None


def test_a_worker_whose_loop_stands_still_is_stuck() -> None:
    still = replace(REPORT, idle=HOUR, broker_away=None)
    assert Heartbeat(still, 0).state == "stuck"
    assert Heartbeat(still, DEAD_AFTER).state == "lost"
    assert Heartbeat(replace(still, idle=0), 0).state == "living"
    assert Heartbeat(REPORT, 0).state == "cut off"
