"""Avro messages, framed for a Schema Registry."""

from __future__ import annotations

import io
import json
from typing import Any

from fastavro import parse_schema, schemaless_reader

from monitor.sources.formats.documents import Document, DocumentDecoder, Reader, Unreadable
from monitor.sources.missing_fields import mapping

_BYTES = {"null": 0, "boolean": 1, "int": 1, "long": 1, "float": 4, "double": 8, "bytes": 1, "string": 1}


class AvroDecoder(DocumentDecoder):
    """Avro records. `timestamp-millis` and `timestamp-micros` need no time unit; a union with null may be NaN.

    One more reason: avro. A schema with a type inside itself, or with an array of nothing, is a bad-schema.
    """

    reason = "avro"

    def open(self, number: int) -> Reader:
        """See `DocumentDecoder`."""
        schema = self._registry.schema(number)
        named: dict[str, Any] = {}  # types by name; `parse_schema` adds to it
        for _, other in self._registry.references(schema):
            parse_schema(json.loads(other.schema_str or ""), named)
        parsed = parse_schema(json.loads(schema.schema_str or ""), named)
        _least_size(parsed, named, frozenset())

        def read(payload: bytes) -> Document:
            rest = io.BytesIO(payload)
            try:
                document = mapping(schemaless_reader(rest, parsed, None))
            except EOFError:
                raise Unreadable("avro", "the body ends within the record") from None
            if rest.tell() < len(payload):
                raise Unreadable("avro", f"{len(payload) - rest.tell()} bytes are left after the record")
            return document

        return read


def _least_size(schema: Any, named: dict[str, Any], within: frozenset[str]) -> int:
    """The fewest bytes that a value takes. Raises ValueError for schemas with which a short message can do harm.

    fastavro's compiled reader follows a type that contains itself until the process dies, and reads as many items of
    no size as an array claims to have.
    """
    if isinstance(schema, str):
        return _BYTES[schema] if schema in _BYTES else _least_size(named[schema], named, within)
    if isinstance(schema, list):
        return 1 + min(_least_size(branch, named, within) for branch in schema)
    match schema["type"]:
        case "record" | "error":
            if schema["name"] in within:
                raise ValueError(f"the type {schema['name']} contains itself")
            deeper = within | {schema["name"]}
            least = sum(_least_size(field["type"], named, deeper) for field in schema["fields"])
        case "array":
            if _least_size(schema["items"], named, within) == 0:
                raise ValueError("an array's items take no bytes")
            least = 1
        case "map":
            _least_size(schema["values"], named, within)
            least = 1
        case "enum":
            least = 1
        case "fixed":
            least = int(schema["size"])
        case kind:
            least = _least_size(kind, named, within)
    return least
