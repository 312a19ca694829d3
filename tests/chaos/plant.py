"""The readings that chaos tests produce: seeded, endless, and each one's fate known beforehand."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count, islice

import numpy as np
from confluent_kafka import Producer

START_S = 1_704_067_200  # 2024-01-01
FAR_FUTURE_S = 4_102_444_800  # 2100-01-01
BAD = (b"", b"not json", b"[1, 2]", b'{"time": 1}', b'{"time": "nonsense", "value": 1}', b'{"value": 2}', b"\xff\xfe")


@dataclass(frozen=True, slots=True)
class Record:
    """A message, and what must become of it: accepted, late, duplicate, future or dead."""

    partition: int
    key: bytes
    value: bytes
    fate: str


def records(seed: int, streams: int, partitions: int) -> Iterator[Record]:
    """One reading per stream and second, with faults of the plant and of the messages, for ever."""
    rng = np.random.default_rng(seed)
    for step in count():
        for stream in range(streams):
            yield from _at(step, stream, stream % partitions, rng)


def _at(step: int, stream: int, partition: int, rng: np.random.Generator) -> Iterator[Record]:
    key = f"m-{stream}".encode()
    value = np.sin(step / 5 + stream) + rng.normal(0, 0.05)
    if (step + 37 * stream) % 150 in range(100, 112):
        value += 4 + (step % 3)  # a fault that opens an alert, and is over after a while
    now = START_S + step

    def message(at: int, fate: str) -> Record:
        return Record(partition, key, json.dumps({"time": at, "value": round(float(value), 4)}).encode(), fate)

    yield message(now, "accepted")
    if stream % 4 == 0 and step % 60 in range(30, 40):  # an alert: two of three cannot be read
        yield Record(partition, key, BAD[step % len(BAD)], "dead")
        yield Record(partition, key, BAD[(step + 1) % len(BAD)], "dead")
    chance = rng.random()
    if chance < 0.02:
        yield message(now, "duplicate")
    elif chance < 0.04 and step > 30:
        yield message(now - 20, "late")
    elif chance < 0.05:
        yield message(FAR_FUTURE_S + step, "future")
    elif chance < 0.06:
        yield Record(partition, key, BAD[int(rng.integers(len(BAD)))], "dead")


@dataclass
class Plant:
    """Sends the records of a seed to Kafka, at a steady pace, from a thread of its own, until `stop`."""

    servers: str
    topic: str
    streams: int = 12
    partitions: int = 4
    rate: int = 400  # records per second
    seed: int = 0
    sent: list[Record] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _failed: deque[str] = field(default_factory=deque)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to send."""
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Send no more, and wait until the broker has everything."""
        assert self._thread is not None
        self._over.set()
        self._thread.join(timeout=120)
        assert not self._thread.is_alive()
        assert not self._failed, self._failed

    @property
    def ends(self) -> dict[int, int]:
        """End offset of each partition."""
        return dict(Counter(record.partition for record in self.sent))

    def _send(self) -> None:
        # Idempotent: a broker that is killed in the middle of a request gives neither repeats nor a new order.
        settings: dict[str, str | int | float | bool] = {
            "bootstrap.servers": self.servers, "enable.idempotence": True, "message.timeout.ms": 600_000,
            "linger.ms": 5, "reconnect.backoff.max.ms": 500, "log_level": 0,
        }  # fmt: skip
        producer = Producer(settings)
        source = records(self.seed, self.streams, self.partitions)
        began = time.monotonic()
        while not self._over.wait(0.02):
            due = int((time.monotonic() - began) * self.rate) - len(self.sent)
            for record in islice(source, max(0, due)):
                producer.produce(
                    self.topic, record.value, record.key, partition=record.partition, on_delivery=self._delivered
                )
                self.sent.append(record)
            producer.poll(0)
        if producer.flush(100):
            self._failed.append("the broker did not take everything")

    def _delivered(self, error: object, _: object) -> None:
        if error is not None:
            self._failed.append(str(error))
