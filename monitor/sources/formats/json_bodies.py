"""Typed parsing of JSON bodies into the fields that are read, and why a body does not fit them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, NamedTuple, cast

import msgspec
import numpy as np

from monitor.config.formats import Format
from monitor.records.batches import Int64
from monitor.sources.decode import Assembly
from monitor.sources.faults import Fault
from monitor.sources.formats.json_layouts import DottedNames, Layout, Place, Repeated
from monitor.sources.formats.json_numbers import BadNumber, number, plain
from monitor.sources.missing_fields import AbsentError, mapping, missing
from monitor.sources.notation import Notation
from monitor.sources.stream_names import Key

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, BadNumber)
_NO_ITEMS = Fault("empty", "the array is empty")


class JsonBodies:
    """Parses bodies that are one object each, or with `many` an array of objects; other fields are ignored.

    Each body is decoded by itself. Joining the bodies of a batch into one array saves 5 % and lets a malformed body
    splice with its neighbours (`{"a":[{}` and `{}]}` are one object); guards against that cost more than it saves.
    A body that is refused so is tried once more with values written as text, and with NaN: see `json_numbers`.
    A name with dots is a field of that name where the object has one, else a path into nested objects.
    Raises SettingsError for places that cannot be.
    """

    def __init__(self, places: Sequence[Place], form: Format, *, many: bool = False) -> None:
        self._form, self._notation, self._many = form, Notation(form), many
        self._paths = self._used = Layout(places, self._notation, many=many)
        dotted = [name for _, name, _ in places if "." in name]
        self._names = Layout(places, self._notation, many=many, whole=dotted) if dotted else self._paths
        self._dotted = DottedNames(dotted, [name for _, name, _ in places])

    def getters(self, role: str) -> list[Callable[[Any], Any]]:
        """How to fetch the fields of a role from a message of the last `parse`, in the order of the places."""
        return [field.get for field in self._used.fields if field.role == role]

    def keys(self, layout: Format, messages: Sequence[Any]) -> Sequence[Key] | None:
        """The key of each message, or None where that is Kafka's."""
        gets = self.getters("key")
        if not gets:
            return None
        columns = [list(map(get, messages)) for get in gets]
        return columns[0] if layout.key_fields == (layout.key,) else list(map(layout.name, zip(*columns, strict=True)))

    def parse(self, assembly: Assembly) -> tuple[list[Any], Int64]:
        """Messages and the record each came from; all at once, and one by one only to find the bad ones."""
        bodies = assembly.records.values
        rows = np.arange(len(bodies))
        self._used = layout = self._names if self._dotted.may_stand_in(bodies) else self._paths
        try:
            found = list(map(layout.decode, bodies))
        except (*UNREADABLE, TypeError):
            found, rows = self._parse_one_by_one(assembly)
        objects = list(map(len, found)) if self._many else None
        chosen = bodies if len(rows) == len(bodies) else [bodies[row] for row in rows.tolist()]
        for place, fault in layout.duplicates.find(cast("Sequence[bytes]", chosen), objects):
            assembly.faults.setdefault(int(rows[place]), fault)
        if objects is None:
            return found, rows
        assembly.blame(rows[np.array(objects, dtype=np.int64) == 0], _NO_ITEMS)
        return list(chain.from_iterable(found)), np.repeat(rows, objects)

    def _parse_one_by_one(self, assembly: Assembly) -> tuple[list[Any], Int64]:
        found, rows = [], []
        for row, body in assembly.bodies():
            try:
                found.append(self._read(body))
                rows.append(row)
            except Repeated as repeated:
                assembly.faults[row] = repeated.fault
            except UNREADABLE as error:
                assembly.faults[row] = self._explain(body, error)
                if self._form.key_fields and (key := self._key_of(body)):
                    assembly.keys = (assembly.keys or {}) | {row: key}
        return found, np.array(rows, dtype=np.int64)

    def _read(self, body: bytes) -> Any:
        """One body decoded. Raises one of UNREADABLE, and Repeated."""
        if self._used is self._paths:
            return self._used.read(body)
        return self._used.read(self._dotted.lifted(body))

    def _explain(self, body: bytes, error: Exception) -> Fault:
        """Why this body is not a message of ours."""
        document = parse_json(body)
        if isinstance(document, Fault):
            return document
        if (repeated := self._dotted.repeated(body)) is not None:
            return repeated
        if self._many and not isinstance(document.value, list):
            return Fault("not-an-array", "the body is JSON, but not an array")
        items = document.value if self._many else [document.value]
        faults = (self._explain_object(item) for item in items)
        return next((fault for fault in faults if fault is not None), Fault("json", str(error)))

    def _key_of(self, body: bytes) -> Key:
        """The name of the stream that a body which cannot be read belongs to, where it says that at least."""
        document = parse_json(body)
        item: Any = None if isinstance(document, Fault) else document.value
        if self._many and isinstance(item, list) and item:
            item = item[0]
        try:
            parts = [mapping(item)(field.name) for field in self._paths.fields if field.role == "key"]
        except AbsentError:
            return None
        return self._form.name(parts) if all(isinstance(part, str | int) for part in parts) else None

    def _explain_object(self, document: Any) -> Fault | None:
        if not isinstance(document, dict):
            what = "an item of the array is" if self._many else "the body is JSON, but"
            return Fault("not-an-object", f"{what} not an object")
        for field in self._paths.fields:
            try:
                item = mapping(document)(field.name)
            except AbsentError:
                read = [each.name for each in self._paths.fields]
                return Fault(f"missing-{field.role}", missing(field.name, document, read))
            try:
                found = msgspec.convert(item, field.kind)
                if field.role == "value":
                    number(found, self._notation)
            except (msgspec.ValidationError, OverflowError, BadNumber) as wrong:
                return Fault(f"bad-{field.role}", f"the field {field.name}: {wrong}")
        return None


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
