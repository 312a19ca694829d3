"""Typed parsing of JSON bodies: a struct type made of the fields that are read, and why a body does not fit it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from typing import Any, NamedTuple, cast

import msgspec
import numpy as np

from monitor.config.formats import Format
from monitor.errors import SettingsError
from monitor.records.batches import Int64
from monitor.sources.decode import Assembly, Fault, Key
from monitor.sources.formats.duplicates import DuplicateKeys
from monitor.sources.formats.json_numbers import in_words, number, plain, with_text
from monitor.sources.missing_fields import missing

Place = tuple[str, str, Any]  # role ("key", "time", "value", ...), name, type
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
REPEATED = Fault("duplicate-key", "a field occurs twice")
_NO_ITEMS = Fault("empty", "the array is empty")


@dataclass(frozen=True, slots=True)
class _Field:
    """A place in the message: `path` leads to it in a decoded one, `get` fetches it."""

    role: str
    name: str
    kind: Any
    path: str
    get: Callable[[Any], Any]

    def to_number(self, message: Any) -> None:
        """Replace text in this place by the numbers that it says."""
        *parents, last = self.path.rsplit(".", 1)
        holder = attrgetter(*parents)(message) if parents else message
        setattr(holder, last, number(self.get(message)))


class JsonBodies:
    """Parses bodies that are one object each, or with `many` an array of objects; other fields are ignored.

    Each body is decoded by itself. Joining the bodies of a batch into one array saves 5 % and lets a malformed body
    splice with its neighbours (`{"a":[{}` and `{}]}` are one object); guards against that cost more than it saves.
    A body that is refused so is tried once more with values written as text, and with NaN: see `json_numbers`.
    Raises SettingsError for places that cannot be.
    """

    def __init__(self, places: Sequence[Place], *, many: bool = False) -> None:
        message, _ = _layout(places)
        lenient, self._fields = _layout(
            [(role, name, with_text(kind) if role == "value" else kind) for role, name, kind in places]
        )
        self._many = many
        self._decode = _decoder(message, many=many)
        self._decode_lenient = _decoder(lenient, many=many)
        self._duplicates = DuplicateKeys([name for _, name, _ in places])

    def getters(self, role: str) -> list[Callable[[Any], Any]]:
        """How to fetch the fields of a role from a message, in the order of the places."""
        return [field.get for field in self._fields if field.role == role]

    def keys(self, layout: Format, messages: Sequence[Any]) -> Sequence[Key] | None:
        """The key of each message, or None where that is Kafka's."""
        gets = self.getters("key")
        if not gets:
            return None
        columns = [list(map(get, messages)) for get in gets]
        return columns[0] if layout.key_fields == (layout.key,) else list(map(layout.name, zip(*columns, strict=True)))

    def parse(self, assembly: Assembly, layout: Format) -> tuple[list[Any], Int64]:
        """Messages and the record each came from; all at once, and one by one only to find the bad ones."""
        bodies = assembly.records.values
        rows = np.arange(len(bodies))
        try:
            found = list(map(self._decode, bodies))
        except (*UNREADABLE, TypeError):
            found, rows = self._parse_one_by_one(assembly, layout)
        objects = list(map(len, found)) if self._many else None
        chosen = bodies if len(rows) == len(bodies) else [bodies[row] for row in rows.tolist()]
        assembly.blame(rows[self._duplicates.find(cast("Sequence[bytes]", chosen), objects)], REPEATED)
        if objects is None:
            return found, rows
        assembly.blame(rows[np.array(objects, dtype=np.int64) == 0], _NO_ITEMS)
        return list(chain.from_iterable(found)), np.repeat(rows, objects)

    def _parse_one_by_one(self, assembly: Assembly, layout: Format) -> tuple[list[Any], Int64]:
        found, rows = [], []
        for row, body in assembly.bodies():
            try:
                found.append(self._read(body))
                rows.append(row)
            except UNREADABLE as error:
                assembly.faults[row] = self._explain(body, error)
                if layout.key_fields and (key := self._key_of(body, layout)):
                    assembly.keys = (assembly.keys or {}) | {row: key}
        return found, np.array(rows, dtype=np.int64)

    def _read(self, body: bytes) -> Any:
        """One body decoded, if need be with the numbers that JSON does not have. Raises one of UNREADABLE."""
        try:
            return self._decode(body)
        except UNREADABLE:
            found = self._decode_lenient(plain(body))
        values = [field for field in self._fields if field.role == "value"]
        for message in found if self._many else [found]:
            for field in values:
                field.to_number(message)
        return found

    def _explain(self, body: bytes, error: Exception) -> Fault:
        """Why this body is not a message of ours."""
        document = parse_json(body)
        if isinstance(document, Fault):
            return document
        if self._duplicates.repeats(body):
            return REPEATED
        if self._many and not isinstance(document.value, list):
            return Fault("not-an-array", "the body is JSON, but not an array")
        items = document.value if self._many else [document.value]
        faults = (self._explain_object(item) for item in items)
        return next((fault for fault in faults if fault is not None), Fault("json", str(error)))

    def _key_of(self, body: bytes, layout: Format) -> Key:
        """The name of the stream that a body which cannot be read belongs to, where it says that at least."""
        document = parse_json(body)
        item: Any = None if isinstance(document, Fault) else document.value
        if self._many and isinstance(item, list) and item:
            item = item[0]
        parts = [value_at(item, field.name) for field in self._fields if field.role == "key"]
        return layout.name(parts) if all(isinstance(part, str | int) for part in parts) else None

    def _explain_object(self, document: Any) -> Fault | None:
        if not isinstance(document, dict):
            what = "an item of the array is" if self._many else "the body is JSON, but"
            return Fault("not-an-object", f"{what} not an object")
        for field in self._fields:
            item: Any = document
            for part in field.name.split("."):
                if not isinstance(item, dict) or part not in item:
                    read = [each.name for each in self._fields]
                    return Fault(f"missing-{field.role}", missing(field.name, document, read))
                item = item[part]
            try:
                msgspec.convert(item, field.kind)
            except (msgspec.ValidationError, OverflowError) as wrong:
                return Fault(f"bad-{field.role}", f"the field {field.name}: {in_words(wrong)}")
        return None


