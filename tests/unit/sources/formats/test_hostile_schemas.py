"""Schemas and bodies that are made to take long, or much memory: each record is a dead letter soon, with a reason."""

from __future__ import annotations

import base64
import json
import time
import tracemalloc
from typing import Any

import pytest
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field

from monitor.records.batches import DeadLetter, Readings
from monitor.records.streams import StreamIndex
from monitor.sources.unfinished import decode_all
from tests.formats import Reading, decoder, encode, family, records, register

SECOND = 10**9
SOON_S = 30.0  # of CPU time; without a bound each of these takes hours, or all memory


def decode(kind: str, bodies: list[bytes | None], **changes: Any) -> tuple[Readings, list[DeadLetter]]:
    """What becomes of the bodies, in bounded time and memory."""
    changes["format"] = {"time_unit": "s"} | changes.get("format", {})
    reader, began = decoder(family(kind, **changes), StreamIndex()), time.process_time()
    if kind == "json-schema":  # slow enough without
        found = decode_all(reader, records(bodies))
    else:
        tracemalloc.start()
        try:
            found = decode_all(reader, records(bodies))
            assert tracemalloc.get_traced_memory()[1] < 2**29
        finally:
            tracemalloc.stop()
    assert time.process_time() - began < SOON_S
    return found


def record(*kinds: Any, name: str = "R") -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": f"f{n}", "type": kind} for n, kind in enumerate(kinds)]}


def doubling(leaf: Any, levels: int = 60) -> Any:
    """Records of two of the level below each, by their names."""
    rest = [record(f"L{level - 1}", f"L{level - 1}", name=f"L{level}") for level in range(1, levels)]
    return record(record(leaf, name="L0"), *rest)


def number(count: int) -> bytes:
    """An Avro long, for counts from 0."""
    count, found = count << 1, b""
    while count >= 128:
        count, found = count >> 7, found + bytes([count & 127 | 128])
    return found + bytes([count])


MANY = 300_000
AVRO: dict[str, tuple[Any, bytes, str]] = {
    "doubled nulls": (doubling("null"), b"", "bad-schema"),
    "doubled numbers": (doubling("int"), b"\x02" * MANY, "avro"),
    "doubled arrays": (doubling({"type": "array", "items": "int"}), b"\x00" * MANY, "bad-schema"),
    "an array of nulls": (record({"type": "array", "items": "null"}), number(2**60) + b"\x00", "bad-schema"),
    "an array of no bytes": (
        record({"type": "array", "items": {"type": "fixed", "name": "F", "size": 0}}), number(2**60), "bad-schema"),
    "an array of records of nulls": (
        record({"type": "array", "items": record(*["null"] * 9, name="N")}), b"", "bad-schema"),
    "many nulls for a byte": (
        record({"type": "array", "items": ["int", record(*["null"] * 500, name="N")]}),
        number(MANY) + b"\x02" * MANY, "bad-schema"),
    "many nulls for a key": (record({"type": "map", "values": record(*["null"] * 9, name="N")}), b"", "bad-schema"),
    "a record in itself": (record(["null", "R"]), b"\x02" * MANY, "bad-schema"),
    "an array of itself": (record({"type": "array", "items": "R"}), b"\x02" * MANY, "bad-schema"),
    "two records in each other": (
        record(record({"type": "map", "values": "R"}, name="S")), b"\x02" * MANY, "bad-schema"),
    "a count beyond the body": (record({"type": "array", "items": "int"}), number(2**62) + b"\x02" * 9, "avro"),
    "a long text": (record("string"), number(2**62), "avro"),
    "a text of negative length": (record("string"), b"\x03", "avro"),
    "a large fixed": (record({"type": "fixed", "name": "F", "size": 2**62}), b"", "avro"),
    "a long decimal": (
        record({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}),
        number(MANY) + b"\x11" * MANY, "avro"),
    "marked as parsed": (record("int") | {"__fastavro_parsed__": True}, b"\x02", "bad-schema"),
    "deep": ("deep", b"", "bad-schema"),
    "deeper than Python goes": ("deeper", b"", "bad-schema"),
    "deep by names": (
        record(*(record(f"L{n - 1}" if n else "int", name=f"L{n}") for n in range(3_000))), b"", "bad-schema"),
    "wide": (record(*["int"] * 50_000), b"", "bad-schema"),
}  # fmt: skip


@pytest.mark.parametrize("case", AVRO)
def test_avro(case: str) -> None:
    schema, body, reason = AVRO[case]
    text = json.dumps(schema)
    if isinstance(schema, str):
        text = '{"type":"array","items":' * (n := {"deep": 400, "deeper": 30_000}[schema]) + '"int"' + "}" * n

    _, (letter,) = decode("avro", [register(f"avro {case}", text, "AVRO") + body])

    assert letter.reason == reason
    assert len(letter.error) < 500


