"""What every Kafka reader here shares: options and errors; and small administrative calls."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka import Message as KafkaMessage
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from monitor.config import services
from monitor.errors import MonitorError, SettingsError, SourceError
from monitor.records import batches
from monitor.sources.kafka_records import Message
from monitor.sources.kafka_refused import TRIES, Failures, RefusedBatch, lost_reason, place, refused_reason

BATCH = 32_768  # records of one poll at most, and about as many readings where a record holds several
BYTES = 2**23  # of the records of one poll, but for the last `PIECE`
PIECE = 64  # records that are taken at first, before bytes are counted; then up to as many as there are
BROKERS_CHOICE = -1  # as a number of partitions: the broker's `num.partitions`

OWNED = {  # what Watchkeeper's promises rest on
    "auto.commit.enable": "offsets live in SQL, with the scores",
    "auto.offset.reset": "the start is the offset in SQL, or the oldest record",
    "bootstrap.servers": "set kafka.bootstrap_servers",
    "default.topic.config": "give its options without a table",
    "enable.auto.commit": "offsets live in SQL, with the scores",
    "enable.auto.offset.store": "offsets live in SQL, with the scores",
    "enable.partition.eof": "stream health needs it",
    "error_cb": "it is a Python function",
    "group.id": "set kafka.group",
    "group.remote.assignor": "state moves with single partitions (cooperative-sticky)",
    "logger": "it is a Python object",
    "metadata.broker.list": "set kafka.bootstrap_servers",
    "offset.store.method": "offsets live in SQL, with the scores",
    "partition.assignment.strategy": "state moves with single partitions (cooperative-sticky)",
    "test.mock.num.brokers": 'set kafka.bootstrap_servers = "embedded"',
    "topic.blacklist": "the topics are those of the families",
    "transactional.id": "nothing is sent in transactions",
}
_ONLY = {  # the value it may have, and why no other
    "group.protocol": ("classic", "state moves with single partitions (cooperative-sticky)"),
    "isolation.level": ("read_committed", "records of transactions that were aborted would be counted"),
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


class Reader:
    """A consumer that turns librdkafka's events into messages, ends of partitions, log lines and SourceErrors.

    What it returns at once is bounded in messages and in bytes. `exact`: records that are gone are always an error.
    """

    def __init__(self, kafka: services.Kafka, extra: Mapping[str, Any], *, exact: bool = False) -> None:
        self._config = _options(kafka) | _FIXED | dict(extra)
        with _refusing(kafka):
            self.consumer = Consumer(self._config | {"error_cb": self._on_error})
        self.failure: MonitorError | None = None  # from a callback; raised by the next `read`
        self.gaps: list[batches.Gap] = []  # found since they were last taken
        self._may_skip = kafka.on_gap == "record"
        self._exact = exact
        self._failures = Failures()
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
            found = self._fetch(timeout)
        except KafkaException as error:
            raise SourceError(f"Kafka at {self._servers}: {sentence(error)}") from None
        if self.failure is not None:
            raise self.failure
        ends: dict[batches.TopicPartition, int] = {}
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

    def _fetch(self, timeout: float) -> list[KafkaMessage]:
        """What has arrived, in messages of about `BYTES` together: a batch may unpack to a thousand times its size."""
        first = self.consumer.poll(timeout)
        found = [] if first is None else [first]
        size, most = sum(map(len, found)), max(1, int(BATCH / self._each))
        while found and len(found) < most and size < BYTES:
            fit = (BYTES - size) * len(found) // max(size, 1)
            piece = self.consumer.consume(min(max(fit, 1), max(PIECE, len(found)), most - len(found)), 0)
            if not piece:
                break
            found += piece
            size += sum(map(len, piece))
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
    for name, (value, why) in _ONLY.items():
        if (other := kafka.options.get(name, value)) != value:
            problems.append(f'{name} = "{other}" cannot be set, only "{value}": {why}')
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
