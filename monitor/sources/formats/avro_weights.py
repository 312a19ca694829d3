"""How much memory the values of an Avro schema may take beside the bytes that say them."""

from __future__ import annotations

from typing import Any, NamedTuple

from monitor.sources.formats.schema_text import DEEPEST

_PER_BYTE = 2  # values without bytes that a byte may pay for
_FREE = 1_000  # values without bytes that a message may hold beyond that
_BYTES = {"null": 0, "boolean": 1, "int": 1, "long": 1, "float": 4, "double": 8, "bytes": 1, "string": 1}


class _Weight(NamedTuple):
    free: int  # the most values without bytes (records, nulls, ...) that are not paid for by bytes; below 0: paid over
    height: int  # levels of types within types


class AvroWeights:
    """Weighs parsed schemas; `named` are the types by their full names. A type that was weighed is not weighed again.

    fastavro's compiled reader follows a type that contains itself until the process dies, and makes as many values
    without bytes as a schema or the count of an array claims: ten levels of records with two of the next level each
    are a thousand, 60 are more than any memory.
    """

    def __init__(self, named: dict[str, Any]) -> None:
        self._named = named
        self._known: dict[str, _Weight | None] = {}  # None: being weighed

    def check(self, schema: Any) -> None:
        """Raise ValueError for a schema with which a short message can do harm."""
        if self._weigh(schema).free > _FREE:
            raise ValueError(f"a message could hold more than {_FREE:,} values that take no bytes")

    def _weigh(self, schema: Any) -> _Weight:
        if isinstance(schema, str):
            return _Weight(_paid(_BYTES[schema]), 0) if schema in _BYTES else self._by_name(schema)
        if isinstance(schema, list):
            branches = [self._weigh(branch) for branch in schema]
            free, height = (max(values) for values in zip(*branches, strict=True))
            return _Weight(_paid(1) + free, height)
        match schema["type"]:
            case "record" | "error":
                self._named.setdefault(schema["name"], schema)
                found = self._by_name(schema["name"])
            case "array":
                found = self._container(schema["items"], 0)
            case "map":
                found = self._container(schema["values"], _paid(1))  # the key
            case "enum":
                found = _Weight(_paid(1), 0)
            case "fixed":
                found = _Weight(_paid(int(schema["size"])), 0)
            case kind:
                found = self._weigh(kind)
        return found

    def _by_name(self, name: str) -> _Weight:
        schema = self._named[name]
        if schema["type"] not in ("record", "error"):
            return self._weigh(schema)
        if name not in self._known:
            self._known[name] = None
            fields = [self._weigh(field["type"]) for field in schema["fields"]]
            height = 1 + max((field.height for field in fields), default=0)
            if height > DEEPEST:
                raise ValueError(f"its types lie in each other over more than {DEEPEST} levels")
            self._known[name] = _Weight(1 + sum(field.free for field in fields), height)
        found = self._known[name]
        if found is None:
            raise ValueError(f"the type {name} contains itself")
        return found

    def _container(self, items: Any, paid: int) -> _Weight:
        """An array or a map: of its items each must be paid for by separate bytes."""
        item = self._weigh(items)
        if item.free + paid > 0:
            raise ValueError("the items of an array or a map could take no bytes, or far fewer than memory")
        return _Weight(1 + _paid(1), 1 + item.height)


def _paid(size: int) -> int:
    return -_PER_BYTE * size if size > 0 else 1
