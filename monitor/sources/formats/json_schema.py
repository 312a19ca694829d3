"""JSON messages framed for a Schema Registry, checked against the JSON Schema that they name."""

from __future__ import annotations

import json

from jsonschema.validators import validator_for
from referencing import Registry as Resources
from referencing import Resource
from referencing.jsonschema import DRAFT7

from monitor.config.families import Family
from monitor.records.streams import StreamIndex
from monitor.sources.faults import Fault
from monitor.sources.formats.documents import Document, DocumentDecoder, Reader, Unreadable
from monitor.sources.formats.duplicates import DuplicateKeys
from monitor.sources.formats.json_bodies import REPEATED, parse_json
from monitor.sources.formats.registry import Registry
from monitor.sources.missing_fields import mapping


class JsonSchemaDecoder(DocumentDecoder):
    """JSON objects that are valid by their schema. More reasons: json, utf8, duplicate-key, json-schema."""

    reason = "json-schema"

    def __init__(self, family: Family, index: StreamIndex, registry: Registry) -> None:
        super().__init__(family, index, registry)
        names = (*family.format.key_fields, *family.format.time_fields, *self._values)
        self._dotted = any("." in name for name in names)  # each may be a field or a path
        paths = [*(name.split(".") for name in names), *((name,) for name in names if "." in name)]
        self._duplicates = DuplicateKeys(paths)

    def open(self, number: int) -> Reader:
        """See `DocumentDecoder`."""
        schema = self._registry.schema(number)
        others = [(name, json.loads(other.schema_str or "")) for name, other in self._registry.references(schema)]
        resources: Resources = Resources().with_resources(
            (name, Resource.from_contents(other, default_specification=DRAFT7)) for name, other in others
        )
        document = json.loads(schema.schema_str or "")
        kind = validator_for(document)
        kind.check_schema(document)
        validator = kind(document, registry=resources)  # fetches nothing by itself

        def read(payload: bytes) -> Document:
            parsed = parse_json(payload)
            if isinstance(parsed, Fault):
                raise Unreadable(*parsed)
            validator.validate(parsed.value)
            if self._duplicates.repeats(payload) if self._dotted else self._duplicates.find([payload]):
                raise Unreadable(*REPEATED)
            return mapping(parsed.value)

        return read
