"""Records that were gone before they were read: an end that counts them, or a row and on."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions

from monitor import bootstrap
from monitor.config.services import Kafka
from monitor.config.settings import parse
from monitor.errors import SourceError
from monitor.ports.source import Assignments
from monitor.records.counters import readings
from monitor.sources.kafka import KafkaSource
from monitor.sources.kafka_client import ensure_topic
from monitor.store.memory import MemoryStore
from monitor.testing.in_memory import NoModels
from monitor.worker.options import WorkerOptions
from monitor.worker.runner import Runner
from tests.integration.broker import KafkaBroker

pytestmark = pytest.mark.kafka


def work(kafka: Kafka, topic: str, store: MemoryStore, stop: Callable[[], bool] | None = None) -> None:
    """A worker in this process, until everything that is there has been read."""
    raw: dict[str, Any] = {"f": {"topic": topic, "interval": "1s", "recipe": "plain", "window": {"length": 4}}}
    settings = parse({"families": raw})
    pipelines = bootstrap.pipelines(settings)
    decoders = bootstrap.decoders(settings, {"f": pipelines["f"].index})

    def connect(listener: Assignments) -> KafkaSource:
        return KafkaSource(kafka, decoders, listener)

    plan = WorkerOptions(commit_interval=0.1, until_end=stop is None)
    Runner(connect, store, pipelines, NoModels(), plan).run(stop or (lambda: False))


def produce(kafka: KafkaBroker, topic: str, first: int, count: int, partition: int = 0) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "enable.idempotence": True})
    for at in range(first, first + count):
        producer.produce(topic, b'{"time":%d,"value":1}' % (1_700_000_000 + at), b"m-%d" % partition, partition)
    assert producer.flush(60) == 0


def accepted(store: MemoryStore) -> dict[str, int]:
    return {
        name: readings(store.states[id_].counts) for (_, _, name), id_ in store.streams.items() if id_ in store.states
    }


def test_deleted_records_are_a_row_where_that_is_wanted(kafka: KafkaBroker) -> None:
    topic, group, store = kafka.topic(), kafka.settings(), MemoryStore()
    produce(kafka, topic, 0, 50)
    work(group, topic, store)
    produce(kafka, topic, 50, 50)
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    admin.delete_records([TopicPartition(topic, 0, 80)])[TopicPartition(topic, 0)].result(20)

    with pytest.raises(SourceError, match=r"30 records were lost: offsets 50 to 79 .* kafka.on_gap = \"record\""):
        work(group, topic, store)
    assert store.gaps == []
    work(group.model_copy(update={"on_gap": "record"}), topic, store)

    assert [(run, gap.partition, gap.start, gap.end) for run, gap in store.gaps] == [("live", 0, 50, 80)]
    assert "30 records were lost" in store.gaps[0][1].reason
    assert accepted(store) == {"m-0": 70}
    assert store.positions["live", topic, 0].next_offset == 100


def test_records_deleted_from_a_partition_that_was_empty_when_it_was_watched(kafka: KafkaBroker) -> None:
    """That the first record would have had offset 0 is known, and kept, before there is one."""
    topic, group, store = kafka.topic(), kafka.settings(), MemoryStore()
    work(group, topic, store)
    assert store.positions["live", topic, 0].next_offset == 0
    produce(kafka, topic, 0, 50)
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    admin.delete_records([TopicPartition(topic, 0, 30)])[TopicPartition(topic, 0)].result(20)

    with pytest.raises(SourceError, match="30 records were lost: offsets 0 to 29"):
        work(group, topic, store)


def test_a_recreated_topic(kafka: KafkaBroker) -> None:
    topic, group, store = kafka.topic(), kafka.settings(), MemoryStore()
    produce(kafka, topic, 0, 50)
    work(group, topic, store)
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    admin.delete_topics([topic])[topic].result(20)
    deadline = time.monotonic() + 30
    while topic in admin.list_topics(timeout=10).topics:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    ensure_topic(Kafka(bootstrap_servers=kafka.bootstrap_servers), topic)
    produce(kafka, topic, 50, 20)

    with pytest.raises(SourceError, match=r"the next offset to read is 50, but the topic ends at 20: .* recreated"):
        work(group, topic, store)
    work(group.model_copy(update={"on_gap": "record"}), topic, store)

    assert [(gap.start, gap.end) for _, gap in store.gaps] == [(50, 0)]
    assert accepted(store) == {"m-0": 70}
    assert store.positions["live", topic, 0].next_offset == 20


def test_partitions_that_are_added_are_read_from_their_beginning(kafka: KafkaBroker) -> None:
    topic, store = kafka.topic(1), MemoryStore()
    produce(kafka, topic, 0, 50)
    deadline = time.monotonic() + 60
    grown = False

    def stop() -> bool:
        nonlocal grown
        assert time.monotonic() < deadline, accepted(store)
        if not grown and accepted(store) == {"m-0": 50}:
            admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
            admin.create_partitions([NewPartitions(topic, 2)])[topic].result(20)
            ensure_topic(Kafka(bootstrap_servers=kafka.bootstrap_servers), topic)
            time.sleep(0.5)
            produce(kafka, topic, 0, 30, partition=1)
            grown = True
        return accepted(store) == {"m-0": 50, "m-1": 30}

    work(kafka.settings(), topic, store, stop)

    assert store.positions["live", topic, 1].next_offset == 30
