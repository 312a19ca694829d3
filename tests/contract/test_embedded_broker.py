"""The embedded broker, and what Kafka sources do beside their contract."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from confluent_kafka import Producer

from monitor.config.services import Kafka
from monitor.errors import SettingsError, SourceError
from monitor.records.batches import Poll
from monitor.records.streams import StreamIndex
from monitor.sources.embedded import PARTITIONS, EmbeddedBroker
from monitor.sources.formats.json_messages import JsonDecoder
from monitor.sources.kafka import KafkaSource
from monitor.sources.kafka_client import ensure_topic, wait_for_broker
from monitor.sources.kafka_range import KafkaRange
from monitor.sources.kafka_records import Decoders
from monitor.sources.memory import ListSource
from tests.contract.test_sources import FAMILY, Listener, body, drain, kafka_settings, seen


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        yield running


def decoders(topic: str) -> Decoders:
    return {topic: ("temperature", JsonDecoder(FAMILY, StreamIndex()))}


def produce(broker: EmbeddedBroker, topic: str, count: int, size: int = 0) -> None:
    producer = Producer({"bootstrap.servers": broker.bootstrap_servers, "linger.ms": 5})
    for number in range(count):
        producer.produce(topic, body(number) + b" " * size, b"m", 0, timestamp=1000 + number)
        producer.poll(0)
    assert producer.flush(30) == 0


def test_topics_have_four_partitions(broker: EmbeddedBroker) -> None:
    settings = Kafka(bootstrap_servers=broker.bootstrap_servers)

    wait_for_broker(settings, 5)

    assert broker.create_topic("made") == PARTITIONS
    assert ensure_topic(settings, "ensured", 1) == PARTITIONS
    assert ensure_topic(settings, "ensured", 1) == PARTITIONS


def test_another_process_comes_in_by_the_known_port() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    script = (
        "import sys; from confluent_kafka import Producer; "
        "p = Producer({'bootstrap.servers': sys.argv[1]}); p.produce('door', b'{\"time\":1,\"value\":1}', b'm'); "
        "sys.exit(p.flush(20))"
    )

    with EmbeddedBroker(port) as broker:
        assert broker.bootstrap_servers == f"127.0.0.1:{port}"
        subprocess.run([sys.executable, "-c", script, broker.bootstrap_servers], check=True, timeout=60)
        source = KafkaRange(kafka_settings(broker), decoders("door"))
        assert len(seen(drain(source, lambda polls: polls[-1].finished))) == 1
        source.close()
        with pytest.raises(SourceError, match=f"embedded_port = {port}: the port cannot be opened"):
            EmbeddedBroker(port)
    broker.close()
    with pytest.raises(SourceError, match="closed"):
        broker.create_topic("late")


def test_falling_behind_the_embedded_broker_is_an_error_that_counts(broker: EmbeddedBroker) -> None:
    produce(broker, "flood", 1000, size=8000)

    source = KafkaSource(kafka_settings(broker), decoders("flood"), Listener({("flood", 0): 1}))
    with pytest.raises(SourceError, match=r"topic flood, partition 0: \d+ records were lost: offsets 1 to \d+ were"):
        drain(source)
    source.close()


def test_the_twin_counts_lost_records_too() -> None:
    source = ListSource({("t", 0): [(b"m", body(1))] * 9}, decoders("t"), Listener({("t", 0): 2}))
    source.delete_before(("t", 0), 7)

    with pytest.raises(SourceError, match="topic t, partition 0: 5 records were lost"):
        source.poll(0)


def test_the_twin_tells_of_rebalances() -> None:
    listener = Listener()
    source = ListSource({("t", p): [(b"m", body(1))] for p in range(3)}, decoders("t"), listener, finite=True)
    source.give([("t", 0), ("t", 1)])
    source.take([("t", 0)])
    source.lose([("t", 1)])
    source.give([("t", 2)])

    poll = source.poll(0)

    assert seen([poll]) == [(2, 0)]
    assert poll.finished
    assert [event for event, _ in listener.told] == ["assigned", "revoked", "lost", "assigned"]


def test_a_range_ends(broker: EmbeddedBroker) -> None:
    produce(broker, "past", 30)

    source = KafkaRange(kafka_settings(broker), decoders("past"))
    polls = drain(source, lambda polls: polls[-1].finished)
    source.commit({("past", 0): 1})
    source.close()
    source.close()

    assert seen(polls) == [(0, offset) for offset in range(30)]
    assert not any(poll.finished for poll in polls[:-1])


def test_a_range_of_a_missing_topic_and_an_empty_one(broker: EmbeddedBroker) -> None:
    broker.create_topic("empty")

    assert KafkaRange(kafka_settings(broker), decoders("empty")).poll(0) == Poll({}, at_end=True, finished=True)
    with pytest.raises(SourceError, match="there is no topic absent; it has "):
        KafkaRange(kafka_settings(broker), decoders("absent"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"enable.auto.commit": True}, "enable.auto.commit cannot be set: offsets live in SQL"),
        ({"isolation.level": "read_uncommitted"}, 'only "read_committed": records of transactions that were aborted'),
        ({"group.protocol": "consumer"}, 'group.protocol = "consumer" cannot be set'),
        ({"topic.blacklist": "m.*"}, "topic.blacklist cannot be set"),
        ({"auto.commit.enable": True}, "auto.commit.enable cannot be set"),
        ({"group.id": "x", "bootstrap.servers": "y"}, r"bootstrap.servers cannot be set.*group.id cannot be set"),
        ({"no.such.option": 1}, 'No such configuration property: "no.such.option"'),
        ({"session.timeout.ms": "soon"}, "session.timeout.ms"),
    ],
)
def test_options_that_cannot_be(options: dict[str, str | int | float | bool], words: str) -> None:
    settings = Kafka(bootstrap_servers="127.0.0.1:1", options=options)

    with pytest.raises(SettingsError, match=words):
        KafkaSource(settings, decoders("t"))
    with pytest.raises(SettingsError, match=words):
        wait_for_broker(settings, 1)


def test_no_broker() -> None:
    settings = Kafka(bootstrap_servers="127.0.0.1:1")
    began = time.monotonic()

    with pytest.raises(SourceError, match=r"no Kafka broker answers at 127\.0\.0\.1:1"):
        wait_for_broker(settings, 0.5)
    source = KafkaSource(settings, decoders("t"))
    assert source.poll(0.2) == Poll({})  # librdkafka goes on trying
    source.close()

    assert time.monotonic() - began < 10
