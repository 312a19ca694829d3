"""What a Kafka topic holds now."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NamedTuple

from confluent_kafka import Consumer, Message, TopicPartition


class Record(NamedTuple):
    partition: int
    key: bytes
    value: bytes
    headers: dict[str, bytes]


def _headers(message: Message) -> Iterator[tuple[str, bytes]]:
    headers = message.headers()
    for name, value in headers.items() if isinstance(headers, dict) else headers or []:
        yield name, value if isinstance(value, bytes) else b""


def read_topic(servers: str, topic: str) -> list[Record]:
    """Every record, by partition and offset."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "reads", "enable.auto.commit": False})
    try:
        known = consumer.list_topics(topic, timeout=20).topics[topic].partitions
        found: list[Record] = []
        for number in sorted(known):
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=20)
            consumer.assign([TopicPartition(topic, number, low)])
            deadline, wanted = time.monotonic() + 60, len(found) + high - low
            while len(found) < wanted and time.monotonic() < deadline:
                message = consumer.poll(0.2)
                if message is not None and message.error() is None:
                    found.append(Record(number, message.key() or b"", message.value() or b"", dict(_headers(message))))
        return found
    finally:
        consumer.close()
