"""A stream's state as bytes: what is saved at each commit and read at the next start.

Layout: magic "WK", version uint16, then for each part its signature (8 bytes), its size (uint32) and its row. All rows
of a family have the same size, so a whole batch is encoded and decoded as one array. The signature is a hash of the
settings that give the part its meaning: after a change of settings the parts that no longer fit begin anew, and the
others are kept. Nothing is ever read as something it is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from monitor.errors import StoreError

MAGIC = b"WK"
VERSION = 1
_HEAD = 4
_PART_HEAD = 12


class Part(Protocol):
    """A component of the pipeline that has state per stream."""

    @property
    def dtype(self) -> np.dtype[np.void]:
        """One stream's row."""
        ...

    def dump(self, codes: NDArray[np.integer]) -> NDArray[np.void]:
        """Rows of these streams."""
        ...

    def load(self, codes: NDArray[np.integer], rows: NDArray[np.void]) -> None:
        """Put rows back."""
        ...


def signature(*meaning: Any) -> bytes:
    """8 bytes that change when what they are made of changes."""
    return blake2b(repr(meaning).encode(), digest_size=8).digest()


@dataclass(frozen=True, slots=True)
class _Section:
    name: str
    part: Part
    signature: bytes


class StateCodec:
    """Encodes and decodes the rows of several parts."""

    def __init__(self, parts: Sequence[tuple[str, Part, bytes]]) -> None:
        self._sections = [_Section(*part) for part in parts]
        fields: list[Any] = [("magic", "S2"), ("version", "<u2")]
        for section in self._sections:
            name = section.name
            fields += [(f"{name}_signature", "V8"), (f"{name}_size", "<u4"), (name, section.part.dtype)]
        self._dtype = np.dtype(fields)

    @property
    def size(self) -> int:
        """Bytes per stream."""
        return self._dtype.itemsize

    def dump(self, codes: NDArray[np.integer]) -> list[bytes]:
        """One value per stream."""
        rows = np.zeros(len(codes), self._dtype)
        rows["magic"], rows["version"] = MAGIC, VERSION
        for section in self._sections:
            rows[f"{section.name}_signature"] = np.void(section.signature)
            rows[f"{section.name}_size"] = section.part.dtype.itemsize
            rows[section.name] = section.part.dump(codes)
        data, size = rows.tobytes(), self.size
        return [data[at : at + size] for at in range(0, len(data), size)]

    def load(self, codes: NDArray[np.integer], states: Sequence[bytes]) -> set[str]:
        """Put saved states back; returns the names of parts that no longer fit in at least one of them.

        Raises StoreError for bytes that are no state of this version.
        """
        lost: set[str] = set()
        for section in self._sections:
            found = [self._find(state, section) for state in states]
            fits = np.array([row is not None for row in found], bool)
            if not fits.all():
                lost.add(section.name)
            rows = np.frombuffer(b"".join(row for row in found if row is not None), section.part.dtype)
            section.part.load(codes[fits], rows)
        return lost

    def _find(self, state: bytes, wanted: _Section) -> bytes | None:
        """The row of a part in a saved state, by walking over the parts; None where its signature differs."""
        if state[:2] != MAGIC or int.from_bytes(state[2:4], "little") != VERSION:
            raise StoreError(
                "a saved stream state is damaged or of another version of Watchkeeper; "
                "run the version that wrote it, or start a new run name"
            )
        at = _HEAD
        for section in self._sections:
            size = int.from_bytes(state[at + 8 : at + _PART_HEAD], "little")
            if section is wanted:
                same = state[at : at + 8] == wanted.signature and size == wanted.part.dtype.itemsize
                return state[at + _PART_HEAD : at + _PART_HEAD + size] if same else None
            at += _PART_HEAD + size
        return None
