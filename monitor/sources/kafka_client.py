"""What every Kafka reader here shares: options, errors, messages to columns; and small administrative calls."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol, cast

import numpy as np
import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka import Message as KafkaMessage
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from monitor.config import services
from monitor.errors import MonitorError, SettingsError, SourceError
from monitor.records import batches
from monitor.sources.decode import Decoder, Records

BATCH = 32_768  # records of one poll at most, and about as many readings where a record holds several
BROKERS_CHOICE = -1  # as a number of partitions: the broker's `num.partitions`
Decoders = Mapping[str, tuple[str, Decoder]]  # topic -> (family, how its messages are read)

OWNED = {  # what Watchkeeper's promises rest on
    "auto.offset.reset": "the start is the offset in SQL, or the oldest record",
    "bootstrap.servers": "set kafka.bootstrap_servers",
    "default.topic.config": "give its options without a table",
    "enable.auto.commit": "offsets live in SQL, with the scores",
    "enable.auto.offset.store": "offsets live in SQL, with the scores",
    "enable.partition.eof": "stream health needs it",
    "error_cb": "it is a Python function",
    "group.id": "set kafka.group",
    "logger": "it is a Python object",
    "metadata.broker.list": "set kafka.bootstrap_servers",
    "partition.assignment.strategy": "state moves with single partitions (cooperative-sticky)",
    "test.mock.num.brokers": 'set kafka.bootstrap_servers = "embedded"',
}
_QUIET = {"log_level": 2}  # `Reader` logs once what librdkafka would repeat
_DEFAULTS = {
    "fetch.queue.backoff.ms": 10,  # librdkafka's 1000 stops fetching for a second whenever its queue is full
    "queued.max.messages.kbytes": 32_768,
    "topic.metadata.refresh.interval.ms": 10_000,  # how soon a topic that is created later is seen
}
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
MOCK = "mockCluster"  # how the embedded cluster's id begins

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


class Message(Protocol):
    """A message of confluent-kafka as it arrives from a consumer: topic, partition and offset are always there."""

    def topic(self) -> str: ...  # noqa: D102
    def partition(self) -> int: ...  # noqa: D102
    def offset(self) -> int: ...  # noqa: D102
    def key(self) -> bytes | None: ...  # noqa: D102
    def value(self) -> bytes | None: ...  # noqa: D102
    def timestamp(self) -> tuple[int, int]: ...  # noqa: D102
    def error(self) -> KafkaError | None: ...  # noqa: D102


class Reader:
    """A consumer that turns librdkafka's events into messages, ends of partitions, log lines and SourceErrors."""

    def __init__(self, kafka: services.Kafka, extra: Mapping[str, Any]) -> None:
        config = _options(kafka) | _FIXED | dict(extra) | {"error_cb": self._on_error}
        with _refusing(kafka):
            self.consumer = Consumer(config)
        self.failure: MonitorError | None = None  # from a callback; raised by the next `read`
        self.gaps: list[batches.Gap] = []  # found since they were last taken
        self._may_skip = kafka.on_gap == "record"
        self._servers = kafka.bootstrap_servers
        self._logged: dict[tuple[str, str], float] = {}
        self._each = 1.0  # readings that a message has held lately

    def adapt_fetch_size(self, messages: int, readings: int) -> None:
        """Limit the next fetch to about one batch of readings, as the last `messages` held so many `readings`."""
        if messages:
            self._each = max(1.0, readings / messages, self._each / 2)  # one small message says little of the next

    def read(self, timeout: float) -> tuple[list[Message], dict[batches.TopicPartition, int]]:
        """Messages that have arrived, and the end offset of each partition whose end was reached."""
        try:
            first = self.consumer.poll(timeout)
            found = [] if first is None else [first, *self.consumer.consume(max(1, int(BATCH / self._each)) - 1, 0)]
        except KafkaException as error:
            raise SourceError(f"Kafka at {self._servers}: {sentence(error)}") from None
        if self.failure is not None:
            raise self.failure
        ends: dict[batches.TopicPartition, int] = {}
        if not any(map(KafkaMessage.error, found)):
            return cast("list[Message]", found), ends
        messages: list[Message] = []
        for message in cast("list[Message]", found):
            if (code := message.error()) is None:
                messages.append(message)
            elif code.code() == _END:
                ends[message.topic(), message.partition()] = message.offset()
            elif code.code() in _LOST:
                self._skip(message, code)
            elif (trouble := self._trouble(code, message.topic() or "")) is not None:
                raise trouble
        return messages, ends

    def _on_error(self, error: KafkaError) -> None:
        self.failure = self.failure or self._trouble(error, "")

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

    def _skip(self, message: Message, error: KafkaError) -> None:
        """The broker does not have the record that comes next: fail, or write down what is gone and go on behind it."""
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        where = f"topic {topic}, partition {partition}"
        try:
            low, high = self.consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
            reason = _reason(offset, low, high)
            if not self._may_skip:
                raise SourceError(f'{where}: {reason}; kafka.on_gap = "record" writes this down and goes on')
            self.consumer.incremental_unassign([TopicPartition(topic, partition)])  # it has stopped: no seek revives it
            self.consumer.incremental_assign([TopicPartition(topic, partition, low)])
        except KafkaException:
            raise SourceError(f"{where}: the record at offset {offset} is not there: {error.str()}") from None
        log.error("records_lost", topic=topic, partition=partition, reason=reason)
        self.gaps.append(batches.Gap(topic=topic, partition=partition, start=offset, end=low, reason=reason))


