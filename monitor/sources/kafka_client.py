"""What all clients of Kafka here share: options and errors; and small administrative calls."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from monitor.config import services
from monitor.errors import SettingsError, SourceError

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
MOCK = "mockCluster"  # how the embedded cluster's id begins


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
    with refusing(kafka):
        return AdminClient(options_of(kafka, defaults=False))


def producer(kafka: services.Kafka, extra: Mapping[str, Any]) -> Producer:
    """A client that sends, with these options of librdkafka besides. Raises SettingsError."""
    with refusing(kafka):
        return Producer(options_of(kafka, defaults=False) | dict(extra))


def options_of(kafka: services.Kafka, *, defaults: bool = True) -> dict[str, Any]:
    """What a client is made with: the settings' options, over what suits Watchkeeper. Raises SettingsError."""
    problems = [f"{name} cannot be set: {why}" for name, why in OWNED.items() if name in kafka.options]
    for name, (value, why) in _ONLY.items():
        if (other := kafka.options.get(name, value)) != value:
            problems.append(f'{name} = "{other}" cannot be set, only "{value}": {why}')
    if problems:
        raise SettingsError("kafka.options: " + "; ".join(problems), problems)
    given = {name: str(value).lower() if isinstance(value, bool) else value for name, value in kafka.options.items()}
    return _QUIET | {"bootstrap.servers": kafka.bootstrap_servers} | (_DEFAULTS if defaults else {}) | given


@contextmanager
def refusing(kafka: services.Kafka) -> Iterator[None]:
    """Turn what librdkafka says of options, when a client is made, into a SettingsError."""
    try:
        yield
    except (KafkaException, TypeError, ValueError) as error:
        raise SettingsError(f"kafka.options: {kafka.hide(sentence(error))}") from None


def sentence(error: Exception) -> str:
    """What librdkafka says, without its codes."""
    cause = error.args[0] if error.args else error
    return str(cause.str()) if isinstance(cause, KafkaError) else str(error)
