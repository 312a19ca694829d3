"""Typed parsing of JSON bodies: a struct type made of the fields that are read, and why a body does not fit it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np

from monitor.errors import SettingsError
from monitor.message_format import Format
from monitor.records import Int64
from monitor.sources.decode import Assembly, Fault, Key
from monitor.sources.formats.duplicates import DuplicateKeys

Place = tuple[str, str, Any]  # role ("key", "time", "value", ...), name, type
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
REPEATED = Fault("duplicate-key", "a field is there twice")
_NO_ITEMS = Fault("empty", "the array is empty")


@dataclass(frozen=True, slots=True)
class _Field:
    """A place in the message; `get` fetches it from a decoded one."""

    role: str
    name: str
    kind: Any
    get: Callable[[Any], Any]


class JsonBodies:
    """Parses bodies that are one object each, or with `many` an array of objects; other fields are ignored.

    Each body is decoded by itself. Joining the bodies of a batch into one array saves 5 % and lets a malformed body
    splice with its neighbours (`{"a":[{}` and `{}]}` are one object); guards against that cost more than it saves.
    Raises SettingsError for places that cannot be.
    """

    def __init__(self, places: Sequence[Place], *, many: bool = False) -> None:
        message, self._fields = _layout(places)
        self._many = many
        self._decode: Callable[[Any], Any] = msgspec.json.Decoder(list[message] if many else message).decode  # type: ignore[valid-type]  # made at run time
        self._duplicates = DuplicateKeys([name for _, name, _ in places])

    def getters(self, role: str) -> list[Callable[[Any], Any]]:
        """How to fetch the fields of a role from a message, in the order of the places."""
        return [field.get for field in self._fields if field.role == role]

    def keys(self, layout: Format, messages: Sequence[Any]) -> Sequence[Key] | None:
        """The key of each message, or None where that is Kafka's."""
        gets = self.getters("key")
        if not gets:
            return None
        columns = [map(get, messages) for get in gets]
        return list(columns[0]) if layout.key_fields == (layout.key,) else list(map(layout.name, zip(*columns)))

    def parse(self, assembly: Assembly) -> tuple[list[Any], Int64]:
        """Decoded messages and the records they came from; all at once, and one by one only to find the bad ones."""
        bodies = assembly.records.values
        rows = np.arange(len(bodies))
        try:
            found = list(map(self._decode, bodies))
        except (*UNREADABLE, TypeError):
            found = [item for item in map(self._try, [assembly] * len(bodies), rows.tolist()) if item is not None]
            rows = rows[[row not in assembly.faults for row in rows.tolist()]]
        return self._checked(assembly, found, rows)

    def _try(self, assembly: Assembly, row: int) -> Any:
        """The decoded body, or None with the record blamed."""
        body = assembly.records.values[row]
        if body is None or not body.strip():
            assembly.faults[row] = Fault("empty", "the message has no body")
            return None
        try:
            return self._decode(body)
        except UNREADABLE as error:
            assembly.faults[row] = self._explain(body, error)
            return None
