"""A Kafka topic: each change of an alert is a record with a CloudEvents 1.0 envelope, as JSON in structured mode.

The key is the alert's id, so that one partition holds all of an alert in its order. A record counts as delivered when
every replica that is in sync has it. Brokers are connected to by librdkafka, as those of `[kafka]` are: the guard that
keeps HTTP out of private networks does not apply to a broker, which nearly always is in one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from monitor.config.addresses import EMBEDDED
from monitor.config.notifiers import KafkaNotifier
from monitor.config.secrets import hidden, secret_options
from monitor.errors import NotifyError, SettingsError
from monitor.notify.message import message_of
from monitor.records.alerts import Delivery
from monitor.records.escapes import dumps, safe_json

if TYPE_CHECKING:  # slow to import, and `check` sends nothing
    from confluent_kafka import KafkaError, Producer

SCHEMA = "urn:watchkeeper:alert-message:v1#/properties/data"
_HEADERS: dict[str, str | bytes | None] = {"content-type": b"application/cloudevents+json; charset=UTF-8"}
_POLL_S = 0.05


class KafkaTopic:
    """Publishes each delivery once, and waits for the broker. Raises SettingsError for options that are not known."""

    def __init__(self, settings: KafkaNotifier, _environ: Mapping[str, str]) -> None:
        if not settings.bootstrap_servers:
            raise SettingsError("bootstrap_servers is missing, and [kafka] names none either")
        self._settings = settings
        self.timeout = settings.timeout / 1e9
        self._producer: Producer | None = None
        self._lock = threading.Lock()
        if settings.options:
            self._open("")  # nothing is connected to

    def __repr__(self) -> str:
        return f"kafka topic {self._settings.topic} at {self._settings.bootstrap_servers}"

    def send(self, delivery: Delivery) -> str:
        """Publish, and return where the broker keeps it. Raises NotifyError unless it has it within the timeout."""
        from confluent_kafka import KafkaException

        if self._settings.bootstrap_servers == EMBEDDED:
            raise NotifyError(f"{self!r}: the embedded broker runs inside a worker, and no worker is here")
        said: list[tuple[KafkaError | None, str]] = []

        def on_delivery(error: KafkaError | None, record: Any) -> None:
            said.append((error, f"partition {record.partition()}, offset {record.offset()}"))

        value, producer = self._envelope(delivery), self._opened()
        try:
            producer.produce(
                self._settings.topic, value.encode(), str(delivery.alert).encode(), headers=_HEADERS,
                on_delivery=on_delivery,
            )  # fmt: skip
            deadline = time.monotonic() + self.timeout
            while not said and time.monotonic() < deadline:
                producer.poll(_POLL_S)
        except (KafkaException, BufferError) as error:
            raise self._failure(error.args[0] if isinstance(error, KafkaException) else error) from None
        if not said:
            raise NotifyError(f"{self!r}: no broker has confirmed it within {self.timeout:g} s")
        ((problem, place),) = said
        if problem is not None:
            raise self._failure(problem)
        return place

    def preview(self, delivery: Delivery) -> str:
        """The record's value; its key is the alert's id."""
        return dumps(msgspec.json.decode(self._envelope(delivery)), indent=2)

    def _envelope(self, delivery: Delivery) -> str:
        message = message_of(delivery)
        data = message.data
        event = {
            "specversion": "1.0",
            "id": str(delivery.message),
            "source": f"/watchkeeper/{data.get('store', '')}",
            "type": f"io.watchkeeper.{message.type}.v1",
            "subject": data.get("stream") or data.get("family") or "",
            "time": message.timestamp,
            "datacontenttype": "application/json",
            "dataschema": SCHEMA,
            "data": data,
        }
        return safe_json(msgspec.json.encode(event).decode())

    def _opened(self) -> Producer:
        with self._lock:
            if self._producer is None:
                self._producer = self._open(self._settings.bootstrap_servers)
            return self._producer

    def _open(self, servers: str) -> Producer:
        from confluent_kafka import KafkaException, Producer

        given = {
            name: str(value).lower() if isinstance(value, bool) else value
            for name, value in self._settings.options.items()
        }
        fixed = {
            "bootstrap.servers": servers, "enable.idempotence": True, "log_level": 2, "linger.ms": 5,
            "message.timeout.ms": max(1, round(self.timeout * 1e3)),
        }  # fmt: skip
        try:
            return Producer(given | fixed)
        except (KafkaException, TypeError, ValueError) as error:
            text = error.args[0].str() if isinstance(error, KafkaException) else str(error)
            raise SettingsError(f"options: {self._hide(text)}") from None

    def _hide(self, text: str) -> str:
        return hidden(text, secret_options(self._settings.options))

    def _failure(self, problem: Any) -> NotifyError:
        from confluent_kafka import KafkaError

        if not isinstance(problem, KafkaError):
            return NotifyError(f"{self!r}: {self._hide(str(problem))}")
        if problem.fatal():
            with self._lock:
                self._producer = None  # the next try makes another one
        large = problem.code() in (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE)
        return NotifyError(f"{self!r}: {self._hide(problem.str())}", refused=large)
