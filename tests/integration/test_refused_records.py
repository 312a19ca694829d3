"""Records that the Kafka client refuses each time: they hold up nothing for ever, and none behind them is left out."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from monitor import bootstrap
from monitor.config.services import Kafka
from monitor.config.settings import parse
from monitor.errors import SourceError
from monitor.ports.source import Assignments
from monitor.records.batches import TopicPartition as Place
from monitor.records.counters import readings
from monitor.sources.embedded import EmbeddedBroker
from monitor.sources.kafka import KafkaSource
from monitor.sources.kafka_range import KafkaRange
from monitor.store.memory import MemoryStore
from monitor.testing.in_memory import NoModels
from monitor.worker.options import WorkerOptions
from monitor.worker.runner import Runner
from tests.integration.broker import KafkaBroker

LIMIT: dict[str, str | int | float | bool] = {
    "receive.message.max.bytes": 2_000_000,  # of what a batch may unpack to
    "fetch.max.bytes": 1_000_000,
    "message.max.bytes": 1_000_000,
    "fetch.error.backoff.ms": 50,
}


@pytest.fixture
def broker() -> Iterator[str]:
    with EmbeddedBroker() as running:
        yield running.bootstrap_servers


@pytest.fixture(autouse=True)
def _few_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two a second are made."""
    monkeypatch.setattr("monitor.sources.kafka_refused.TRIES", 3)


def group(servers: str, **changes: Any) -> Kafka:
    return Kafka(bootstrap_servers=servers, group=f"group-{time.time_ns()}", options=LIMIT).model_copy(update=changes)


def good(servers: str, topic: str, first: int, count: int) -> None:
    producer = Producer({"bootstrap.servers": servers})
    for at in range(first, first + count):
        producer.produce(topic, b'{"time":%d,"value":1}' % (1_700_000_000 + at), b"m", 0)
    assert producer.flush(60) == 0


