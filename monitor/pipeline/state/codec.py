"""A stream's state as bytes: what is saved at each commit and read at the next start.

Layout: magic "WK", version uint16, then for each part its signature (8 bytes), its size (uint32) and its row. All rows
of a family have the same size, so a whole batch is encoded and decoded as one array. The signature is a hash of the
settings that give the part its meaning and of the row's layout: after a change of either the parts that no longer fit
begin anew, and the others are kept. Parts that were added since at the end begin anew too. Nothing is ever read as
something it is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Protocol

import numpy as np
from numpy.lib.format import dtype_to_descr
from numpy.typing import NDArray

from monitor.errors import StoreError

MAGIC = b"WK"
VERSION = 2
READABLE = (1, VERSION)  # 1 lacks the parts from "health" on
_HEAD = 4
_PART_HEAD = 12
_AT_ONCE = 512  # states that are laid out together: they stay in the processor's cache


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
        self._sections = [
            _Section(name, part, signature(meaning, dtype_to_descr(part.dtype))) for name, part, meaning in parts
        ]
        fields: list[Any] = [("magic", "S2"), ("version", "<u2")]
        for section in self._sections:
            name = section.name
            fields += [(f"{name}_signature", "V8"), (f"{name}_size", "<u4"), (name, section.part.dtype)]
        self._heads = np.zeros(1, np.dtype(fields))  # a row of everything that is the same in all states
        self._heads["magic"], self._heads["version"] = MAGIC, VERSION
        for section in self._sections:
            self._heads[f"{section.name}_signature"] = np.void(section.signature)
            self._heads[f"{section.name}_size"] = section.part.dtype.itemsize

    @property
    def size(self) -> int:
        """Bytes per stream."""
        return self._heads.itemsize

    def dump(self, codes: NDArray[np.integer]) -> list[bytes]:
        """One value per stream."""
        states: list[bytes] = []
        for begin in range(0, len(codes), _AT_ONCE):
            some = codes[begin : begin + _AT_ONCE]
            rows = np.repeat(self._heads, len(some))
            for section in self._sections:
                rows[section.name] = section.part.dump(some)
            states += rows.view(f"V{self.size}").tolist()
        return states

    def load(self, codes: NDArray[np.integer], states: Sequence[bytes]) -> dict[str, NDArray[np.integer]]:
        """Put saved states back; returns by part the codes of streams in whose state it no longer fits.

        Raises StoreError for bytes that are no state of this version.
        """
        lost: dict[str, NDArray[np.integer]] = {}
        parts = [_split(state) for state in states]
        for i, section in enumerate(self._sections):
            head = section.signature + section.part.dtype.itemsize.to_bytes(4, "little")
            fits = np.array([i < len(part) and part[i][:_PART_HEAD] == head for part in parts], bool)
            absent = np.array([i >= len(part) for part in parts], bool)  # nothing to lose
            if not (fits | absent).all():
                lost[section.name] = codes[~(fits | absent)]
            found = b"".join(part[i][_PART_HEAD:] for part, fit in zip(parts, fits.tolist(), strict=True) if fit)
            section.part.load(codes[fits], np.frombuffer(found, section.part.dtype))
        return lost


def _split(state: bytes) -> list[bytes]:
    """The parts of a saved state, each with its head."""
    if len(state) < _HEAD or state[:2] != MAGIC:
        raise StoreError("a saved stream state is damaged: restore the database, or start a new run name")
    version = int.from_bytes(state[2:_HEAD], "little")
    if version not in READABLE:
        raise StoreError(
            f"a saved stream state is of version {version}, this Watchkeeper reads up to version {VERSION}; "
            "install the version that wrote it, or start a new run name"
        )
    parts, at = [], _HEAD
    while at < len(state):
        end = at + _PART_HEAD + int.from_bytes(state[at + 8 : at + _PART_HEAD], "little")
        if end > len(state):
            raise StoreError("a saved stream state is cut short: restore the database, or start a new run name")
        parts.append(state[at:end])
        at = end
    return parts
