"""A consumer whose events are messages, ends of partitions, log lines and errors that say what to do."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from typing import Any, cast

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage

from monitor.config import services
from monitor.errors import MonitorError, SourceError
from monitor.records import batches
from monitor.sources.kafka_client import admin_client, options_of, producer, refusing, sentence
from monitor.sources.kafka_records import Message
from monitor.sources.kafka_refused import TRIES, Failures, RefusedBatch, lost_reason, place, refused_reason

BATCH = 131_072  # records of one poll at most, and about as many readings where a record holds several
BYTES = 2**23  # of the records of one poll, but for the last `FIRST`
PIECE = 8_192  # records that are fetched at once: they are decoded while they are in the processor's cache
FIRST = 64  # records that are taken at first, before bytes are counted; then up to as many as there are
_FIXED: dict[str, Any] = {
    "enable.auto.commit": "false",
    "enable.auto.offset.store": "false",
    "auto.offset.reset": "error",  # never a silent jump
    "enable.partition.eof": "true",
    "logger": logging.getLogger("librdkafka"),  # instead of standard error
}
_END = KafkaError._PARTITION_EOF  # noqa: SLF001 (public codes of librdkafka's own begin with an underscore)
_LOST = {KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET, KafkaError._LOG_TRUNCATION}  # noqa: SLF001
_UNKNOWN = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION}  # noqa: SLF001
_REFUSED = {
    KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED,  # noqa: SLF001
    KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED,
}  # fmt: skip
_LOG_REPEAT_S = 30.0  # seconds until the same error is logged again
Reached = dict[batches.TopicPartition, int]  # end offset of each partition whose end was reached

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


class Reader:
    """A consumer that turns librdkafka's events into messages, ends of partitions, log lines and SourceErrors.

    What it returns at once is bounded in messages and in bytes. `exact`: records that are gone are always an error.
    """

    def __init__(self, kafka: services.Kafka, extra: Mapping[str, Any], *, exact: bool = False) -> None:
        self._config = options_of(kafka) | _FIXED | dict(extra)
        with refusing(kafka):
            self.consumer = Consumer(self._config | {"error_cb": self._on_error})
        self.failure: MonitorError | None = None  # from a callback; raised by the next `read`
        self.gaps: list[batches.Gap] = []  # found since they were last taken
        self._may_skip = kafka.on_gap == "record"
        self._exact = exact
        self._failures = Failures()
        self._servers = kafka.bootstrap_servers
        self._logged: dict[tuple[str, str], float] = {}
        self.fetched = self.size = 0  # messages and bytes of the last `read`
        self._each = 1.0  # readings that a message has held lately

    def adapt_fetch_size(self, messages: int, readings: int) -> None:
        """Count the next pieces in readings, as the last `messages` held so many `readings`."""
        if messages:
            self._each = max(1.0, readings / messages, self._each / 2)  # one small message says little of the next

    def pieces(self, timeout: float) -> Iterator[tuple[list[Message], Reached]]:
        """What has arrived, as `read` returns it, until no more is there or a batch is full; one piece at least."""
        room, size, more = float(BATCH), BYTES, True  # readings and bytes
        while more:
            yield self.read(timeout, most := max(1, int(min(PIECE, room) / self._each)), size)
            timeout, room, size = 0, room - self.fetched * self._each, size - self.size
            more = self.fetched >= most and room >= self._each and size > 0

    def read(self, timeout: float, most: int = PIECE, size: int = BYTES) -> tuple[list[Message], Reached]:
        """Up to `most` messages that have arrived, of about `size` bytes, and the end offsets that were reached."""
        try:
            found = self._fetch(timeout, most, size)
        except KafkaException as error:
            raise SourceError(f"Kafka at {self._servers}: {sentence(error)}") from None
        if self.failure is not None:
            raise self.failure
        ends: Reached = {}
        if not any(map(KafkaMessage.error, found)):
            self._failures.delivered(messages := cast("list[Message]", found))
            return messages, ends
        messages = []
        for message in cast("list[Message]", found):
            if (code := message.error()) is None:
                messages.append(message)
            elif code.code() == _END:
                ends[message.topic(), message.partition()] = message.offset()
            elif code.code() in _LOST:
                self._skip_lost(message, code)
            elif (trouble := self._trouble(code, message.topic() or "")) is not None:
                raise trouble
            elif self._failures.at_record(message, code):
                self._skip_refused(message, code)
        self._failures.delivered(messages)
        return messages, ends

    def _fetch(self, timeout: float, most: int, room: int) -> list[KafkaMessage]:
        """What has arrived, of about `room` bytes together: a batch may unpack to a thousand times its size."""
        first = self.consumer.poll(timeout)
        found = [] if first is None else [first]
        size = sum(map(len, found))
        while found and len(found) < most and size < room:
            fit = (room - size) * len(found) // max(size, 1)
            piece = self.consumer.consume(min(max(fit, 1), max(FIRST, len(found)), most - len(found)), 0)
            if not piece:
                break
            found += piece
            size += sum(map(len, piece))
        self.fetched, self.size = len(found), size
        return found

    def _on_error(self, error: KafkaError) -> None:
        self.failure = self.failure or self._trouble(error, "")
        if error.code() == KafkaError._BAD_MSG and self._failures.note(("", 0), 0):  # noqa: SLF001
            self.failure = self.failure or SourceError(
                f"Kafka at {self._servers}: {error.str()}: {TRIES} times; it holds up {self._places()}. Set "
                'kafka.options."receive.message.max.bytes" higher, above the max.message.bytes of the topic'
            )

    def _places(self) -> str:
        """The next offset of each partition, for a person."""
        found = self.consumer.position(self.consumer.assignment())
        return ", ".join(f"topic {p.topic}, partition {p.partition}, offset {max(p.offset, 0)}" for p in found[:8])

    def _trouble(self, error: KafkaError, topic: str) -> SourceError | None:
        """The error to raise, or None after logging what librdkafka gets over by itself."""
        if error.fatal() or error.code() in _REFUSED:
            return SourceError(f"Kafka at {self._servers}: {error.str()}")
        now = time.monotonic()
        if now - self._logged.get((error.name(), topic), -_LOG_REPEAT_S) >= _LOG_REPEAT_S:
            self._logged[error.name(), topic] = now
            facts = {"servers": self._servers, "topic": topic, "error": error.str(), "note": "still trying"}
            log.warning("kafka_topic_missing" if error.code() in _UNKNOWN else "kafka_trouble", **facts)
        return None

    def _skip_lost(self, message: Message, error: KafkaError) -> None:
        """The broker does not have the record that comes next: fail, or write down what is gone and go on behind it."""
        partition, offset = (message.topic(), message.partition()), message.offset()
        try:
            low, high = self.consumer.get_watermark_offsets(TopicPartition(*partition), timeout=10)
        except KafkaException:
            raise SourceError(
                f"{place(partition)}: the record at offset {offset} is not there: {error.str()}"
            ) from None
        self._skip(partition, offset, low, lost_reason(offset, low, high), may=self._may_skip and not self._exact)

    def _skip_refused(self, message: Message, error: KafkaError) -> None:
        """The same for records that are there, but that the client fails to read each time."""
        partition = message.topic(), message.partition()
        try:
            low, high = self.consumer.get_watermark_offsets(TopicPartition(*partition), timeout=10)
            assigned = next(p for p in self.consumer.assignment() if (p.topic, p.partition) == partition)
            (at,) = self.consumer.position([assigned])
        except (KafkaException, StopIteration):
            return  # no broker answers, or another worker reads the partition: nothing is wrong with the record
        start = max(message.offset(), low, at.offset if at.offset >= 0 else assigned.offset)
        if start < high:
            end = RefusedBatch(self._config, partition, message.offset()).end(start, high)
            self._skip(partition, start, end, refused_reason(start, end, error.str()), may=self._may_skip)

    def _skip(self, partition: batches.TopicPartition, start: int, end: int, reason: str, *, may: bool) -> None:
        """Fail, or write down that the records from `start` on are not read, and go on at `end`."""
        if not may:
            raise SourceError(f'{place(partition)}: {reason}; kafka.on_gap = "record" writes this down and goes on')
        try:
            self.consumer.incremental_unassign([TopicPartition(*partition)])  # it has stopped: no seek revives it
            self.consumer.incremental_assign([TopicPartition(*partition, end)])
        except KafkaException as error:
            raise SourceError(f"{place(partition)}: {reason}: {sentence(error)}") from None
        self._failures.forget([partition])
        topic, number = partition
        log.error("records_lost", topic=topic, partition=number, reason=reason)
        self.gaps.append(batches.Gap(topic=topic, partition=number, start=start, end=end, reason=reason))


def check_options(kafka: services.Kafka) -> None:
    """Raise SettingsError for options that librdkafka does not know or take; connects to no broker."""
    nowhere = kafka.model_copy(update={"bootstrap_servers": ""})
    Reader(nowhere, {"group.id": kafka.group}).consumer.close()
    admin_client(nowhere)
    producer(nowhere, {})