def bomb(servers: str, topic: str, records: int, size: int = 3_000_000, codec: str = "zstd") -> None:
    """One batch of records of spaces, a few kB on the wire, that unpacks to `size` bytes."""
    options = {"linger.ms": 5000, "batch.size": 2**30, "message.max.bytes": 10**9, "batch.num.messages": records}
    room = {"queue.buffering.max.kbytes": 2_097_151}
    producer = Producer({"bootstrap.servers": servers, "compression.codec": codec} | options | room)
    producer.list_topics(topic, timeout=10)  # else the first record may go ahead of the others
    for _ in range(records):
        producer.produce(topic, b" " * (size // records), b"m", 0)
    assert producer.flush(60) == 0


def runner(kafka: Kafka, topic: str, store: MemoryStore, at: int | None = None) -> Runner:
    raw: dict[str, Any] = {"f": {"topic": topic, "interval": "1s", "recipe": "plain", "window": {"length": 4}}}
    pipelines = bootstrap.pipelines(parse({"families": raw}))
    decoders = bootstrap.decoders(parse({"families": raw}), {"f": pipelines["f"].index})

    class From:
        def __init__(self, listener: Assignments) -> None:
            self._listener = listener
            self.revoked, self.lost = listener.revoked, listener.lost

        def assigned(self, partitions: Any) -> dict[Place, int]:
            starts = dict(self._listener.assigned(partitions))
            return starts if at is None else {(topic, 0): at} | starts

    def connect(listener: Assignments) -> KafkaSource:
        return KafkaSource(kafka, decoders, From(listener))

    return Runner(connect, store, pipelines, NoModels(), WorkerOptions(commit_interval=0.1, until_end=True))


def accepted(store: MemoryStore) -> int:
    return sum(readings(state.counts) for state in store.states.values())


@pytest.mark.parametrize("records", [1, 2, 37])
def test_the_batch_and_nothing_else_is_left_out(broker: str, records: int) -> None:
    topic, store = f"topic-{time.time_ns()}", MemoryStore()
    good(broker, topic, 0, 5)
    bomb(broker, topic, records)
    good(broker, topic, 5, 1)
    bomb(broker, topic, 3)
    bomb(broker, topic, 2)
    good(broker, topic, 6, 4)

    runner(group(broker, on_gap="record"), topic, store).run()

    first = 5 + records + 1
    expected = [(5, 5 + records), (first, first + 3), (first + 3, first + 5)]
    assert [(gap.start, gap.end) for _, gap in store.gaps] == expected
    assert "refused" in store.gaps[0][1].reason
    assert "receive.message.max.bytes" in store.gaps[0][1].reason
    assert accepted(store) == 10
    assert store.positions["live", topic, 0].next_offset == first + 9


def test_a_start_within_the_batch(broker: str) -> None:
    """The client names the batch's first offset in its error; what lies before the start is not counted."""
    topic, store = f"topic-{time.time_ns()}", MemoryStore()
    good(broker, topic, 0, 2)
    bomb(broker, topic, 20)
    good(broker, topic, 2, 2)

    runner(group(broker, on_gap="record"), topic, store, at=10).run()

    assert [(gap.start, gap.end) for _, gap in store.gaps] == [(10, 22)]
    assert accepted(store) == 2


def test_the_end_names_what_to_do(broker: str) -> None:
    topic, store = f"topic-{time.time_ns()}", MemoryStore()
    good(broker, topic, 0, 5)
    bomb(broker, topic, 3)

    with pytest.raises(SourceError) as ended:
        runner(group(broker), topic, store).run()

    text = str(ended.value)
    assert f"topic {topic}, partition 0: 3 records, offsets 5 to 7, cannot be read" in text
    assert 'kafka.on_gap = "record"' in text
    assert "receive.message.max.bytes" in text
    assert ended.value.exit_code == 3
    assert store.gaps == []
    assert accepted(store) in (0, 5)


def test_a_range_goes_on_behind_them_too(broker: str) -> None:
    topic = f"topic-{time.time_ns()}"
    good(broker, topic, 0, 5)
    bomb(broker, topic, 3)
    raw: dict[str, Any] = {"f": {"topic": topic, "interval": "1s", "recipe": "plain", "window": {"length": 4}}}
    settings = parse({"families": raw})
    decoders = bootstrap.decoders(settings, {"f": bootstrap.pipelines(settings)["f"].index})

    source, found, gaps = KafkaRange(group(broker, on_gap="record"), decoders), 0, []
    while not (poll := source.poll(1)).finished:
        found += poll.records
        gaps += poll.gaps
    gaps += poll.gaps
    source.close()

    assert found + poll.records == 5
    assert [(gap.start, gap.end) for gap in gaps] == [(5, 8)]


def test_a_worker_that_waits_for_them_is_stopped_by_sigterm(broker: str, tmp_path: Path) -> None:
    topic, config = f"topic-{time.time_ns()}", tmp_path / "plant.toml"
    good(broker, topic, 0, 5)
    bomb(broker, topic, 3)
    config.write_text(
        f'[kafka]\nbootstrap_servers = "{broker}"\n'
        '[kafka.options]\n"receive.message.max.bytes" = 2_000_000\n"fetch.max.bytes" = 1_000_000\n'
        '"message.max.bytes" = 1_000_000\n"fetch.error.backoff.ms" = 20_000\n'
        f'[store]\nurl = "sqlite:///{tmp_path}/store.db"\n'
        f'[families.f]\ntopic = "{topic}"\ninterval = "1s"\nwindow.length = 4\n'
    )
    log = tmp_path / "log"
    with log.open("wb") as output:
        worker = subprocess.Popen([sys.executable, "-m", "monitor", "run", str(config)], stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 120
        while "Decompression" not in log.read_text():
            assert worker.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0, log.read_text()
    finally:
        worker.kill()
        worker.wait()


@pytest.mark.kafka
def test_a_response_that_is_too_large_is_an_end_that_names_the_option(kafka: KafkaBroker) -> None:
    topic, store = kafka.topic(), MemoryStore()
    good(kafka.bootstrap_servers, topic, 0, 5)
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    producer.produce(topic, os.urandom(900_000), b"m", 0)
    assert producer.flush(60) == 0
    small = {"receive.message.max.bytes": 500_000, "fetch.max.bytes": 10_000, "message.max.bytes": 10_000}
    options = kafka.settings(**small, **{"reconnect.backoff.ms": 10, "reconnect.backoff.max.ms": 100})

    with pytest.raises(SourceError, match=r"partition 0, offset 5\. Set kafka.options.\"receive.message") as ended:
        runner(options, topic, store).run()

    assert ended.value.exit_code == 3


@pytest.mark.kafka
def test_a_real_broker(kafka: KafkaBroker) -> None:
    topic, store = kafka.topic(), MemoryStore()
    good(kafka.bootstrap_servers, topic, 0, 5)
    bomb(kafka.bootstrap_servers, topic, 300, 300_000_000)  # more than librdkafka's own limit
    good(kafka.bootstrap_servers, topic, 5, 5)
    settings = kafka.settings(**{"fetch.error.backoff.ms": 50})

    runner(settings.model_copy(update={"on_gap": "record"}), topic, store).run()

    assert [(gap.start, gap.end) for _, gap in store.gaps] == [(5, 305)]
    assert accepted(store) == 10