def _reason(offset: int, low: int, high: int) -> str:
    if offset < low:
        return (
            f"{low - offset} records were lost: offsets {offset} to {low - 1} were deleted by the broker "
            "before they were read; let it keep more (retention.ms, retention.bytes), or read faster"
        )
    return (
        f"the next offset to read is {offset}, but the topic ends at {high}: records were lost by the "
        "broker, or the topic was deleted and recreated"
    )


def decode(
    messages: Sequence[Message], decoders: Decoders
) -> tuple[dict[str, batches.Readings], list[batches.DeadLetter], dict[batches.TopicPartition, int]]:
    """Readings by family, dead letters, and the next offset of each partition that the messages came from."""
    readings: dict[str, batches.Readings] = {}
    dead: list[batches.DeadLetter] = []
    positions: dict[batches.TopicPartition, int] = {}
    for topic, chosen in _by_topic(messages, decoders):
        family, decoder = decoders[topic]
        batch = _columns(topic, chosen)
        found, bad = decoder.decode(batch)
        if len(found):
            readings[family] = found
        dead += bad
        for number in np.flatnonzero(np.bincount(batch.partition)).tolist():
            positions[topic, number] = int(batch.offset[batch.partition == number][-1]) + 1
    return readings, dead, positions


def _by_topic(messages: Sequence[Message], decoders: Decoders) -> Iterator[tuple[str, Sequence[Message]]]:
    if len(decoders) == 1:
        yield from ((topic, messages) for topic in decoders if messages)
        return
    topics = [message.topic() for message in messages]
    for topic in dict.fromkeys(topics):
        yield topic, [message for message, of in zip(messages, topics, strict=True) if of == topic]


def _columns(topic: str, messages: Sequence[Any]) -> Records:
    """No Python code runs per message here: `map` calls straight into confluent-kafka."""
    count = len(messages)
    return Records(
        topic=topic,
        keys=list(map(KafkaMessage.key, messages)),
        values=list(map(KafkaMessage.value, messages)),
        partition=np.fromiter(map(KafkaMessage.partition, messages), np.int32, count),
        offset=np.fromiter(map(KafkaMessage.offset, messages), np.int64, count),
        stamps=partial(_stamps, messages),
    )


def _stamps(messages: Iterable[Message]) -> list[int]:
    """Kafka's timestamps in ms; -1 where a message has none."""
    return [message.timestamp()[1] for message in messages]  # librdkafka says -1 for none