def proto(name: str, *messages: tuple[str, list[tuple[str, int, str]]], depth: int = 0) -> bytes:
    """A framed header of a file of messages, each with fields (name, type, type name); all repeated."""
    file = descriptor_pb2.FileDescriptorProto(name="x.proto", package="p", syntax="proto3")
    for title, fields in messages:
        message = file.message_type.add(name=title)
        for place, (field, kind, of) in enumerate(fields, 1):
            message.field.add(name=field, number=place, type=kind, type_name=of or None, label=Field.LABEL_REPEATED)
    nested = file.message_type.add(name="Deep") if depth else None
    for _ in range(depth):
        assert nested is not None
        nested = nested.nested_type.add(name="N")
    return register(name, base64.b64encode(file.SerializeToString()).decode(), "PROTOBUF") + b"\x00"


def test_protobuf() -> None:
    wide = [(f"s{n}", Field.TYPE_STRING, "") for n in range(2_000)]
    inside = proto("wide", ("M", [("a", Field.TYPE_MESSAGE, ".p.S")]), ("S", wide))
    relative = proto("relative", ("M", [("a", Field.TYPE_MESSAGE, "S")]), ("S", wide))
    itself = proto("itself", ("M", [("a", Field.TYPE_MESSAGE, ".p.M")]))
    packed = proto("packed", ("M", [("a", Field.TYPE_INT64, ""), ("time", Field.TYPE_INT64, "")]))
    deep = proto("deep", ("M", []), depth=90)
    deeper = proto("deeper", ("M", []), depth=5_000)
    large = register("large", base64.b64encode(b"\x00" * 10**6).decode(), "PROTOBUF") + b"\x00"
    chain = b""
    for _ in range(2_000):
        size = len(chain)
        length = bytes([size & 127 | 128, size >> 7 & 127 | 128, size >> 14])
        chain = b"\x0a" + length + chain
    run = b"\x0a" + bytes([MANY & 127 | 128, MANY >> 7 & 127 | 128, MANY >> 14]) + b"\x01" * MANY
    bodies = [
        inside + b"\x0a\x00" * MANY,
        relative + b"\x0a\x00" * MANY,
        itself + chain,
        packed + run,
        deep,
        deeper,
        large,
    ]

    _, dead = decode("protobuf", [*bodies], channels=["a"])

    expected = ["protobuf", "protobuf", "protobuf", "missing-time", "missing-time", "bad-schema", "bad-schema"]
    assert [letter.reason for letter in dead] == [*expected[:3], dead[3].reason, *expected[4:]]
    assert dead[3].reason in ("bad-time", "bad-value")
    assert "too much memory" in dead[0].error
    assert "too much memory" in dead[1].error


TREE = {"properties": {"x": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}}}
DOUBLED = {f"d{n}": {"allOf": [{"$ref": f"#/definitions/d{n + 1}"}] * 2} for n in range(60)} | {"d60": {}}
TEXT = "a" * 100_000 + "!"
DRAFT7, NEWEST = "http://json-schema.org/draft-07/schema#", "https://json-schema.org/draft/2020-12/schema"
JSON: dict[str, tuple[Any, Any, str]] = {
    "a pattern": ({"properties": {"x": {"pattern": "^(a+)+$"}}}, TEXT, "json-schema"),
    "a pattern of a name": ({"patternProperties": {"^(x+)+$": {"type": "null"}}}, TEXT, "json-schema"),
    "a name beside a pattern": (
        {"patternProperties": {"^(a+)+$": {}}, "additionalProperties": {"type": "number"}}, TEXT, "json-schema"),
    "a pattern in another draft": (
        {"$schema": DRAFT7, "properties": {"x": {"$schema": NEWEST, "pattern": "^(a+)+$"}}}, TEXT, "json-schema"),
    "a pattern without linear time": ({"properties": {"x": {"pattern": r"^(a)\1$"}}}, TEXT, "bad-schema"),
    "a pattern of large counts": ({"properties": {"x": {"pattern": "((a{999}){999}){999}"}}}, TEXT, "bad-schema"),
    "patterns that are followed": (
        {"$schema": NEWEST, "patternProperties": {"^(a+)+$": {}}, "unevaluatedProperties": False}, TEXT, "bad-schema"),
    "items that differ": (
        {"properties": {"x": {"uniqueItems": True, "maxItems": 1}}}, [{"x": n} for n in range(20_000)], "json-schema"),
    "items that are equal": ({"properties": {"x": {"uniqueItems": True}}}, [{"x": 1}, {"x": 1.0}], "json-schema"),
    "items for a metaschema": (
        {"properties": {"x": {"$ref": DRAFT7}}}, {"required": [{"x": n} for n in range(20_000)]}, "json-schema"),
    "a metaschema by its base": (
        {"$id": "http://json-schema.org/draft-07/", "properties": {"x": {"$ref": "schema#"}}},
        {"required": [{"x": n} for n in range(20_000)]}, "json-schema"),
    "doubled references": ({"definitions": DOUBLED, "$ref": "#/definitions/d0"}, 1, "json-schema"),
    "a doubled tree": (TREE, json.loads('{"x":' * 60 + "1" + "}" * 60), "json-schema"),
    "a reference to itself": ({"$ref": "#"}, 1, "json-schema"),
    "a reference to elsewhere": ({"$ref": "file:///etc/passwd"}, 1, "json-schema"),
    "many errors in one": ({"properties": {"x": {"anyOf": [{"type": "null"}] * 900}}}, [TEXT] * 5, "json-schema"),
    "a large enumeration": (
        {"properties": {"x": {"items": {"enum": [[0] * 900] * 9}}}}, [[0] * 899 + [1]] * 100, "json-schema"),
    "a deep body": (
        {"properties": {"x": {"items": {"$ref": "#/properties/x"}}}}, json.loads("[" * 900 + "]" * 900), "json-schema"),
    "a deep schema": ("deep", 1, "bad-schema"),
    "a schema deeper than Python goes": ("deeper", 1, "bad-schema"),
    "a long list": ({"enum": [{"x": n} for n in range(5_000)]}, 1, "bad-schema"),
    "a draft that is no name": ({"$schema": {"x": 1}}, 1, "bad-schema"),
}  # fmt: skip


