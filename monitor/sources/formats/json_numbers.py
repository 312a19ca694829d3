"""Numbers that JSON does not have but producers send: bare NaN and Infinity, and numbers written as text."""

from __future__ import annotations

import re
from typing import Annotated, Any, get_args, get_origin

import msgspec

# What text is a number is decided as in CSV cells (`monitor.sources.files.cells`), without loading pandas for it.
_SPACE = r"[ \t\n\r\f\v]*+"
_NUMBER = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_MISSING = r"(?i:nan|na|n/a|null|none)?"
_PATTERN = f"^{_SPACE}(?:{_NUMBER}|{_MISSING}){_SPACE}$"
_PATTERN_SHOWN = f"`str` matching regex {_PATTERN!r}"
NumberText = Annotated[str, msgspec.Meta(pattern=_PATTERN)]

_BARE = re.compile(rb'"(?:[^"\\]|\\.?)*+"?|NaN|-?Infinity', re.DOTALL)  # texts too, to leave them alone
_WRITTEN = {b"NaN": b" null ", b"Infinity": b" 1e999 ", b"-Infinity": b" -1e999 "}


def with_text(kind: Any) -> Any:
    """The same type of a value, or of lists of values, that takes numbers written as text."""
    return list[with_text(get_args(kind)[0])] if get_origin(kind) is list else kind | NumberText  # type: ignore[misc]  # made at run time


def number(item: Any) -> Any:
    """A value that `with_text` let through, or lists of them, without text: None = missing."""
    if isinstance(item, list):
        return [number(cell) for cell in item]
    if not isinstance(item, str):
        return item
    try:
        return float(item)
    except ValueError:
        return None


def plain(body: bytes) -> bytes:
    """The body with null for NaN, and for Infinity a number that is too large to read."""
    if b"NaN" not in body and b"Infinity" not in body:
        return body
    return _BARE.sub(lambda found: _WRITTEN.get(found[0], found[0]), body)


def in_words(error: Exception) -> str:
    """What is wrong with a value, for a person."""
    return str(error).replace(_PATTERN_SHOWN, "a number")