def wait_for_broker(kafka: services.Kafka, timeout: float) -> None:
    """Return when a broker answers. Raises SourceError after `timeout` seconds."""
    admin, deadline = admin_client(kafka), time.monotonic() + timeout
    while True:
        try:
            admin.list_topics(timeout=max(0.1, min(2.0, deadline - time.monotonic())))
        except KafkaException as error:
            if time.monotonic() >= deadline:
                raise SourceError(
                    f"no Kafka broker answers at {kafka.bootstrap_servers}: {sentence(error)}; is it running?"
                ) from None
        else:
            return


def ensure_topic(kafka: services.Kafka, topic: str, partitions: int = 1) -> int:
    """Create the topic where it is missing, and return how many partitions it has (the embedded broker decides).

    One replica, or what `default.replication.factor` of the broker says. Raises SourceError.
    """
    admin = admin_client(kafka)
    try:
        known = admin.list_topics(timeout=10)
        if topic not in known.topics and not is_embedded(known):
            admin.create_topics([NewTopic(topic, partitions, -1)])[topic].result(30)
        return _settled(lambda: admin.list_topics(topic, timeout=10).topics[topic])
    except KafkaException as error:
        if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
            return _settled(lambda: admin.list_topics(topic, timeout=10).topics[topic])
        raise SourceError(f"topic {topic} cannot be made at {kafka.bootstrap_servers}: {sentence(error)}") from None


def is_embedded(known: Any) -> bool:
    """Whether the answer of `list_topics` is an embedded broker's."""
    return str(known.cluster_id).startswith(MOCK)


def _settled(look: Callable[[], Any]) -> int:
    """Partitions of a topic, once each of them has a leader."""
    deadline = time.monotonic() + 10
    while True:
        found = look()
        if found.error is None and found.partitions and all(p.leader >= 0 for p in found.partitions.values()):
            return len(found.partitions)
        if time.monotonic() > deadline:
            raise SourceError(f"topic {found.topic} was made, but no broker leads it after 10 s")
        time.sleep(0.05)


def admin_client(kafka: services.Kafka) -> AdminClient:
    """A client for questions about topics, partitions and offsets. Raises SettingsError."""
    with _refusing(kafka):
        return AdminClient(_options(kafka, defaults=False))


def producer(kafka: services.Kafka, extra: Mapping[str, Any]) -> Producer:
    """A client that sends, with these options of librdkafka besides. Raises SettingsError."""
    with _refusing(kafka):
        return Producer(_options(kafka, defaults=False) | dict(extra))


def check_options(kafka: services.Kafka) -> None:
    """Raise SettingsError for options that librdkafka does not know or take; connects to no broker."""
    nowhere = kafka.model_copy(update={"bootstrap_servers": ""})
    Reader(nowhere, {"group.id": kafka.group}).consumer.close()
    admin_client(nowhere)
    producer(nowhere, {})


def _options(kafka: services.Kafka, *, defaults: bool = True) -> dict[str, Any]:
    problems = [f"{name} cannot be set: {why}" for name, why in OWNED.items() if name in kafka.options]
    if problems:
        raise SettingsError("kafka.options: " + "; ".join(problems), problems)
    given = {name: str(value).lower() if isinstance(value, bool) else value for name, value in kafka.options.items()}
    return _QUIET | {"bootstrap.servers": kafka.bootstrap_servers} | (_DEFAULTS if defaults else {}) | given


@contextmanager
def _refusing(kafka: services.Kafka) -> Iterator[None]:
    try:
        yield
    except (KafkaException, TypeError, ValueError) as error:
        raise SettingsError(f"kafka.options: {kafka.hide(sentence(error))}") from None


def sentence(error: Exception) -> str:
    """What librdkafka says, without its codes."""
    cause = error.args[0] if error.args else error
    return str(cause.str()) if isinstance(cause, KafkaError) else str(error)
