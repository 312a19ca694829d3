"""Schemas and bodies that strangers make up: each record is read or dead, in bounded time, and nothing is raised."""

from __future__ import annotations

import base64
import json
import resource
import time
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.config.formats import REGISTRY
from monitor.records.streams import StreamIndex
from monitor.sources.unfinished import decode_all
from tests.formats import decoder, family, records, register

SOON_S = 60.0  # of CPU time for one batch
MEMORY_KB = 3 * 2**20  # of the whole test process

names = st.sampled_from(["time", "a", "b", "id", "x", "R", "S", "p.T", "", "é", "__fastavro_parsed__", "a" * 300])
counts = st.integers(-3, 9) | st.sampled_from([2**31, 2**62, 2**70, -(2**63), 10**30, 1.5, True, None, "1"])


def _containers(kinds: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    fields = st.lists(st.fixed_dictionaries({"name": names, "type": kinds}), max_size=5)
    return st.one_of(
        st.lists(kinds, max_size=4),
        st.fixed_dictionaries({"type": st.just("record"), "name": names, "fields": fields}),
        st.fixed_dictionaries({"type": st.just("array"), "items": kinds}),
        st.fixed_dictionaries({"type": st.just("map"), "values": kinds}),
        st.fixed_dictionaries({"type": kinds}),
    )


logical = st.sampled_from(["decimal", "timestamp-millis", "timestamp-micros", "date", "time-millis", "uuid", "no-such"])
primitives = st.sampled_from(["null", "boolean", "int", "long", "float", "double", "bytes", "string", "R", "S", "p.T"])
leaves = st.one_of(
    primitives,
    st.fixed_dictionaries({"type": st.just("fixed"), "name": names, "size": counts}),
    st.fixed_dictionaries({"type": st.just("enum"), "name": names, "symbols": st.lists(names, max_size=3)}),
    st.fixed_dictionaries({"type": primitives, "logicalType": logical, "precision": counts, "scale": counts}),
    counts,
)
avro_kinds = st.recursive(leaves, _containers, max_leaves=25)
avro = st.one_of(
    avro_kinds,
    st.lists(avro_kinds, min_size=2, max_size=5).map(
        lambda kinds: {"type": "record", "name": "Top", "fields": [
            {"name": name, "type": kind} for name, kind in zip(("time", "a", "b", "x", "y"), kinds, strict=False)]}
    ),
).map(json.dumps)  # fmt: skip

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda kinds: st.lists(kinds, max_size=4) | st.dictionaries(names, kinds, max_size=4),
    max_leaves=20,
)
patterns = st.sampled_from(["^(a+)+$", "(a|a)*$", "a*a*a*a*b", "(?=a)", r"(a)\1", "[", "a{1,999}", "\\p{L}", "", "é"])
references = st.sampled_from(
    ["#", "#/definitions/R", "#/$defs/R", "#/properties/a", "#R", "x.json", "http://127.0.0.1:9/x", "", "#/%"]
)
drafts = [f"http://json-schema.org/draft-0{n}/schema#" for n in (3, 4, 6, 7)]
drafts += [f"https://json-schema.org/draft/{name}/schema" for name in ("2019-09", "2020-12", "no-such")]


