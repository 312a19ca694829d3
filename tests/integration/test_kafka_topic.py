"""Alerts on a real Kafka topic: CloudEvents in the order of each alert, and only what a broker has confirmed counts."""

from __future__ import annotations

import json
from uuid import UUID

import pytest

from monitor.config.notifiers import KafkaNotifier
from monitor.errors import NotifyError
from monitor.notify.kafka_topic import KafkaTopic
from tests.contract.test_notifiers import make_delivery
from tests.integration.broker import KafkaBroker
from tests.topics import read_topic

pytestmark = pytest.mark.kafka


def notifier(broker: KafkaBroker, topic: str, timeout: int = 30) -> KafkaTopic:
    return KafkaTopic(
        KafkaNotifier(kind="kafka", topic=topic, bootstrap_servers=broker.bootstrap_servers, timeout=timeout * 10**9),
        {},
    )


def test_changes_of_an_alert_are_cloud_events_of_one_partition(kafka: KafkaBroker) -> None:
    topic = kafka.topic(partitions=4)
    made, deliveries = notifier(kafka, topic), [make_delivery(number) for number in range(10)]

    for delivery in deliveries:
        assert made.send(delivery).startswith("partition ")

    records = read_topic(kafka.bootstrap_servers, topic)
    assert len({record.partition for record in records}) == 1
    assert {record.key for record in records} == {str(deliveries[0].alert).encode()}
    assert {record.headers["content-type"] for record in records} == {b"application/cloudevents+json; charset=UTF-8"}
    events = [json.loads(record.value) for record in records]
    assert [UUID(event["id"]) for event in events] == [delivery.message for delivery in deliveries]
    first = events[0]
    assert first["data"] == json.loads(deliveries[0].payload)["data"]
    assert {name: first[name] for name in ("specversion", "type", "subject", "time", "datacontenttype")} == {
        "specversion": "1.0",
        "type": "io.watchkeeper.alert.opened.v1",
        "subject": "m-17",
        "time": "1970-01-01T00:00:02Z",
        "datacontenttype": "application/json",
    }


def test_what_no_broker_has_confirmed_is_not_delivered(kafka: KafkaBroker) -> None:
    """And the same notifier works again once the broker is back."""
    topic = kafka.topic()
    made, quick = notifier(kafka, topic, timeout=60), notifier(kafka, topic, timeout=2)
    quick.send(make_delivery(0))
    kafka.kill()
    try:
        with pytest.raises(NotifyError, match=f"kafka topic {topic}"):
            quick.send(make_delivery(1))
    finally:
        kafka.restart()

    made.send(make_delivery(2))
    quick_again = notifier(kafka, topic, timeout=60)
    quick_again.send(make_delivery(3))
    found = {json.loads(record.value)["data"]["number"] for record in read_topic(kafka.bootstrap_servers, topic)}
    assert {0, 2, 3} <= found


def test_a_topic_that_is_missing_and_not_made_is_an_error(kafka: KafkaBroker) -> None:
    settings = KafkaNotifier(
        kind="kafka", topic="absent", bootstrap_servers=kafka.bootstrap_servers, timeout=5 * 10**9,
        options={"allow.auto.create.topics": False},
    )  # fmt: skip
    with pytest.raises(NotifyError, match="kafka topic absent"):
        KafkaTopic(settings, {}).send(make_delivery())
