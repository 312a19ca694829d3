"""Numbers that JSON does not have but producers send: bare NaN and Infinity, and numbers written as text."""

from __future__ import annotations

import re
from typing import Any, get_args, get_origin

from monitor.sources.notation import Notation
from monitor.sources.number_faults import key, number_fault

_BARE = re.compile(rb'"(?:[^"\\]|\\.?)*+"?|NaN|-?Infinity', re.DOTALL)  # texts too, to leave them alone
_WRITTEN = {b"NaN": b" null ", b"Infinity": b" 1e999 ", b"-Infinity": b" -1e999 "}


class BadNumber(ValueError):  # noqa: N818 (it never leaves a decoder)
    """A text is no number; the error says why."""


def with_text(kind: Any) -> Any:
    """The same type of a value, or of lists of values, that takes text too."""
    return list[with_text(get_args(kind)[0])] if get_origin(kind) is list else kind | str  # type: ignore[misc]  # made at run time


def number(item: Any, notation: Notation) -> Any:
    """A value that `with_text` let through, or lists of them, without text: None = missing. Raises BadNumber."""
    if isinstance(item, list):
        return [number(cell, notation) for cell in item]
    if not isinstance(item, str):
        return item
    found = notation.value(item)
    if found is None:
        raise BadNumber(number_fault(item, notation, key))
    return None if found != found else found  # noqa: PLR0124 (NaN)


def plain(body: bytes) -> bytes:
    """The body with null for NaN, and for Infinity a number that is too large to read."""
    if b"NaN" not in body and b"Infinity" not in body:
        return body
    return _BARE.sub(lambda found: _WRITTEN.get(found[0], found[0]), body)
