"""What a record has instead of what is missing: the fields of its body, and the bytes of a key that is no text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from monitor.config.unknown_names import nearest

_SHOWN = 8  # fields
_KNOWN = 100  # fields that are compared with the missing one
_LENGTH = 40  # characters of a field's name
_BYTES = 16  # of a key
_NUMBERS = {4: "int", 8: "long"}  # sizes of keys that producers write as whole numbers


class AbsentError(KeyError):
    """A message has no field of that name or path; `document` is what it has, as dicts. It never leaves a decoder."""

    def __init__(self, name: str, document: object) -> None:
        super().__init__(name)
        self.document = document


def mapping(fields: Any) -> Callable[[str], Any]:
    """What finds a field in nested dicts: by its whole name first, then by the path that it says; else AbsentError."""

    def get(name: str) -> Any:
        item = fields
        if isinstance(item, dict) and name in item:
            return item[name]
        for part in name.split("."):
            if not isinstance(item, dict) or part not in item:
                raise AbsentError(name, fields)
            item = item[part]
        return item

    return get


def missing(name: str, document: object, read: Sequence[str]) -> str:
    """The sentence about a field that `document` does not have; `read` are the fields that are read of it."""
    fields = list(islice(_fields(document), _KNOWN))
    if name in fields:
        return f"the field {name} is missing; the body has it with dots inside a name"
    absent = f"the field {name} is missing" + (", as a name and as a path" if "." in name else "")
    others = [field for field in fields if field not in read]
    if not others:
        return f"{absent}; the body has no other field in its place"
    shown = [field if len(field) <= _LENGTH else field[: _LENGTH - 1] + "…" for field in others[:_SHOWN]]
    more = " and more" if len(others) > _SHOWN else ""
    return f"{absent}; the body has {', '.join(shown)}{more}{nearest(name, others)}"


def no_text(key: bytes) -> str:
    """What a key is that is no text: its bytes, and the number that they may be."""
    cut = " …" if len(key) > _BYTES else ""
    number, kind = "", _NUMBERS.get(len(key), "hex")
    if len(key) in _NUMBERS:
        number = f", perhaps the {kind} {int.from_bytes(key, 'big', signed=True)}"
    shown = f"{key[:_BYTES].hex(' ')}{cut}"
    return f'the key is no text but {len(key)} bytes ({shown}){number}: format.key_encoding = "{kind}"'


def _fields(document: Any, within: str = "") -> Iterator[str]:
    """The dotted names of what an object holds; an object inside counts by what it holds."""
    if isinstance(document, dict):
        for name, item in document.items():
            if isinstance(item, dict) and item:
                yield from _fields(item, f"{within}{name}.")
            else:
                yield f"{within}{name}"
