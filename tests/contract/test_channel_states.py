"""What the dispatchers of a channel share: its rate, since when it fails, and whose turn its heartbeat is."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from monitor.ports.channel_states import Allowance, ChannelStates
from monitor.records.workers import WorkerReport
from monitor.store.memory_channels import MemoryChannelStates
from monitor.store.workers import open_heartbeats
from tests.alert_keepers import AlertKeeper, SqlKeeper
from tests.contract.test_outboxes import keeper
from tests.store_rows import SECOND

__all__ = ["keeper"]
MINUTE, HOUR = 60 * SECOND, 3600 * SECOND
Commit = Callable[[int], None]  # a worker whose newest commit was at that time


@pytest.fixture
def states(keeper: AlertKeeper) -> ChannelStates:
    return keeper.outbox().channels


@pytest.fixture
def committed(keeper: AlertKeeper, states: ChannelStates) -> Commit:
    def by_worker(at: int) -> None:
        if isinstance(states, MemoryChannelStates):
            states.committed = at
            return
        assert isinstance(keeper, SqlKeeper)
        report = WorkerReport(id="a", run="live", host="h", pid=1, version="", started=1, at=at, committed=at)
        with closing(open_heartbeats(keeper.url)) as heartbeats:
            heartbeats.beat(report)

    return by_worker


def test_no_more_tries_are_free_than_the_rate_allows_in_any_minute(states: ChannelStates) -> None:
    assert states.spend("hook", 100 * SECOND, 3, 2) == Allowance(3, 100 * SECOND)
    assert states.spend("hook", 110 * SECOND, 3, 2) == Allowance(1, 110 * SECOND)
    assert states.spend("hook", 120 * SECOND, 3, 1) == Allowance(0, 160 * SECOND)
    assert states.spend("other", 120 * SECOND, 3, 1).free == 3
    assert states.spend("hook", 160 * SECOND, 3, 1).free == 2
    assert states.spend("hook", 161 * SECOND, 3, 5).free == 1
    assert states.spend("hook", 162 * SECOND, 3, 5) == Allowance(0, 170 * SECOND)


def test_a_rate_that_was_lowered_or_a_clock_that_went_back_holds_nothing_for_ever(states: ChannelStates) -> None:
    states.spend("hook", HOUR, 10, 10)
    assert states.spend("hook", HOUR + SECOND, 2, 1) == Allowance(0, HOUR + MINUTE)
    assert states.spend("hook", SECOND, 2, 1).free == 2


def test_dispatchers_share_a_rate(keeper: AlertKeeper) -> None:
    shared = [keeper.outbox().channels for _ in range(4)]
    if isinstance(shared[0], MemoryChannelStates):
        shared = shared[:1] * 4
    with ThreadPoolExecutor(4) as pool:
        free = list(pool.map(lambda each: [each.spend("hook", HOUR, 20, 1).free for _ in range(10)], shared))
    assert sum(found > 0 for some in free for found in some) == 20


def test_a_channel_fails_since_its_first_failure_until_it_answers(states: ChannelStates) -> None:
    assert states.failing("hook", 5) == 5
    assert states.failing("hook", 9) == 5
    assert states.failing("other", 9) == 9
    states.answered("hook")
    states.answered("never heard of")
    assert states.failing("hook", 12) == 12
    assert states.failing("other", 12) == 9


def test_one_process_takes_each_heartbeat(states: ChannelStates, committed: Commit) -> None:
    committed(time.time_ns())
    beats = [states.beat("hook", HOUR, HOUR) for _ in range(3)]
    assert [beat is not None for beat in beats] == [True, False, False]
    assert states.beat("other", HOUR, HOUR) is not None


def test_heartbeats_come_at_their_period(states: ChannelStates, committed: Commit) -> None:
    committed(time.time_ns())
    period, began, taken = SECOND // 10, time.monotonic(), 0
    while taken < 5:
        beat = states.beat("hook", period, HOUR)
        taken += beat is not None
        assert beat is None or (beat.workers == 1 and abs(time.time_ns() - beat.at) < MINUTE)
        assert time.monotonic() - began < 60
    assert time.monotonic() - began > 0.35


def test_no_heartbeat_while_nothing_commits(states: ChannelStates, committed: Commit) -> None:
    assert states.beat("hook", SECOND, HOUR) is None
    committed(time.time_ns() - 2 * HOUR)
    assert states.beat("hook", SECOND, HOUR) is None
    committed(time.time_ns())
    assert states.beat("hook", SECOND, HOUR) is not None