@pytest.mark.parametrize("case", JSON)
def test_json_schema(case: str) -> None:
    schema, value, reason = JSON[case]
    text = json.dumps(schema)
    if isinstance(schema, str):
        text = '{"not":' * (n := {"deep": 400, "deeper": 30_000}[schema]) + "true" + "}" * n
    header = register(f"json {case}", text, "JSON")

    name = TEXT if case == "a name beside a pattern" else "x" * 50 + "!" if case == "a pattern of a name" else "x"
    bodies: list[bytes | None] = [header + json.dumps({"time": 1, "a": 1, name: value}).encode()]
    if case == "a pattern of a name":
        bodies.append(header + json.dumps({"time": 1, "a": 1, "x" * 50: 1}).encode())
    readings, dead = decode("json-schema", bodies, channels=["a"])

    assert {letter.reason for letter in dead} == {reason}
    assert len(dead) == 1
    assert len(readings) == len(bodies) - 1
    assert all(len(letter.error) < 500 for letter in dead)


def test_a_body_larger_than_any_reading_is_not_read() -> None:
    header = encode("json-schema", [Reading(SECOND, 1.0, 2.0)])[0][:5]

    _, (letter,) = decode("json-schema", [header + b'{"time":1,"a":1,"b":1,"x":[' + b"[]," * 2**21 + b"0]}"])

    assert letter.reason == "too-large"


@pytest.mark.parametrize("kind", ["json", "json-schema"])
def test_json_that_is_nested_too_deep_says_so(kind: str) -> None:
    header = encode("json-schema", [Reading(SECOND, 1.0, 2.0)])[0][:5] if kind == "json-schema" else b""
    body = b'{"time":1,"a":1,"b":2,"x":' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"}"

    _, (letter,) = decode(kind, [header + body])

    assert letter.reason == "json"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"time":1,"a":1,"a":2}', "duplicate-key"),
        (b'{"time":1,"time":2,"a":1,"b":2}', "duplicate-key"),
        (b'{"time":1,"a":1}', "missing-value"),
        (b'{"time":1,"x":{"b":1,"b":2},"a":1}', "missing-value"),
    ],
)
def test_a_json_schema_body_that_lacks_a_field_and_repeats_one(body: bytes, reason: str) -> None:
    header = register("anything", '{"type":"object"}', "JSON")

    _, (letter,) = decode("json-schema", [header + body])

    assert letter.reason == reason


@pytest.mark.parametrize("again", [b'"of":"b"', b'"of":"a"', b'"worth":"bad"', b'"v":3'])
def test_a_json_schema_body_that_repeats_a_field_of_any_role(again: bytes) -> None:
    header = register("anything", '{"type":"object"}', "JSON")
    layout = {"values": (), "channel": "of", "value": "v", "quality": "worth", "good": ["good"]}
    once = header + b'{"time":1,"of":"a","v":2,"worth":"good"'

    readings, (letter,) = decode("json-schema", [once + b"}", once + b"," + again + b"}"], format=layout)

    assert (len(readings), letter.reason) == (1, "duplicate-key")
