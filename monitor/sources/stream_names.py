"""From a message's key to the name of its stream."""

from __future__ import annotations

from monitor.sources.faults import Fault
from monitor.sources.missing_fields import no_text

MAX_NAME = 512  # characters of a stream name; SQL indexes it
Key = bytes | str | int | None
_BYTES = {"int": 4, "long": 8}  # big endian, as Java's serialisers write them
_SHOWN = 16  # bytes of a key in an error


def stream_name(key: Key, encoding: str = "text") -> str | Fault:
    """The name of a stream from a key, or why there is none; `encoding` is that of a Kafka key."""
    if isinstance(key, bytes) and key and encoding != "text":
        return _number(key, encoding) if encoding in _BYTES else name_fault(key.hex()) or key.hex()
    try:
        name = key.decode() if isinstance(key, bytes) else "" if key is None else str(key)
    except UnicodeDecodeError:
        return Fault("utf8", no_text(key) if isinstance(key, bytes) else "the key is not UTF-8")
    if isinstance(key, bytes) and "\x00" in name:
        return Fault("bad-key", no_text(key))
    return name_fault(name) or name


def name_fault(name: str) -> Fault | None:
    """Why a stream cannot be called so, if it cannot."""
    if not name:
        return Fault("missing-key", "the key is missing or empty")
    if len(name) > MAX_NAME or "\x00" in name:
        return Fault("bad-key", f"the key is longer than {MAX_NAME} characters, or holds a NUL")
    try:
        name.encode()
    except UnicodeEncodeError:  # lone surrogates: bytes of a file that are no UTF-8
        return Fault("utf8", "the key is not UTF-8")
    return None


def _number(key: bytes, encoding: str) -> str | Fault:
    if len(key) != _BYTES[encoding]:
        shown, size = key[:_SHOWN].hex(" "), _BYTES[encoding]
        return Fault(
            "bad-key", f'the key has {len(key)} bytes ({shown}); format.key_encoding = "{encoding}" takes {size}'
        )
    return str(int.from_bytes(key, "big", signed=True))
