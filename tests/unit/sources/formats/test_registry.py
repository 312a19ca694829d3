"""Messages framed for a Schema Registry: what their schemas may say, and a registry that cannot help."""

from __future__ import annotations

import base64
import json
import struct
import sys
from datetime import UTC, datetime
from decimal import Decimal
from io import BytesIO
from typing import Any

import fastavro
import numpy as np
import pytest
from google.protobuf import descriptor_pb2
from google.protobuf.message_factory import GetMessageClass

from monitor import bootstrap
from monitor.config.formats import SchemaRegistry
from monitor.config.settings import parse
from monitor.errors import SettingsError
from monitor.records.batches import DeadLetter, Readings
from monitor.records.streams import StreamIndex
from monitor.sources.formats.registry import open_registry
from monitor.sources.unfinished import decode_all
from tests.formats import AVRO, Reading, decoder, encode, family, reading_type, records, register, serializer

SECOND = 10**9
FRAMED = pytest.mark.parametrize("kind", ["avro", "protobuf", "json-schema"])


def decode(kind: str, bodies: list[bytes | None], **changes: Any) -> tuple[Readings, list[DeadLetter]]:
    changes["format"] = {"time_unit": "s"} | changes.get("format", {})
    return decode_all(decoder(family(kind, **changes), StreamIndex()), records(bodies))


def reasons(dead: list[DeadLetter]) -> list[tuple[int, str]]:
    return [(letter.offset - 100, letter.reason) for letter in dead]


def avro(schema: Any, message: Any, references: list[tuple[str, str, int]] | None = None, **named: Any) -> bytes:
    """A framed Avro message of a schema of its own."""
    out = BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema, named_schemas=named), message)
    return register(json.dumps(schema)[:200], json.dumps(schema), "AVRO", references or []) + out.getvalue()


def record(*fields: tuple[str, Any], name: str = "Reading") -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": field, "type": kind} for field, kind in fields]}


@FRAMED
def test_frames_that_name_no_schema_at_hand(kind: str) -> None:
    good = encode(kind, [Reading(SECOND, 1.0, 2.0)])[0]
    bodies = [good, b"\x01" + good[1:], b"\x00\x00", b"{}", b"\x00\x00\x00\xff\xff" + good[5:], b"\x00" + b"\xff" * 9]

    readings, dead = decode(kind, [*bodies, good])

    assert readings.offset.tolist() == [100, 106]
    magic, unknown = "magic", "unknown-schema"
    assert reasons(dead) == [(1, magic), (2, magic), (3, magic), (4, unknown), (5, unknown)]


@FRAMED
def test_a_schema_that_cannot_be_used(kind: str) -> None:
    header = register(f"bad-{kind}", "{ no schema", "AVRO")

    _, dead = decode(kind, [header + b"\x00\x00", header + b"\x00"])

    assert reasons(dead) == [(0, "bad-schema"), (1, "bad-schema")]


def test_avro_types() -> None:
    money = {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}
    schema = record(
        ("at", {"type": "long", "logicalType": "timestamp-micros"}),
        ("machine", record(("id", "int"), name="Machine")),
        ("a", money),
        ("b", ["null", "float"]),
    )
    at = datetime(2026, 1, 1, 0, 0, 0, 123456, tzinfo=UTC)
    body = avro(schema, {"at": at, "machine": {"id": 7}, "a": Decimal("12.25"), "b": None})
    index = StreamIndex()

    layout = {"key": "machine.id", "time": "at", "time_unit": "ms"}
    readings, dead = decode_all(decoder(family("avro", format=layout), index), records([body], [None]))

    assert dead == []
    assert readings.time.tolist() == [int(at.timestamp()) * SECOND + 123_456_000]
    np.testing.assert_array_equal(readings.values, np.array([[12.25, np.nan]], np.float32))
    assert list(index.codes) == ["7"]


def test_avro_messages_of_several_schemas_in_one_batch() -> None:
    old = avro(record(("time", "int"), ("b", "long"), ("a", "long")), {"time": 1, "a": 2, "b": 3})
    new = avro(AVRO, {"id": "m", "time": 2, "a": 4.0, "b": None})
    partial = avro(record(("time", "int"), ("a", "long")), {"time": 1, "a": 2})
    texts = avro(record(("time", "int"), ("a", "string"), ("b", "int")), {"time": 1, "a": "2", "b": 1})
    null = avro(record(("time", ["null", "int"]), ("a", "int"), ("b", "int")), {"time": None, "a": 2, "b": 1})

    readings, dead = decode("avro", [old, new, partial, texts, null, new + b"\x00", b"\x00" + old[1:5]])

    assert readings.time.tolist() == [SECOND, 2 * SECOND]
    assert reasons(dead) == [(2, "missing-value"), (3, "bad-value"), (4, "bad-time"), (5, "avro"), (6, "avro")]


