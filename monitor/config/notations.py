"""Checks of the keys of `format` that say how values are written, what they are worth and which ones are counters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from monitor.config.formats import Format

THOUSANDS = ",.' \u00a0\u2009\u202f\u2019"  # separators between groups of three digits


def notation_problems(layout: Format) -> Iterator[str]:
    """How values are written, in sentences that begin with the key."""
    if layout.thousands and (len(layout.thousands) != 1 or layout.thousands not in THOUSANDS):
        yield f"format.thousands: {layout.thousands!r} is none of: , . ' or a space"
    elif layout.thousands == layout.decimal:
        yield f"format.thousands: {layout.thousands} is the decimal sign already; give format.decimal too"
    words = [word.strip().casefold() for word in (*layout.missing, *layout.high, *layout.low)]
    for word in dict.fromkeys(words):
        if words.count(word) > 1:
            yield f"format.missing, high and low: {word} may stand there once"
    if layout.kind != "csv":
        given = {"delimiter": layout.delimiter, "encoding": layout.encoding, "skip_rows": layout.skip_rows}
        yield from (f'format.{name}: only kind = "csv" has lines' for name, value in given.items() if value)
    if layout.delimiter and (len(layout.delimiter) != 1 or layout.delimiter in '"\r\n'):
        yield f"format.delimiter: {layout.delimiter!r} is not one character, such as ; or |"
    if layout.encoding and not is_encoding(layout.encoding):
        yield f"format.encoding: {layout.encoding!r} is not known; write cp1252, latin-1, utf-16, ..."


def worth_problems(layout: Format, channels: Sequence[str], *, vector: bool) -> Iterator[str]:
    """The quality of values, and counters, in sentences that begin with the key."""
    if bool(layout.quality) != bool(layout.good):
        yield "format.quality: name the field, and in format.good the texts or codes with which a value is good"
    if isinstance(layout.quality, dict):
        yield from (f"format.quality: there is no channel {name}" for name in layout.quality if name not in channels)
        if layout.channel:
            yield "format.quality: with format.channel a message has one field for it; give its name alone"
    if layout.quality and layout.kind in ("json-batch", "float32", "float64"):
        yield f"format.quality: a {layout.kind} message has no field for it"
    yield from (f"format.counters: there is no channel {name}" for name in layout.counters if name not in channels)
    if layout.counters and vector:
        yield 'format.counters: a window of kind "message" comes as a whole; send differences'


def is_encoding(name: str) -> bool:
    """Whether text can be read by this encoding."""
    try:
        "".encode(name)
    except (LookupError, ValueError):
        return False
    return True
