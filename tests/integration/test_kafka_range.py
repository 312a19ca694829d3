"""Bounded reading from a real broker, and the script that runs it."""

from __future__ import annotations

from pathlib import Path

import pytest
from confluent_kafka import Producer

from monitor import bootstrap
from monitor.cli.parameters.event_times import from_kafka, refuse_empty
from monitor.config.settings import parse
from monitor.errors import SettingsError
from monitor.pipeline import loop
from monitor.replay.time_range import TimeRange
from monitor.sources.kafka_range import KafkaRange
from tests.integration.broker import KafkaBroker, load_script
from tests.integration.test_kafka_source import decoders, produce, seen

pytestmark = pytest.mark.kafka


HOUR_MS = 3_600_000
T0_MS = 1_767_225_600_000  # 2026-01-01


def send(kafka: KafkaBroker, topic: str, rows: list[tuple[int, int]]) -> None:
    """Readings at these times, written at those (ms)."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "linger.ms": 5})
    for number, (at, written) in enumerate(rows):
        producer.produce(topic, b'{"time":%d,"value":%d}' % (at // 1000, number), b"m", 0, timestamp=written)
    assert producer.flush(60) == 0


def read(source: KafkaRange) -> list[tuple[int, int]]:
    polls = [source.poll(1)]
    while not polls[-1].finished:
        polls.append(source.poll(1))
    source.close()
    return sorted(seen(polls))


def test_records_written_before_are_left_out_and_all_after_them_read(kafka: KafkaBroker) -> None:
    """Also those behind the first one whose timestamps are older."""
    topic = kafka.topic()
    minutes = [0, 1, 2, 3, 60, 2, 61, 1, 62]
    send(kafka, topic, [(T0_MS, T0_MS + 60_000 * minute) for minute in minutes])

    assert read(KafkaRange(kafka.settings(), decoders(topic), T0_MS * 10**6)) == [(0, n) for n in range(9)]
    assert read(KafkaRange(kafka.settings(), decoders(topic), (T0_MS + HOUR_MS) * 10**6)) == [
        (0, n) for n in range(4, 9)
    ]
    assert read(KafkaRange(kafka.settings(), decoders(topic), (T0_MS + 2 * HOUR_MS) * 10**6)) == []


def test_timestamps_that_cannot_be_leave_nothing_out(kafka: KafkaBroker) -> None:
    topic = kafka.topic(2)
    produce(kafka, topic, 20, 2)  # Kafka timestamps of 1970
    assert len(read(KafkaRange(kafka.settings(), decoders(topic), T0_MS * 10**6))) == 20


def test_the_ends_of_a_topic(kafka: KafkaBroker) -> None:
    topic = kafka.topic(2)
    produce(kafka, topic, 40, 2)
    settings = kafka.settings()
    assert read(KafkaRange(settings, decoders(topic), oldest=2)) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert read(KafkaRange(settings, decoders(topic), newest=2)) == [(0, 18), (0, 19), (1, 18), (1, 19)]
    assert len(read(KafkaRange(settings, decoders(topic), newest=100))) == 40


@pytest.mark.parametrize("written", ["late", "at-once", "never"])
def test_a_range_of_event_times_whenever_the_records_were_written(kafka: KafkaBroker, written: str) -> None:
    """Sent as they were measured, all of them a day later, and with timestamps that say nothing."""
    topic, count = kafka.topic(), 100
    stamps = {"at-once": 0, "late": 24 * HOUR_MS, "never": 5 - T0_MS}
    send(kafka, topic, [(at, at + stamps[written]) for at in range(T0_MS, T0_MS + count * 10_000, 10_000)])
    raw = {"topic": topic, "interval": "10s", "recipe": "plain", "window": {"length": 4}}
    settings = parse({"kafka": {"bootstrap_servers": kafka.bootstrap_servers}, "families": {"f": raw}})
    span = TimeRange((T0_MS + 400_000) * 10**6, (T0_MS + 600_000) * 10**6)

    pipeline = bootstrap.pipeline("f", settings.families["f"])
    source = from_kafka(settings, {"f": pipeline}, span)
    times = [at // 10**6 for poll in loop.polls(source) for part in poll.readings.values() for at in part.time.tolist()]
    source.close()

    assert times == list(range(T0_MS + 400_000, T0_MS + 600_000, 10_000))
    assert (span.inside, span.outside) == (20, 70 if written == "at-once" else 80)  # from 5 minutes before on

    empty = TimeRange((T0_MS + 99 * HOUR_MS) * 10**6, None)
    from_kafka(settings, {"f": pipeline}, empty).close()
    with pytest.raises(SettingsError, match=r"readings from 2026-01-01 00:00:00.* to 2026-01-01 00:16:30"):
        refuse_empty(empty, f"topic {topic}", settings)


def test_a_port_that_is_taken(kafka: KafkaBroker, tmp_path: Path) -> None:
    script = load_script()
    taken = int(kafka.bootstrap_servers.rpartition(":")[2])

    with pytest.raises(script.KafkaNodeError, match=f"port {taken} of 127.0.0.1 is taken"):
        script.start(taken, tmp_path)
