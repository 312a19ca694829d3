"""Avro, Protobuf and JSON Schema from a real schema registry, through a real Kafka."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import fastavro
import numpy as np
import pytest
from confluent_kafka import Producer
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient

from monitor import bootstrap
from monitor.config.settings import parse
from monitor.errors import SourceError
from monitor.records.batches import DeadLetter, Readings
from tests.formats import Reading, framed
from tests.integration.broker import KafkaBroker

pytestmark = pytest.mark.kafka
SECOND = 10**9
READINGS = [Reading((1_700_000_000 + at) * SECOND, at / 4, None if at % 7 == 3 else -1.5 * at) for at in range(200)]


@pytest.fixture
def client(schema_registry: str) -> Iterator[SchemaRegistryClient]:
    """A producer's."""
    with SchemaRegistryClient.new_client({"url": schema_registry}) as found:
        yield found


def consume(
    kafka: KafkaBroker, url: str, kind: str, bodies: list[bytes], values: list[str] | None = None
) -> tuple[list[Readings], list[DeadLetter]]:
    """Publish the bodies and read them back as a replay does."""
    topic = kafka.topic()
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    for body in bodies:
        producer.produce(topic, body, b"m")
    assert producer.flush(60) == 0
    family = {
        "topic": topic, "interval": "1s", "channels": ["a", "b"], "recipe": "plain", "window": {"length": 4},
        "format": {"kind": kind, "values": values or ["a", "b"]},
    }  # fmt: skip
    registry = {"url": url, "options": {"max.retries": 0}}
    server = {"bootstrap_servers": kafka.bootstrap_servers}
    settings = parse({"kafka": server, "schema_registry": registry, "families": {"f": family}})
    source = bootstrap.kafka_range(settings, bootstrap.pipelines(settings))
    found: list[Readings] = []
    dead: list[DeadLetter] = []
    try:
        while not (poll := source.poll(1.0)).finished:
            found += poll.readings.values()
            dead += poll.dead
        return [*found, *poll.readings.values()], dead + poll.dead
    finally:
        source.close()


@pytest.mark.parametrize("kind", ["avro", "protobuf", "json-schema"])
def test_framed_messages_are_read(
    kafka: KafkaBroker, schema_registry: str, client: SchemaRegistryClient, kind: str
) -> None:
    bodies = framed(client, kind, READINGS)
    unknown = b"\x00" + struct.pack(">I", 2**30) + bodies[0][5:]

    found, dead = consume(kafka, schema_registry, kind, [*bodies, unknown, b"{}"])

    assert [(letter.offset, letter.reason) for letter in dead] == [(200, "unknown-schema"), (201, "magic")]
    assert np.concatenate([r.time for r in found]).tolist() == [reading.time for reading in READINGS]
    expected = np.array([[r.a, np.nan if r.b is None else r.b] for r in READINGS], np.float32)
    np.testing.assert_array_equal(np.concatenate([r.values for r in found]), expected)


def test_schemas_that_refer_to_others(kafka: KafkaBroker, schema_registry: str, client: SchemaRegistryClient) -> None:
    numbers = [{"name": name, "type": "double"} for name in "ab"]
    point = {"type": "record", "name": "Point", "namespace": "plant", "fields": numbers}
    outer = {"type": "record", "name": "Outer", "namespace": "plant", "fields": [
        {"name": "time", "type": "long"}, {"name": "at", "type": "plant.Point"}]}  # fmt: skip
    client.register_schema("point", Schema(json.dumps(point), "AVRO"))
    number = client.register_schema(
        "outer", Schema(json.dumps(outer), "AVRO", [SchemaReference("plant.Point", "point", 1)])
    )
    known: dict[str, Any] = {}
    fastavro.parse_schema(point, known)
    out = BytesIO()
    parsed = fastavro.parse_schema(outer, known)
    fastavro.schemaless_writer(out, parsed, {"time": 1_700_000_000, "at": {"a": 2.5, "b": -1.0}})
    body = b"\x00" + struct.pack(">I", number) + out.getvalue()

    (readings,), dead = consume(kafka, schema_registry, "avro", [body], ["at.a", "at.b"])

    assert (readings.values.tolist(), dead) == ([[2.5, -1.0]], [])


def test_a_registry_that_is_away_stops_the_reader(kafka: KafkaBroker, client: SchemaRegistryClient) -> None:
    bodies = framed(client, "avro", READINGS[:1])

    with pytest.raises(SourceError, match=r"schema registry http://127\.0\.0\.1:9"):
        consume(kafka, "http://127.0.0.1:9", "avro", bodies)
