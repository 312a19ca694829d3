"""Heartbeats of a channel, and reports of a process that only delivers: what is logged, and what ends them."""

from __future__ import annotations

import json
import time

import pytest
import structlog

from monitor.config.channels import Channel
from monitor.errors import NotifyError, SchemaChangedError, StoreError
from monitor.notify.beating import Beating
from monitor.notify.dead_man import DeadMan
from monitor.records.workers import DISPATCH, WorkerReport
from monitor.store.memory_channels import MemoryChannelStates
from monitor.store.memory_workers import MemoryHeartbeats
from monitor.testing.in_memory import ListNotifier, MemoryStore

REPORT = WorkerReport(id="a", run=DISPATCH, host="h", pid=1, version="", started=1, delivers=("ops",))


def test_a_heartbeat_says_how_the_monitor_is_and_is_kept_nowhere() -> None:
    store, ops = MemoryStore(), ListNotifier()
    states = MemoryChannelStates(store, committed=time.time_ns())
    dead_man = DeadMan("ops", Channel(heartbeat=3600 * 10**9), ops, states)
    assert [dead_man.turn() for _ in range(3)] == [0, 0, 0]
    (sent,) = ops.received
    message = json.loads(sent.payload)
    assert (message["type"], message["data"]["workers"], message["data"]["period_s"]) == ("heartbeat", 1, 3600.0)
    assert sent.channel == "ops"
    assert store.outbox == {}


def test_one_that_is_not_delivered_is_logged_once_and_not_sent_again() -> None:
    ops, store = ListNotifier([NotifyError("503")] * 3), MemoryStore()
    states = MemoryChannelStates(store, committed=time.time_ns())
    dead_man = DeadMan("ops", Channel(heartbeat=10**9), ops, states)
    with structlog.testing.capture_logs() as lines:
        while len(ops.received) < 2:
            dead_man.turn()
            store.channels["ops"].beat_at = None  # the next one is due
    assert [line["event"] for line in lines] == ["heartbeat_not_delivered", "heartbeat_delivered_again"]


def test_reports_go_on_when_one_cannot_be_written() -> None:
    heartbeats = MemoryHeartbeats()
    beating = Beating(REPORT, heartbeats)
    heartbeats.errors = [StoreError("away"), StoreError("away")]
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            beating.beat()
    beating.check()
    assert [line["event"] for line in lines] == ["heartbeat_not_written", "heartbeat_written_again"]
    assert heartbeats._rows["a"][0].delivers == ("ops",)


def test_a_schema_that_has_changed_ends_the_process() -> None:
    heartbeats = MemoryHeartbeats()
    beating = Beating(REPORT, heartbeats)
    heartbeats.errors = [SchemaChangedError("another version")]
    beating.beat()
    with pytest.raises(SchemaChangedError) as ends:
        beating.check()
    assert ends.value.exit_code == 4
