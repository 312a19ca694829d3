"""Whether the broker answers and has the topics: asked before a bounded run, which would otherwise wait for ever."""

from __future__ import annotations

from collections.abc import Iterable

from confluent_kafka import KafkaException

from monitor.config import services
from monitor.errors import SourceError
from monitor.sources.kafka_client import MOCK, admin_client, sentence, wait_for_broker

_ANSWER_S = 10.0


def require_topics(kafka: services.Kafka, topics: Iterable[str], timeout: float) -> None:
    """Return when a broker answers and has the topics.

    Raises SourceError after `timeout` seconds without an answer, or for topics that are missing.
    """
    wait_for_broker(kafka, timeout)
    if missing := missing_topics(kafka, topics):
        raise SourceError(no_topic(kafka, missing))


def missing_topics(kafka: services.Kafka, topics: Iterable[str]) -> list[str]:
    """Those of `topics` that the broker lacks; an embedded one makes them as they are named. Raises SourceError."""
    known = partitions(kafka)
    return [] if known is None else [topic for topic in topics if topic not in known]


def partitions(kafka: services.Kafka) -> dict[str, int] | None:
    """Number of partitions of every topic; None for an embedded broker, which makes them as they are named."""
    try:
        found = admin_client(kafka).list_topics(timeout=_ANSWER_S)
    except KafkaException as error:
        raise SourceError(f"no Kafka broker answers at {kafka.bootstrap_servers}: {sentence(error)}") from None
    if str(found.cluster_id).startswith(MOCK):
        return None
    return {name: len(topic.partitions) for name, topic in found.topics.items() if topic.error is None}


def no_topic(kafka: services.Kafka, missing: Iterable[str]) -> str:
    """That topics are missing, and how to make them."""
    names = ", ".join(missing)
    return (
        f"Kafka at {kafka.bootstrap_servers} has no topic {names}; correct the name in the configuration, or make it: "
        "`watchkeeper publish` does that, or kafka-topics.sh --create"
    )
