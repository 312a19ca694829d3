"""Silent streams on a real Kafka: those that are, and those that only seem so from where the worker stands."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from confluent_kafka import Producer

from monitor import bootstrap
from monitor.config.services import Kafka
from monitor.config.settings import parse
from monitor.errors import StoreError
from monitor.ports.source import Assignments
from monitor.ports.store import Commit
from monitor.records.counters import COUNTERS
from monitor.sources.kafka import KafkaSource
from monitor.store.memory import MemoryStore
from monitor.testing.in_memory import NoModels
from monitor.worker.options import WorkerOptions
from monitor.worker.runner import Runner
from tests.integration.broker import KafkaBroker

pytestmark = pytest.mark.kafka

SILENT_S = 3.0
NAMES = ("a", "b", "c", "d")


class AwayStore(MemoryStore):
    """Cannot be reached while `away`."""

    away = False

    def commit(self, commit: Commit) -> None:
        if self.away:
            raise StoreError("SQL is away", transient=True)
        super().commit(commit)

    def kinds(self, state: str) -> list[str]:
        return sorted(f"{a.kind} {a.stream}".strip() for a in list(self.alerts.values()) if str(a.state) == state)

    def count(self, what: str) -> int:
        return sum(state.counts[COUNTERS.index(what)] for state in list(self.states.values()))


class Sensors:
    """Publishes a reading of every stream in `sending` ten times a second, on one partition each or less."""

    def __init__(self, kafka: KafkaBroker, topic: str, partitions: int) -> None:
        self.sending: set[str] = set(NAMES)
        self.sent = 0
        self._producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "linger.ms": 0, "log_level": 0})
        self._topic, self._partitions = topic, partitions
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._send)

    def _send(self) -> None:
        while not self._over.wait(0.1):
            for name in sorted(self.sending):
                body = json.dumps({"time": time.time_ns(), "value": 1}).encode()
                self._producer.produce(self._topic, body, name.encode(), NAMES.index(name) % self._partitions)
                self.sent += 1
            self._producer.poll(0)

    def __enter__(self) -> Sensors:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._producer.flush(30)


@contextmanager
def worker(kafka: Kafka, topic: str, store: MemoryStore) -> Iterator[None]:
    """A live worker on a thread."""
    family = {
        "topic": topic, "interval": "100ms", "recipe": "plain", "window": {"length": 4}, "format": {"time_unit": "ns"},
        "health": {"silent_after": f"{SILENT_S}s", "unscored_after": "none"},  # the sender keeps no time
    }  # fmt: skip
    settings = parse({"families": {"f": family}})
    pipelines = bootstrap.pipelines(settings)
    decoders = bootstrap.decoders(settings, {"f": pipelines["f"].index})
    over, errors = threading.Event(), list[BaseException]()

    def connect(listener: Assignments) -> KafkaSource:
        return KafkaSource(kafka, decoders, listener)

    def work() -> None:
        try:
            Runner(connect, store, pipelines, NoModels(), WorkerOptions(commit_interval=0.2)).run(over.is_set)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert errors == []


def until(happened: Callable[[], bool], store: AwayStore, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, (store.alerts, store.states)
        time.sleep(0.1)


def test_a_worker_held_up_with_a_backlog_calls_nobody_silent_and_nothing_late(kafka: KafkaBroker) -> None:
    topic, store = kafka.topic(2), AwayStore()
    with worker(kafka.settings(), topic, store), Sensors(kafka, topic, 2) as sensors:
        until(lambda: len(store.states) == len(NAMES), store)
        store.away = True
        time.sleep(3 * SILENT_S)
        store.away = False
        time.sleep(2 * SILENT_S)
        assert store.alerts == {}
        sensors.sending = set()
        until(lambda: store.count("accepted") + store.count("duplicate") >= sensors.sent, store)
        assert (store.count("late"), store.count("future")) == (0, 0)


def test_a_broker_that_is_away_makes_nobody_silent(kafka: KafkaBroker) -> None:
    topic, store = kafka.topic(2), AwayStore()
    with worker(kafka.settings(), topic, store), Sensors(kafka, topic, 2) as sensors:
        until(lambda: len(store.states) == len(NAMES), store)
        kafka.kill()
        try:
            time.sleep(2 * SILENT_S)
        finally:
            kafka.restart()
        before = store.count("accepted")
        until(lambda: store.count("accepted") > before, store, 60)
        time.sleep(SILENT_S)
        assert store.alerts == {}
        assert sensors.sent > 0


def test_silent_streams_a_silent_family_and_their_return(kafka: KafkaBroker) -> None:
    topic, group, store = kafka.topic(2), kafka.settings(), AwayStore()
    with Sensors(kafka, topic, 2) as sensors:
        with worker(group, topic, store):
            until(lambda: len(store.states) == len(NAMES), store)
            sensors.sending = {"b", "c", "d"}
            until(lambda: store.kinds("open") == ["silent a"], store)
            sensors.sending = set(NAMES)
            until(lambda: store.kinds("resolved") == ["silent a"], store)
            assert store.kinds("open") == []
            sensors.sending = set()
            until(lambda: bool(store.kinds("open")), store)
            assert store.kinds("open") == ["gateway"]
        with worker(group, topic, store):
            time.sleep(2 * SILENT_S)
            assert store.kinds("open") == ["gateway"]
            sensors.sending = {"a", "b", "c"}
            until(lambda: store.kinds("open") == ["silent d"], store)
    assert store.kinds("resolved") == ["gateway", "silent a"]