def test_an_avro_message_of_one_channel() -> None:
    schema = record(("time", "int"), ("sensor", "string"), ("value", ["null", "double"]))
    rows: list[tuple[str, float | None]] = [("b", 2.5), ("a", 1.0), ("c", 3.0), ("a", None)]
    bodies: list[bytes | None] = [avro(schema, {"time": 1, "sensor": name, "value": value}) for name, value in rows]
    layout = {"key": "$key", "time": "time", "values": (), "channel": "sensor"}

    readings, dead = decode("avro", bodies, format=layout)

    expected = np.array([[np.nan, 2.5], [1.0, np.nan], [np.nan, np.nan]], np.float32)
    np.testing.assert_array_equal(readings.values, expected)
    assert reasons(dead) == [(2, "unknown-channel")]


def test_an_avro_schema_that_refers_to_another() -> None:
    point = record(("a", "float"), ("b", "float"), name="plant.Point")
    register("point", json.dumps(point), "AVRO")
    named: dict[str, Any] = {}
    fastavro.parse_schema(point, named)
    schema = record(("time", "int"), ("at", "plant.Point"))
    body = avro(schema, {"time": 1, "at": {"a": 1, "b": 2}}, [("plant.Point", "point", 1)], **named)
    lost = register("lost", json.dumps(schema), "AVRO", [("plant.Point", "nowhere", 1)]) + body[5:]

    readings, dead = decode("avro", [body, lost], format={"values": ["at.a", "at.b"]})

    assert readings.values.tolist() == [[1, 2]]
    assert reasons(dead) == [(1, "unknown-schema")]


def test_avro_schemas_with_which_a_message_could_do_harm() -> None:
    """A type that contains itself ends the process; items of no size are read as often as the message claims."""
    array = {"type": "array", "items": record(("nothing", "null"), name="Nothing")}
    chain = record(
        ("time", "int"), ("a", "int"), ("b", "int"), ("next", ["null", {"type": "map", "values": "Reading"}])
    )
    huge = b"\xfe" + b"\xff" * 7 + b"\x7f"
    bodies = [
        register("chain", json.dumps(chain), "AVRO") + b"\x02" * 1_000_000,
        register("array", json.dumps(record(("v", array), ("time", "int"))), "AVRO") + huge,
    ]

    _, dead = decode("avro", [*bodies])

    assert reasons(dead) == [(0, "bad-schema"), (1, "bad-schema")]
    assert ["contains itself" in dead[0].error, "could take no bytes" in dead[1].error] == [True, True]


def test_avro_types_that_are_fine() -> None:
    parts = [
        {"type": "array", "items": ["null", "float"]},
        {"type": "map", "values": {"type": "fixed", "name": "Four", "size": 4}},
        {"type": "enum", "name": "State", "symbols": ["on", "off"]},
        "Four",
    ]
    schema = record(("time", "int"), *((f"p{place}", part) for place, part in enumerate(parts)), ("a", "int"))
    message = {"time": 1, "p0": [None, 1.0], "p1": {"x": b"1234"}, "p2": "on", "p3": b"1234", "a": 5}

    readings, dead = decode("avro", [avro(schema, message)], channels=["a"])

    assert (readings.values.tolist(), dead) == ([[5]], [])


def test_framed_messages_that_are_whole_windows() -> None:
    window = {"window": {"kind": "message", "length": 3}, "channels": ["v"], "format": {"values": ["wave"]}}
    schema = record(("time", "int"), ("wave", {"type": "array", "items": ["null", "float"]}))
    wave = serializer("protobuf")(reading_type()(time=1, wave=[1, 2, 3]))
    short = serializer("protobuf")(reading_type()(time=1, wave=[1, 2]))

    avros, dead = decode("avro", [avro(schema, {"time": 1, "wave": [1, None, 3]})], **window)
    protos, bad = decode("protobuf", [wave, short], **window)

    np.testing.assert_array_equal(avros.values, np.array([[1, np.nan, 3]], np.float32))
    assert protos.values.tolist() == [[1, 2, 3]]
    assert (dead, reasons(bad)) == ([], [(1, "wrong-length")])


def test_protobuf_timestamps_and_fields_that_are_not_there() -> None:
    at = {"seconds": 1_700_000_000, "nanos": 5}
    good = serializer("protobuf")(reading_type()(at=at, a=1))
    unset = serializer("protobuf")(reading_type()(a=1, b=2))

    readings, dead = decode("protobuf", [good, unset], format={"time": "at"})
    _, lost = decode("protobuf", [good], format={"time": "at", "values": ["a", "c"]})

    assert readings.time.tolist() == [1_700_000_000 * SECOND + 5]
    assert reasons(dead) == [(1, "bad-time")]
    assert reasons(lost) == [(0, "missing-value")]


