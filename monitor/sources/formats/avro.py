"""Avro messages, framed for a Schema Registry."""

from __future__ import annotations

import io
from typing import Any

from fastavro import parse_schema, schemaless_reader
from fastavro.read import LOGICAL_READERS

from monitor.sources.formats.avro_weights import AvroWeights
from monitor.sources.formats.documents import Document, DocumentDecoder, Reader, Unreadable
from monitor.sources.formats.schema_text import parse_schema_text
from monitor.sources.missing_fields import mapping

_DECIMAL = 512  # bytes of a decimal: reading a longer one takes the square of its length


class AvroDecoder(DocumentDecoder):
    """Avro records. `timestamp-millis` and `timestamp-micros` need no time unit; a union with null may be NaN.

    One more reason: avro. A schema with a type inside itself, or with values that take memory and no bytes, is a
    bad-schema.
    """

    reason = "avro"

    def open(self, number: int) -> Reader:
        """See `DocumentDecoder`."""
        schema = self._registry.schema(number, kind="AVRO")
        named: dict[str, Any] = {}  # types by name; `parse_schema` adds to it
        for _, other in self._registry.references(schema):
            parse_schema(parse_schema_text(other.schema_str), named)
        parsed = parse_schema(parse_schema_text(schema.schema_str), named)
        AvroWeights(named).check(parsed)

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


def _bound_decimals() -> None:
    """Make fastavro refuse decimals that are too long, in this process: it has one table of logical types for all."""

    def bounded(read: Any) -> Any:
        def decimal(data: bytes, writer_schema: Any = None, reader_schema: Any = None) -> Any:
            if len(data) > _DECIMAL:
                raise ValueError(f"a decimal has {len(data):,} bytes; at most {_DECIMAL} are read")
            return read(data, writer_schema, reader_schema)

        return decimal

    for kind in ("bytes-decimal", "fixed-decimal"):
        LOGICAL_READERS[kind] = bounded(LOGICAL_READERS[kind])


_bound_decimals()
