"""From batches of readings to JSON messages in Kafka, at a chosen speed, never far ahead of who reads them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, cast

import msgspec
import numpy as np
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from monitor.errors import SourceError
from monitor.records.batches import Float64, Int64
from monitor.simulator.plant import Batch

CHUNK = 2000  # messages between two looks at the clock and at the group
_QUIET = {"log_level": 0}  # what librdkafka would print is raised as an error
_SAFE = {"enable.idempotence": True, "message.timeout.ms": 60_000, "linger.ms": 20}


@dataclass(frozen=True, slots=True)
class Pace:
    """Never be more than `max_lag` messages of a partition ahead of what `group` has committed.

    The embedded broker keeps about 5 MB per partition, some 4000 beats, and drops older messages, read or not. A group
    that commits nothing for `patience` seconds while it is waited for is an error.
    """

    group: str
    max_lag: int = 2000
    patience: float = 600.0


def publish(
    batches: Iterable[Batch],
    config: Mapping[str, Any],
    *,
    speed: float | None = None,
    pace: Pace | None = None,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Publish every reading as one JSON message, keyed by its stream, and return how many the brokers have confirmed.

    `config` is librdkafka's (`bootstrap.servers` at least). `speed` is a multiple of real time, None as fast as
    possible: a reading leaves when its time comes, counted from the first one. `progress` is called with the number of
    messages that each step has sent. Raises SourceError when a message cannot be delivered, or the group of `pace`
    makes no progress.
    """
    chunk = CHUNK if pace is None else max(1, min(CHUNK, pace.max_lag // 2))
    clock = _Clock(speed)
    with _Line(config, pace) as line:
        for batch in batches:
            for part in _parts(batch, clock.cut(batch, chunk)):
                while (wait := clock.wait(int(part.time[-1]))) > 0:
                    time.sleep(min(wait, 0.2))
                    line.serve()
                line.wait_for_group(len(part))
                line.send(part)
                if progress is not None:
                    progress(len(part))
        return line.flush()


def encode(batch: Batch) -> Iterator[bytes]:
    """Message bodies: `{"time": "2026-01-01T00:00:10Z", "value": 71.3}`, missing values as null."""
    with np.errstate(over="ignore", invalid="ignore"):  # beyond float32; a signalling NaN
        values = batch.values.astype(np.float64)
        short = values.round(3)  # the fewest digits that give the same float32 again
        plain = np.where(short.astype(np.float32) == batch.values, short, values)
    numbers = _with_words(plain, batch.beyond) if np.isinf(plain).any() else plain.tolist()
    names = batch.fields if len(batch.fields) == batch.values.shape[1] else None
    to_json = msgspec.json.Encoder().encode  # writes NaN as null
    for moment, row in zip(_iso(batch.time), numbers, strict=True):
        if names is None:
            yield to_json({"time": moment, batch.fields[0]: row})
        else:
            yield to_json({"time": moment, **dict(zip(names, row, strict=True))})


def _with_words(values: Float64, beyond: tuple[str, str]) -> list[list[float | str]]:
    """The values with words for negative and positive infinity."""
    words = dict(zip((-np.inf, np.inf), beyond, strict=True))
    return [[words.get(value, value) for value in row] for row in values.tolist()]


def _iso(times: Int64) -> list[str]:
    """UTC times as text, with no more digits than the batch needs."""
    moments = times.view("datetime64[ns]")
    for unit, size in (("s", 10**9), ("ms", 10**6)):
        if not (times % size).any():
            moments = moments.astype(f"datetime64[{unit}]")
            break
    return [f"{text}Z" for text in np.datetime_as_string(moments).tolist()]


def _parts(batch: Batch, size: int) -> Iterator[Batch]:
    for start in range(0, len(batch), size):
        yield batch.rows(start, start + size)


class _Clock:
    """When a reading may leave."""

    def __init__(self, speed: float | None) -> None:
        self._speed = speed
        self._first: int | None = None
        self._began = 0.0

    def cut(self, batch: Batch, chunk: int) -> int:
        """Readings to send at once: 50 ms of wall clock on average, and `chunk` at most."""
        span = int(batch.time[-1] - batch.time[0])
        if self._speed is None or span == 0:
            return chunk
        return max(1, min(chunk, int(len(batch) * 0.05 * self._speed * 1e9 / span)))

    def wait(self, reading: int) -> float:
        """Seconds until a reading of this time is due."""
        if self._speed is None:
            return 0.0
        if self._first is None:
            self._first, self._began = reading, time.monotonic()
        return (reading - self._first) / 1e9 / self._speed - (time.monotonic() - self._began)


class _Line:
    """A producer that counts what the brokers confirm, per partition, and compares it with a group's progress."""

    def __init__(self, config: Mapping[str, Any], pace: Pace | None) -> None:
        self._servers = config.get("bootstrap.servers")
        self._pace = pace
        self._sent = self._confirmed = 0
        self._end: dict[tuple[str, int], int] = {}  # offset after the last confirmed message
        self._done: dict[tuple[str, int], int] = {}  # what the group has committed, or the first message's offset
        self._error: KafkaError | None = None
        try:
            self._producer = Producer(_SAFE | _QUIET | dict(config))
            self._group = None if pace is None else Consumer(_QUIET | dict(config) | {"group.id": pace.group})
        except (KafkaException, TypeError, ValueError) as error:
            raise SourceError(f"Kafka does not accept these options: {_sentence(error)}") from None

    def __enter__(self) -> _Line:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._producer.purge()
        if self._group is not None:
            self._group.close()

    def send(self, batch: Batch) -> None:
        """Hand a batch to the producer, waiting where its queue is full."""
        keys = [name.encode() for name in batch.streams]
        for code, body in zip(batch.stream.tolist(), encode(batch), strict=True):
            self._produce(batch.topic, keys[code], body)
        self._sent += len(batch)
        self.serve()

    def serve(self, timeout: float = 0.0) -> None:
        """Take the brokers' answers; raise the first failure among them."""
        self._producer.poll(timeout)
        if self._error is not None:
            raise SourceError(f"a message was not delivered to Kafka at {self._servers}: {self._error.str()}")

    def flush(self) -> int:
        """Wait until every message is confirmed, and return their number."""
        while self._confirmed < self._sent:
            self.serve(0.5)
        return self._confirmed

    def wait_for_group(self, coming: int) -> None:
        """Return when the group is so far that `coming` more messages keep every partition within `max_lag`."""
        if self._group is None or self._pace is None or self._room(self._pace.max_lag) >= coming:
            return
        self.flush()
        before, moved = -1, time.monotonic()
        while True:
            self._ask(self._group)
            if self._room(self._pace.max_lag) >= coming:
                return
            if (done := sum(self._done.values())) != before:
                before, moved = done, time.monotonic()
            elif time.monotonic() - moved > self._pace.patience:
                raise SourceError(
                    f"group {self._pace.group} has committed nothing for {self._pace.patience:g} s; "
                    "is it running, and does it read these topics?"
                )
            time.sleep(0.02)

    def _room(self, max_lag: int) -> int:
        """Messages that fit into the fullest partition, if all that are under way end up there."""
        lag = max((end - self._done[partition] for partition, end in self._end.items()), default=0)
        return max_lag - lag - (self._sent - self._confirmed)

    def _ask(self, group: Consumer) -> None:
        """Look up how far the group has come; where it has committed nothing, it stays at our first message."""
        try:
            answers = group.committed([TopicPartition(*partition) for partition in self._end], timeout=10)
        except KafkaException as error:
            raise SourceError(
                f"the progress of a group cannot be read at {self._servers}: {_sentence(error)}"
            ) from None
        for answer in answers:
            if answer.offset >= 0:
                self._done[answer.topic, answer.partition] = answer.offset

    def _produce(self, topic: str, key: bytes, body: bytes) -> None:
        while True:
            try:
                return self._producer.produce(topic, key=key, value=body, on_delivery=self._delivered)
            except BufferError:
                self.serve(0.1)
            except KafkaException as error:
                raise SourceError(f"{topic}: a message cannot be published: {_sentence(error)}") from None

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._error = self._error or error
            return
        partition = cast("tuple[str, int]", (message.topic(), message.partition()))
        offset = cast("int", message.offset())
        self._confirmed += 1
        self._end[partition] = max(self._end.get(partition, 0), offset + 1)
        self._done.setdefault(partition, offset)


def _sentence(error: Exception) -> str:
    """What librdkafka says, without its codes."""
    cause = error.args[0] if error.args else error
    return str(cause.str()) if isinstance(cause, KafkaError) else str(error)
