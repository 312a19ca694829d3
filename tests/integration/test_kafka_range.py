"""Bounded reading from a real broker, and the script that runs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.sources.kafka import KafkaRange
from tests.integration.broker import KafkaBroker, load_script
from tests.integration.test_kafka_source import decoders, produce, seen

pytestmark = pytest.mark.kafka


def test_a_range_of_time(kafka: KafkaBroker) -> None:
    topic = kafka.topic(2)
    produce(kafka, topic, 1000, 2)  # Kafka timestamps from 10.000 s on, one per ms
    start, end = (10_000 + 101) * 10**6, (10_000 + 900) * 10**6 - 5

    source = KafkaRange(kafka.settings(), decoders(topic), start, end)
    polls = [source.poll(1)]
    while not polls[-1].finished:
        polls.append(source.poll(1))
    source.close()

    assert sorted(seen(polls)) == sorted((number % 2, number // 2) for number in range(101, 900))


@pytest.mark.parametrize(("start", "end"), [(10**18, None), (None, 0), (10**18, 0)])
def test_a_range_that_holds_nothing(kafka: KafkaBroker, start: int | None, end: int | None) -> None:
    topic = kafka.topic()
    produce(kafka, topic, 10)

    source = KafkaRange(kafka.settings(), decoders(topic), start, end)
    assert source.poll(0).finished
    source.close()


def test_a_port_that_is_taken(kafka: KafkaBroker, tmp_path: Path) -> None:
    script = load_script()
    taken = int(kafka.bootstrap_servers.rpartition(":")[2])

    with pytest.raises(script.KafkaNodeError, match=f"port {taken} of 127.0.0.1 is taken"):
        script.start(taken, tmp_path)
