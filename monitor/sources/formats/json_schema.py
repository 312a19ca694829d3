"""JSON messages framed for a Schema Registry, checked against the JSON Schema that they name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jsonschema.exceptions import ValidationError

from monitor.config.families import Family
from monitor.records.streams import StreamIndex
from monitor.sources.faults import Fault
from monitor.sources.formats.documents import Document, DocumentDecoder, Reader, Unreadable
from monitor.sources.formats.duplicates import DuplicateKeys
from monitor.sources.formats.json_bodies import parse_json
from monitor.sources.formats.json_validation import JsonSchema
from monitor.sources.formats.registry import Registry
from monitor.sources.missing_fields import mapping


class JsonSchemaDecoder(DocumentDecoder):
    """JSON objects that are valid by their schema. More reasons: json, utf8, duplicate-key, json-schema."""

    reason = "json-schema"

    def __init__(self, family: Family, index: StreamIndex, registry: Registry) -> None:
        super().__init__(family, index, registry)
        layout = family.format
        names = (
            *layout.key_fields, *layout.time_fields, *layout.channel_fields, *self._values, *self._quality.names,
        )  # fmt: skip
        self._names = set() if any("." in name for name in names) else set(names)  # none: each may be a field or a path
        paths = [*(name.split(".") for name in names), *((name,) for name in names if "." in name)]
        self._duplicates = DuplicateKeys(paths)

    def open(self, number: int) -> Reader:
        """See `DocumentDecoder`."""
        schema = self._registry.schema(number, kind="JSON")
        others = [(name, other.schema_str) for name, other in self._registry.references(schema)]
        validate = JsonSchema(schema.schema_str, others).validate

        def read(payload: bytes) -> Document:
            parsed = parse_json(payload)
            if isinstance(parsed, Fault):
                raise Unreadable(*parsed)
            _validate(validate, parsed.value, len(payload))
            if (repeated := self._repeated(payload, parsed.value)) is not None:
                raise Unreadable(*repeated)
            return mapping(parsed.value)

        return read

    def _repeated(self, payload: bytes, document: Any) -> Fault | None:
        if self._names and isinstance(document, dict) and self._names <= document.keys():
            return next((fault for _, fault in self._duplicates.find([payload])), None)
        return self._duplicates.fault(payload)


def _validate(validate: Callable[[Any, int], None], document: Any, size: int) -> None:
    try:
        validate(document, size)
    except ValidationError as error:  # its full text shows all of the schema and the body
        says, place = error.message[:200], error.json_path[:80]
        raise Unreadable("json-schema", f"the body does not fit its schema: {says}, at {place}") from None
    except RecursionError:
        raise Unreadable("json-schema", "the body is nested deeper than its schema can be followed") from None