def value_at(document: Any, path: str) -> Any:
    """The value at a dotted path of a JSON document; None where there is none."""
    for part in path.split("."):
        document = document.get(part) if isinstance(document, dict) else None
    return document


class Parsed(NamedTuple):
    """A JSON document of any kind."""

    value: Any


def parse_json(body: bytes) -> Parsed | Fault:
    """The document, with null for NaN, or why there is none."""
    try:
        return Parsed(msgspec.json.decode(plain(body)))
    except UNREADABLE as error:
        try:
            body.decode()
        except UnicodeDecodeError as wrong:
            return Fault("utf8", f"the body is not UTF-8: {wrong.reason} at byte {wrong.start}")
        if isinstance(error, msgspec.ValidationError):
            return Fault("bad-value", f"a number is too large: {error}")
        return Fault("json", str(error))


def key_and_time(layout: Format) -> list[Place]:
    """The places of a message that are neither Kafka's key nor its time."""
    keys: list[Place] = [("key", name, str | int) for name in layout.key_fields]
    return keys + [("time", name, int | float | str) for name in layout.time_fields]


def _layout(places: Sequence[Place]) -> tuple[type[msgspec.Struct], tuple[_Field, ...]]:
    """A struct type (nested where names have dots), and how to fetch each field. Raises SettingsError."""
    tree: dict[str, Any] = {}
    for _, name, kind in places:
        *parents, last = name.split(".")
        table = tree
        for parent in parents:
            table = table.setdefault(parent, {}) if isinstance(table, dict) else table
        if not isinstance(table, dict) or last in table:
            raise SettingsError(f"format: the field {name} is named twice, or lies inside another field")
        table[last] = kind
    paths = [_attributes(tree, name) for _, name, _ in places]
    fields = tuple(
        _Field(role, name, kind, path, attrgetter(path)) for (role, name, kind), path in zip(places, paths, strict=True)
    )
    try:
        return _struct(tree), fields
    except ValueError as error:
        raise SettingsError(f"format: a field name cannot be used: {error}") from None


def _decoder(message: type[msgspec.Struct], *, many: bool) -> Callable[[Any], Any]:
    return msgspec.json.Decoder(list[message] if many else message).decode  # type: ignore[valid-type]  # made at run time


def _attributes(tree: dict[str, Any], name: str) -> str:
    """The dotted attribute path of a field in the struct that `_struct` makes of the tree."""
    path = []
    table: Any = tree
    for part in name.split("."):
        path.append(f"f{list(table).index(part)}")
        table = table[part]
    return ".".join(path)


def _struct(tree: dict[str, Any]) -> type[msgspec.Struct]:
    fields = [
        (f"f{place}", _struct(kind) if isinstance(kind, dict) else kind) for place, kind in enumerate(tree.values())
    ]
    rename = {f"f{place}": name for place, name in enumerate(tree)}
    return msgspec.defstruct("Message", fields, rename=rename, gc=False)
