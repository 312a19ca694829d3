"""Reading and decoding a topic, and nothing else."""

from __future__ import annotations

import time
from typing import Any

import msgspec
from confluent_kafka import Consumer

from tests.benchmarks.lane import Clock


class Message(msgspec.Struct, gc=False):
    """A reading."""

    time: int
    value: float


def consumer(servers: str, topic: str) -> Consumer:
    """One with the settings that the product chooses, in a group of its own."""
    made = Consumer({"bootstrap.servers": servers, "group.id": f"bare-{time.time_ns()}", "enable.auto.commit": False,
                     "auto.offset.reset": "earliest", "fetch.queue.backoff.ms": 10,
                     "queued.max.messages.kbytes": 32_768})  # fmt: skip
    made.subscribe([topic])
    return made


def decode(servers: str, topic: str, records: str) -> dict[str, Any]:
    """Decode one reading from each message."""
    source, clock, done = consumer(servers, topic), Clock(int(records)), 0
    read = msgspec.json.Decoder(Message).decode
    while done < clock.records:
        messages = source.consume(10_000, 0.1)
        for message in messages:
            read(message.value() or b"")
        done += len(messages)
        clock.tick(done)
    source.close()
    return {"rate": round(clock.rate)}
