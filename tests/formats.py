"""The same readings as each message format writes them."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, timestamp_pb2  # noqa: F401 (the pool must know Timestamp)
from google.protobuf.descriptor_pool import Default
from google.protobuf.message_factory import GetMessageClass

from monitor import bootstrap
from monitor.config.families import Family
from monitor.config.formats import SchemaRegistry
from monitor.records.streams import StreamIndex
from monitor.sources.decode import Decoder, Records
from monitor.sources.formats.registry import Registry

TOPIC = "t"
CONTEXT = SerializationContext(TOPIC, MessageField.VALUE)
AVRO = {
    "type": "record",
    "name": "Reading",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "time", "type": "long"},
        {"name": "a", "type": ["null", "double"]},
        {"name": "b", "type": ["null", "float"]},
    ],
}
JSON_SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "title": "Reading",
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "time": {"type": "integer"},
        "a": {"type": ["number", "null"]},
        "b": {"type": ["number", "null"]},
    },
    "required": ["time"],
}


class Reading(NamedTuple):
    """One reading of two channels: time in ns, None = missing. `id` is there to name the stream, where it is asked."""

    time: int
    a: float | None
    b: float | None
    id: str = "m"


@cache
def client() -> SchemaRegistryClient:
    """The client's mock registry: schemas in memory, shared by all tests."""
    return SchemaRegistryClient.new_client({"url": "mock://formats"})


def registry() -> Registry:
    return Registry(client(), SchemaRegistry(url="mock://formats"))


def family(kind: str, **changes: Any) -> Family:
    given = {
        "topic": TOPIC,
        "interval": "1s",
        "recipe": "plain",
        "window": {"length": 4},
        "channels": ["a", "b"],
    } | changes
    columns = {"columns": ["id", "time", "a", "b"]} if kind == "csv" else {}
    return Family.model_validate(given | {"format": {"kind": kind} | columns | changes.get("format", {})})


def decoder(chosen: Family, index: StreamIndex) -> Decoder:
    return bootstrap.decoder(chosen, index, registry())


def records(
    bodies: Sequence[bytes | None], keys: Sequence[bytes | None] | None = None, stamps: Sequence[int] = ()
) -> Records:
    count = len(bodies)
    return Records(
        TOPIC, [b"m"] * count if keys is None else keys, bodies,
        np.full(count, 3, np.int32), np.arange(100, 100 + count), (lambda: stamps) if stamps else None,
    )  # fmt: skip


@cache
def reading_type() -> Any:
    """A Protobuf message class: optional doubles, so that a value may be missing."""
    file = descriptor_pb2.FileDescriptorProto(name="reading.proto", package="plant", syntax="proto3")
    file.dependency.append("google/protobuf/timestamp.proto")
    message = file.message_type.add(name="Reading")
    kinds = descriptor_pb2.FieldDescriptorProto
    message.field.add(name="time", number=1, type=kinds.TYPE_INT64, label=kinds.LABEL_OPTIONAL)
    for number, name in enumerate("ab", 2):
        message.oneof_decl.add(name=f"_{name}")
        message.field.add(
            name=name, number=number, type=kinds.TYPE_DOUBLE, label=kinds.LABEL_OPTIONAL,
            proto3_optional=True, oneof_index=number - 2,
        )  # fmt: skip
    message.field.add(
        name="at", number=4, type=kinds.TYPE_MESSAGE, type_name=".google.protobuf.Timestamp", label=kinds.LABEL_OPTIONAL
    )
    message.field.add(name="wave", number=5, type=kinds.TYPE_FLOAT, label=kinds.LABEL_REPEATED)
    message.field.add(name="id", number=6, type=kinds.TYPE_STRING, label=kinds.LABEL_OPTIONAL)
    inner = message.nested_type.add(name="Inner")
    inner.field.add(name="time", number=1, type=kinds.TYPE_INT64, label=kinds.LABEL_OPTIONAL)
    inner.field.add(name="a", number=2, type=kinds.TYPE_FLOAT, label=kinds.LABEL_OPTIONAL)
    Default().Add(file)
    return GetMessageClass(Default().FindMessageTypeByName("plant.Reading"))


@cache
def serializer(kind: str) -> Callable[[Any], bytes]:
    """The client's own serialiser."""
    return _serializer(kind, client())


def _serializer(kind: str, registered: SchemaRegistryClient) -> Callable[[Any], bytes]:
    conf = {"subject.name.strategy.type": "TOPIC_RECORD"}
    made: Any
    if kind == "avro":
        made = AvroSerializer(registered, json.dumps(AVRO), conf=conf)
    elif kind == "protobuf":
        made = ProtobufSerializer(reading_type(), registered, conf)
    else:
        made = JSONSerializer(json.dumps(JSON_SCHEMA), registered, conf=conf)
    return lambda message: bytes(made(message, CONTEXT))


def framed(registered: SchemaRegistryClient, kind: str, readings: Sequence[Reading]) -> list[bytes]:
    """One message for each reading, with its schema in the registry of this client."""
    serialize = _serializer(kind, registered)
    return [serialize(_message(kind, reading._asdict())) for reading in readings]


def register(subject: str, text: str, kind: str, references: Sequence[tuple[str, str, int]] = ()) -> bytes:
    """Put a schema into the registry; returns the five bytes that its messages begin with."""
    schema = Schema(text, kind, [SchemaReference(*reference) for reference in references])
    return struct.pack(">bI", 0, client().register_schema(subject, schema))


def encode(kind: str, readings: Sequence[Reading]) -> list[bytes]:
    """The bodies of messages that say these readings: one each, or one for all."""
    dicts = [reading._asdict() for reading in readings]
    rows = [[reading.a, reading.b] for reading in readings]
    if kind == "json":
        return [json.dumps(item).encode() for item in dicts]
    if kind == "json-array":
        return [json.dumps(dicts).encode()]
    if kind == "json-batch":
        head = {"id": readings[0].id, "start": readings[0].time, "interval": "1s"}
        return [json.dumps(head | {"values": rows}).encode()]
    if kind == "csv":
        lines = [f"{r.id},{r.time},{'' if r.a is None else r.a},{'' if r.b is None else r.b}\n" for r in readings]
        return ["".join(lines).encode()]
    if kind in ("float32", "float64"):
        number = {"float32": "f", "float64": "d"}[kind]
        nan = float("nan")
        return [
            struct.pack(f"<q2{number}", r.time, *(nan if v is None else v for v in row))
            for r, row in zip(readings, rows, strict=True)
        ]
    return [serializer(kind)(_message(kind, item)) for item in dicts]


def _message(kind: str, fields: dict[str, Any]) -> Any:
    """What the serialiser takes."""
    if kind != "protobuf":
        return fields
    return reading_type()(**{name: value for name, value in fields.items() if value is not None})