def test_protobuf_messages_of_a_nested_type() -> None:
    header = serializer("protobuf")(reading_type()())[:5]
    index = {
        "inner": b"\x04\x00\x00",
        "none": b"\x02\x0e",
        "deep": b"\x7e",
        "cut": b"\x04\x00",
        "long": b"\xff" * 10**6,
    }
    kind = GetMessageClass(reading_type().DESCRIPTOR.nested_types_by_name["Inner"])
    inner = kind(time=7, a=1.5).SerializeToString()
    changes = {"channels": ["a"]}

    readings, dead = decode("protobuf", [header + part + inner for part in index.values()], **changes)

    assert (readings.time.tolist(), readings.values.tolist()) == ([7 * SECOND], [[1.5]])
    assert reasons(dead) == [(1, "protobuf"), (2, "protobuf"), (3, "protobuf"), (4, "protobuf")]


def test_a_protobuf_schema_that_refers_to_another_and_one_that_cannot() -> None:
    kinds = descriptor_pb2.FieldDescriptorProto
    point = descriptor_pb2.FileDescriptorProto(name="x.proto", package="shop", syntax="proto3")
    message = point.message_type.add(name="Point")
    for number, name in enumerate("ab", 1):
        message.field.add(name=name, number=number, type=kinds.TYPE_FLOAT, label=kinds.LABEL_OPTIONAL)
    file = descriptor_pb2.FileDescriptorProto(name="y.proto", package="shop", syntax="proto3")
    file.dependency.append("point.proto")
    outer = file.message_type.add(name="Reading")
    outer.field.add(name="time", number=1, type=kinds.TYPE_INT64, label=kinds.LABEL_OPTIONAL)
    outer.field.add(name="at", number=2, type=kinds.TYPE_MESSAGE, type_name=".shop.Point", label=kinds.LABEL_OPTIONAL)
    register("shop-point", base64.b64encode(point.SerializeToString()).decode(), "PROTOBUF")
    text = base64.b64encode(file.SerializeToString()).decode()
    payload = b"\x00\x08\x05\x12\x0a\x0d" + struct.pack("<f", 1) + b"\x15" + struct.pack("<f", 2)
    good = register("shop", text, "PROTOBUF", [("point.proto", "shop-point", 1)]) + payload
    alone = register("shop-alone", text, "PROTOBUF") + payload

    readings, dead = decode("protobuf", [good, alone], format={"values": ["at.a", "at.b"]})

    assert (readings.time.tolist(), readings.values.tolist()) == ([5 * SECOND], [[1, 2]])
    assert reasons(dead) == [(1, "bad-schema")]


def test_json_that_its_schema_refuses() -> None:
    header = encode("json-schema", [Reading(SECOND, 1.0, 2.0)])[0][:5]
    texts = [b'{"time":"x","a":1,"b":2}', b'{"time":1,"a":1,"a":2,"b":2}', b'{"time":1,"a":NaN}', b'{"time":1,"a":1}',
             b'{"a":' + b"[" * 100_000, b"[]", b'{"time":1,"a":"\xff","b":1}']  # fmt: skip

    _, dead = decode("json-schema", [header + text for text in texts])

    expected = ["json-schema", "duplicate-key", "missing-value", "missing-value", "json", "json-schema", "utf8"]
    assert [letter.reason for letter in dead] == expected


def test_a_json_schema_that_refers_to_another() -> None:
    register("number", '{"type":"number","maximum":5}', "JSON")
    schema = '{"type":"object","properties":{"a":{"$ref":"number.json"}}}'
    header = register("with-number", schema, "JSON", [("number.json", "number", 1)])
    remote = register("remote", schema.replace("number.json", "http://192.0.2.1/x.json"), "JSON")

    changes = {"channels": ["a"]}
    readings, dead = decode(
        "json-schema", [h + b'{"time":1,"a":%d}' % a for h, a in [(header, 5), (header, 6), (remote, 1)]], **changes
    )

    assert readings.values.tolist() == [[5]]
    assert reasons(dead) == [(1, "json-schema"), (2, "json-schema")]


def test_options_that_the_client_does_not_take() -> None:
    with pytest.raises(SettingsError, match=r"schema_registry: .*no\.such\.option"):
        open_registry(SchemaRegistry(url="http://registry", options={"no.such.option": 1}))


def test_formats_with_schemas_say_what_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "monitor.sources.formats.registry")
    monkeypatch.setitem(sys.modules, "httpx2", None)
    layout = {"kind": "avro"}
    config = parse(
        {
            "schema_registry": {"url": "http://registry"},
            "families": {
                "f": {"topic": "t", "interval": "1s", "recipe": "plain", "window": {"length": 4}, "format": layout}
            },
        }
    )

    with pytest.raises(SettingsError, match=r"httpx2 is not installed; pip install 'watchkeeper\[registry\]'"):
        bootstrap.decoders(config, {"f": StreamIndex()})
    assert bootstrap.decoders(config, {}) == {}
