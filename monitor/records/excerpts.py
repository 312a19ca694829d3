"""Bytes from outside, such as a message's body, as text for a log line or a person."""

from __future__ import annotations

from monitor.records.escapes import visible


def excerpt(data: bytes | None, most: int) -> str:
    r"""At most `most` characters of it; what is no printable text is written out: \x1b, \u202e."""
    if data is None:
        return ""
    text = visible(data[: 4 * most].decode("utf-8", "backslashreplace"))
    return text if len(text) <= most and len(data) <= 4 * most else text[: most - 1] + "…"


def hex_excerpt(data: bytes, most: int) -> str:
    """At most `most` bytes of it as pairs of hexadecimal digits."""
    return data[:most].hex(" ") + (" …" if len(data) > most else "")
