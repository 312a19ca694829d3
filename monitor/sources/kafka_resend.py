"""Puts kept records into Kafka once more: to their own partition, with their key and their time."""

from __future__ import annotations

from collections.abc import Sequence

from confluent_kafka import KafkaError, KafkaException, Message

from monitor.config import services
from monitor.errors import SourceError
from monitor.records.batches import DeadLetter
from monitor.sources.kafka_client import producer, sentence

_SAFE = {"enable.idempotence": True, "message.timeout.ms": 30_000}
_NO_TIME = 0  # librdkafka: now


class Resender:
    """A producer for kept records. Raises SettingsError for options that the Kafka client does not take."""

    def __init__(self, kafka: services.Kafka) -> None:
        self._servers = kafka.bootstrap_servers
        self._producer = producer(kafka, _SAFE)

    def send(self, records: Sequence[DeadLetter]) -> None:
        """Send records and wait until the brokers have confirmed all. Raises SourceError: some may be there then."""
        errors: list[KafkaError] = []

        def delivered(error: KafkaError | None, _message: Message) -> None:
            if error is not None:
                errors.append(error)

        for record in records:
            milliseconds = _NO_TIME if record.time is None else record.time // 10**6
            try:
                self._producer.produce(
                    record.topic, record.body, record.key, partition=record.partition,
                    on_delivery=delivered, timestamp=milliseconds,
                )  # fmt: skip
            except (KafkaException, BufferError) as error:
                raise SourceError(f"Kafka at {self._servers}: {sentence(error)}") from None
            self._producer.poll(0)
        left = self._producer.flush(60)
        if errors or left:
            what = errors[0].str() if errors else f"{left} records were not confirmed within 60 s"
            raise SourceError(f"Kafka at {self._servers}: {what}")
