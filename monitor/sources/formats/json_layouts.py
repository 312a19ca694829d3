"""Where the fields of a JSON object lie: a struct type made of them, and how each is fetched from a decoded one."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import msgspec

from monitor.errors import SettingsError
from monitor.sources.faults import Fault
from monitor.sources.formats.duplicates import DuplicateKeys
from monitor.sources.formats.json_numbers import number, plain, with_text
from monitor.sources.missing_fields import mapping
from monitor.sources.notation import Notation

Place = tuple[str, str, Any]  # role ("key", "time", "value", ...), name, type
Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Field:
    """A place in the message: `path` leads to it in a decoded one, `get` fetches it."""

    role: str
    name: str
    kind: Any
    path: str
    get: Callable[[Any], Any]

    def to_number(self, message: Any, notation: Notation) -> None:
        """Replace text in this place by the numbers that it says. Raises BadNumber."""
        *parents, last = self.path.rsplit(".", 1)
        holder = attrgetter(*parents)(message) if parents else message
        setattr(holder, last, number(self.get(message), notation))


class Layout:
    """One way in which the places may lie: those in `whole` as fields of that name, the others at the path it says.

    Raises SettingsError for places that cannot be.
    """

    def __init__(
        self, places: Sequence[Place], notation: Notation, *, many: bool = False, whole: Sequence[str] = ()
    ) -> None:
        paths = [(name,) if name in whole else tuple(name.split(".")) for _, name, _ in places]
        message, _ = _layout(places, paths)
        texts = [(role, name, with_text(kind) if role == "value" else kind) for role, name, kind in places]
        lenient, self.fields = _layout(texts, paths)
        self.duplicates = DuplicateKeys(paths)
        self.decode = _decoder(message, many=many)
        self._decode_lenient = _decoder(lenient, many=many)
        self._notation, self._many = notation, many
        self._values = [field for field in self.fields if field.role == "value"]

    def read(self, body: bytes) -> Any:
        """One body decoded, if need be with the numbers that JSON does not have.

        Raises what msgspec does, and BadNumber.
        """
        try:
            return self.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            found = self._decode_lenient(plain(body))
        for message in found if self._many else [found]:
            for field in self._values:
                field.to_number(message, self._notation)
        return found


class Repeated(Exception):  # noqa: N818 (it never leaves a decoder)
    """A body names a field twice, or is nested too deep to say."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.error)
        self.fault = fault


class DottedNames:
    """Names with dots, which are fields of that name where an object has one, else paths; `names` are all that is read.

    Where no body of a batch has such a field, as is usual, all of them are paths, and that takes a search for the text.
    """

    def __init__(self, dotted: Sequence[str], names: Sequence[str]) -> None:
        self._dotted = dotted
        self._texts = [f'"{name}"'.encode() for name in dotted]
        self._duplicates = DuplicateKeys([*((name,) for name in dotted), *(name.split(".") for name in names)])
        self._spelt = re.compile(rb"\\u00[0-7]|\\/" if "".join(dotted).isascii() else rb"\\[u/]")

    def may_stand_in(self, bodies: Sequence[bytes | None]) -> bool:
        """Whether one of the bodies may have a field of such a name."""
        if not self._texts:
            return False
        text = b"".join(body for body in bodies if body is not None)
        return any(name in text for name in self._texts) or (b"\\" in text and bool(self._spelt.search(text)))

    def repeated(self, body: bytes) -> Fault | None:
        """Whether this body repeats a field."""
        return self._duplicates.fault(body)

    def lifted(self, body: bytes) -> bytes:
        """The same body with every name with dots as a field. Raises what msgspec does, and Repeated."""
        document = msgspec.json.decode(plain(body))
        if (fault := self.repeated(body)) is not None:
            raise Repeated(fault)
        for item in document if isinstance(document, list) else [document]:
            for name in self._dotted if isinstance(item, dict) else ():
                with suppress(KeyError):
                    item[name] = mapping(item)(name)
        return msgspec.json.encode(document)


def _layout(places: Sequence[Place], paths: Sequence[Path]) -> tuple[type[msgspec.Struct], tuple[Field, ...]]:
    """A struct type (nested where paths are), and how to fetch each field. Raises SettingsError."""
    tree: dict[str, Any] = {}
    for (_, name, kind), (*parents, last) in zip(places, paths, strict=True):
        table = tree
        for parent in parents:
            table = table.setdefault(parent, {}) if isinstance(table, dict) else table
        if not isinstance(table, dict) or last in table:
            raise SettingsError(f"format: the field {name} is named twice, or lies inside another field")
        table[last] = kind
    attributes = [_attributes(tree, path) for path in paths]
    fields = tuple(
        Field(role, name, kind, path, attrgetter(path))
        for (role, name, kind), path in zip(places, attributes, strict=True)
    )
    try:
        return _struct(tree), fields
    except ValueError as error:
        raise SettingsError(f"format: a field name cannot be used: {error}") from None


def _decoder(message: type[msgspec.Struct], *, many: bool) -> Callable[[Any], Any]:
    return msgspec.json.Decoder(list[message] if many else message).decode  # type: ignore[valid-type]  # made at run time


def _attributes(tree: dict[str, Any], parts: Path) -> str:
    """The dotted attribute path of a field in the struct that `_struct` makes of the tree."""
    path = []
    table: Any = tree
    for part in parts:
        path.append(f"f{list(table).index(part)}")
        table = table[part]
    return ".".join(path)


def _struct(tree: dict[str, Any]) -> type[msgspec.Struct]:
    fields = [
        (f"f{place}", _struct(kind) if isinstance(kind, dict) else kind) for place, kind in enumerate(tree.values())
    ]
    rename = {f"f{place}": name for place, name in enumerate(tree)}
    return msgspec.defstruct("Message", fields, rename=rename, gc=False)