def _schemas(kinds: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    many, named = st.lists(kinds, max_size=3), st.dictionaries(names, kinds, max_size=3)
    keywords: dict[str, st.SearchStrategy[Any]] = {
        "$ref": references, "$dynamicRef": references, "$recursiveRef": st.just("#"),
        "$schema": st.sampled_from(drafts),
        "$id": references, "id": references, "$anchor": st.just("R"), "$dynamicAnchor": st.just("R"),
        "type": st.sampled_from(["object", "array", "number", "string", "null", "nonsense", ["number", "null"]]),
        "allOf": many, "anyOf": many, "oneOf": many, "not": kinds, "if": kinds, "then": kinds, "else": kinds,
        "properties": named, "definitions": named, "$defs": named, "dependentSchemas": named, "dependencies": named,
        "patternProperties": st.dictionaries(patterns, kinds, max_size=2), "additionalProperties": kinds,
        "propertyNames": kinds, "unevaluatedProperties": kinds, "unevaluatedItems": kinds, "items": kinds | many,
        "prefixItems": many, "contains": kinds, "minContains": counts, "uniqueItems": st.booleans() | counts,
        "enum": st.lists(values, max_size=3), "const": values, "pattern": patterns, "multipleOf": counts,
        "minimum": counts, "maxLength": counts, "minItems": counts, "required": st.lists(names, max_size=3) | counts,
        "format": st.just("regex"), "extends": kinds, "disallow": kinds,
    }  # fmt: skip
    return st.lists(st.sampled_from(sorted(keywords)), max_size=5, unique=True).flatmap(
        lambda chosen: st.fixed_dictionaries({name: keywords[name] for name in chosen})
    )


json_schema = st.recursive(st.booleans() | st.just({}) | counts, _schemas, max_leaves=15).map(json.dumps)


@st.composite
def protobuf(draw: st.DrawFn) -> str:
    """A file of a few messages that hold each other."""
    file = FileDescriptorProto(name="x.proto", package=draw(st.sampled_from(["p", ""])))
    file.syntax = draw(st.sampled_from(["proto2", "proto3", "editions"]))
    file.dependency.extend(
        draw(st.lists(st.sampled_from(["google/protobuf/timestamp.proto", "x", "google/x"]), max_size=1))
    )
    titles = ["M", "S", "T"]

    def fill(message: DescriptorProto, depth: int) -> None:
        for place, name in enumerate(draw(st.lists(names, max_size=5)), 1):
            message.field.add(
                name=name, number=draw(st.sampled_from([place, place, 2**28, 0])),
                type=draw(st.sampled_from(FieldDescriptorProto.Type.values())),
                label=draw(st.sampled_from(FieldDescriptorProto.Label.values())),
                type_name=draw(st.sampled_from(["", *titles, ".p.M", ".p.S", ".google.protobuf.Timestamp"])),
            )  # fmt: skip
        if depth and draw(st.booleans()):
            fill(message.nested_type.add(name="N"), depth - 1)

    for title in titles[: draw(st.integers(1, 3))]:
        fill(file.message_type.add(name=title), 3)
    return base64.b64encode(file.SerializeToString()).decode()


SCHEMAS = {"avro": ("AVRO", avro), "protobuf": ("PROTOBUF", protobuf()), "json-schema": ("JSON", json_schema)}
runs = st.builds(lambda piece, times: piece * times, st.binary(min_size=1, max_size=3), st.integers(1, 20_000))
numbers = st.sampled_from([b"\x02", b"\x00", b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\x80" * 12, b"\x0a\x00"])
binary = st.lists(st.binary(max_size=12) | runs | numbers, max_size=5).map(b"".join)
text = st.fixed_dictionaries({"time": values, "a": values}, optional={"b": values, "x": values}).map(
    lambda document: json.dumps(document, allow_nan=True).encode()
)
deep = st.integers(1, 3_000).map(lambda levels: b'{"time":1,"a":' + b"[" * levels + b"]" * levels + b"}")


@pytest.mark.parametrize("kind", REGISTRY)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_record_is_read_or_dead(kind: str, data: st.DataObject) -> None:
    registered, schemas = SCHEMAS[kind]
    header = register("fuzz", data.draw(schemas | st.text(max_size=20)), registered)
    bodies = data.draw(st.lists(binary | text | deep if kind == "json-schema" else binary, min_size=1, max_size=3))
    began = time.process_time()

    readings, dead = decode_all(decoder(family(kind), StreamIndex()), records([header + body for body in bodies]))

    assert time.process_time() - began < SOON_S
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < MEMORY_KB
    assert sorted([*readings.offset.tolist(), *(letter.offset for letter in dead)]) == list(
        range(100, 100 + len(bodies))
    )
    assert all(letter.reason and letter.error and len(letter.error) < 2_000 for letter in dead)
