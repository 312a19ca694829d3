"""Whether the broker answers, has the topics, and lets this user read them in its group; asked by `check --connect`."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AclOperation  # type: ignore[attr-defined]  # not in its __all__

from monitor.config import services
from monitor.errors import SourceError
from monitor.sources.kafka_client import admin_client, sentence, wait_for_broker
from monitor.sources.kafka_topics import no_topic, partitions

_ANSWER_S = 5.0
_UNSUPPORTED = {
    KafkaError._UNSUPPORTED_FEATURE,  # noqa: SLF001 (public codes of librdkafka's own begin with an underscore)
    KafkaError._TIMED_OUT,  # noqa: SLF001 (an embedded broker has no controller to ask)
    KafkaError.UNSUPPORTED_VERSION,
}


def broker(kafka: services.Kafka) -> str:
    """Raises SourceError when none answers."""
    wait_for_broker(kafka, _ANSWER_S)
    count = len(admin_client(kafka).list_topics(timeout=_ANSWER_S).brokers)
    return f"{count} broker{'s'[: count != 1]} answer{'s'[: count == 1]}"


def topic(kafka: services.Kafka, name: str) -> str:
    """How many partitions it has. Raises SourceError where it is missing, or may not be read."""
    known = partitions(kafka)
    if known is None:
        return "an embedded broker makes it when it is named"
    if name not in known:
        raise SourceError(no_topic(kafka, [name]))
    admin = admin_client(kafka)  # it must outlive the answer
    asked = admin.describe_topics(
        TopicCollection([name]), include_authorized_operations=True, request_timeout=_ANSWER_S
    )
    may = _operations(asked[name])
    _require_read(may, f"topic {name}")
    return f"{known[name]} partition{'s'[: known[name] != 1]}" + (", may be read" if may else "")


def target(kafka: services.Kafka, name: str) -> str:
    """How many partitions a topic to publish to has. Raises SourceError where it is missing, or may not be written."""
    known = partitions(kafka)
    if known is None:
        return "an embedded broker makes it when it is named"
    if name not in known:
        raise SourceError(no_topic(kafka, [name]))
    admin = admin_client(kafka)  # it must outlive the answer
    asked = admin.describe_topics(
        TopicCollection([name]), include_authorized_operations=True, request_timeout=_ANSWER_S
    )
    may = _operations(asked[name])
    if may and not may & {AclOperation.WRITE, AclOperation.ALL}:
        raise SourceError(f"this user may not write topic {name}; grant it: kafka-acls.sh --add --operation Write")
    return f"{known[name]} partition{'s'[: known[name] != 1]}" + (", may be written" if may else "")


def group(kafka: services.Kafka) -> str:
    """Whether this user may join it. Raises SourceError where not, or where no broker answers."""
    admin = admin_client(kafka)  # it must outlive the answer
    asked = admin.describe_consumer_groups([kafka.group], include_authorized_operations=True, request_timeout=_ANSWER_S)
    may = _operations(asked[kafka.group])
    _require_read(may, f"group {kafka.group}")
    return "may be joined" if may else "the broker does not say who may join it"


def _operations(asked: Future[Any]) -> set[AclOperation]:
    """What this user may do; nothing where the broker does not say. Raises SourceError where it refuses to answer."""
    try:
        return set(asked.result(2 * _ANSWER_S).authorized_operations or ())
    except KafkaException as error:
        if error.args[0].code() in _UNSUPPORTED:
            return set()
        raise SourceError(f"{sentence(error)}; let this user describe and read it (kafka-acls.sh)") from None


def _require_read(may: set[AclOperation], what: str) -> None:
    if may and not may & {AclOperation.READ, AclOperation.ALL}:
        raise SourceError(f"this user may not read {what}; grant it: kafka-acls.sh --add --operation Read")
