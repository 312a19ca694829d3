"""A stream's state as bytes: written at each commit and read at the next start.

Layout: magic "WK", version uint16, then for each part its name (4 bytes, hashed), its signature (8 bytes), its size
(uint32) and its row. All streams of a family have the same layout, so a batch is encoded and decoded as one array.

A part is found by its name, wherever it stands: a part added between two others starts empty and no other loses its
state. The signature is a hash of the settings that give the part its meaning and of the row's layout: after a change
of either this part starts empty, unless the saved layout is one of its earlier ones. A part is never decoded with
another part's layout. Versions 1 and 2 had no names; their parts came in the order of `_UNNAMED`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.lib.format import dtype_to_descr
from numpy.typing import NDArray

from monitor.errors import StoreError

MAGIC = b"WK"
VERSION = 3
READABLE = (1, 2, VERSION)  # 1 lacks the parts from "health" on
_HEAD = 4
_NAME, _SIGNATURE, _SIZE = 4, 8, 4  # bytes
_PART_HEAD = np.dtype([("name", f"V{_NAME}"), ("signature", f"V{_SIGNATURE}"), ("size", "<u4")])
_UNNAMED = ("aligner", "windower", "profile", "threshold", "alerts", "health", "frozen")  # of versions 1 and 2
_AT_ONCE = 512  # states that are laid out together: they stay in the processor's cache

Rows = NDArray[np.void]
Bytes = NDArray[np.uint8]
Codes = NDArray[np.integer]


class StreamPart(Protocol):
    """A component of the pipeline that keeps state per stream: row `code` of it belongs to that stream."""

    @property
    def dtype(self) -> np.dtype[np.void]:
        """One stream's row."""
        ...

    def dump(self, codes: Codes) -> Rows:
        """Rows of these streams, to be saved."""
        ...

    def load(self, codes: Codes, rows: Rows) -> None:
        """Put saved rows back; fields that an earlier layout lacks take the value of a new stream."""
        ...

    def clear(self, codes: Codes) -> None:
        """Reset these streams to new ones."""
        ...

    def grow(self, rows: int) -> None:
        """Make room for `rows` streams."""
        ...


class Section(NamedTuple):
    """A part as it is saved: what gives it its `meaning` (see `signature`), and layouts that it had `earlier`."""

    part: StreamPart
    meaning: bytes
    earlier: tuple[np.dtype[np.void], ...] = ()

    def signed(self) -> dict[bytes, np.dtype[np.void]]:
        """Every layout that can be read, by its signature; the present one comes first."""
        layouts = (self.part.dtype, *self.earlier)
        return {signature(self.meaning, dtype_to_descr(layout)): layout for layout in layouts}


class _Saved(NamedTuple):
    """Where a part lies in a state."""

    signature: bytes
    begin: int
    end: int


def signature(*meaning: Any) -> bytes:
    """8 bytes that change when what they are made of changes."""
    return blake2b(repr(meaning).encode(), digest_size=_SIGNATURE).digest()


class StateCodec:
    """Encodes and decodes the rows of a family's parts, by name."""

    def __init__(self, sections: Mapping[str, Section]) -> None:
        self._sections = sections
        self._names = {_hashed(name): name for name in sections}
        if len(self._names) != len(sections):
            raise ValueError(f"two of the names {', '.join(sections)} have one hash; rename the new one")
        self._layouts = {name: section.signed() for name, section in sections.items()}
        fields: list[Any] = [("magic", f"S{len(MAGIC)}"), ("version", "<u2")]
        for name, section in sections.items():
            fields += [(f"{name}_head", _PART_HEAD), (name, section.part.dtype)]
        self._heads = np.zeros(1, np.dtype(fields))  # a row of everything that is the same in all states
        self._heads["magic"], self._heads["version"] = MAGIC, VERSION
        for name, section in sections.items():
            head = self._heads[f"{name}_head"]
            head["name"], head["signature"] = np.void(_hashed(name)), np.void(next(iter(self._layouts[name])))
            head["size"] = section.part.dtype.itemsize

    @property
    def size(self) -> int:
        """Bytes per stream."""
        return self._heads.itemsize

    def dump(self, codes: Codes) -> list[bytes]:
        """One value per stream."""
        states: list[bytes] = []
        for begin in range(0, len(codes), _AT_ONCE):
            some = codes[begin : begin + _AT_ONCE]
            rows = np.repeat(self._heads, len(some))
            for name, section in self._sections.items():
                rows[name] = section.part.dump(some)
            states += rows.view(f"V{self.size}").tolist()
        return states

    def load(self, codes: Codes, states: Sequence[bytes]) -> dict[str, Codes]:
        """Put saved states back; returns by part the codes of streams in whose state it no longer fits.

        Raises StoreError for bytes that are no state of a version that can be read.
        """
        lost: dict[str, list[Codes]] = {}
        for where, rows, saved in self._alike(states):
            for name, at in saved.items():
                if name not in self._sections:
                    continue
                layout = self._layouts[name].get(at.signature)
                if layout is None or layout.itemsize != at.end - at.begin:
                    lost.setdefault(name, []).append(codes[where])
                else:
                    part = np.ascontiguousarray(rows[:, at.begin : at.end]).view(layout)[:, 0]
                    self._sections[name].part.load(codes[where], part)
        return {name: np.concatenate(several) for name, several in lost.items()}

    def _alike(self, states: Sequence[bytes]) -> Iterator[tuple[Codes, Bytes, dict[str, _Saved]]]:
        """States in groups of one layout: their places, their bytes (n, size), and where each part lies."""
        lengths = np.array([len(state) for state in states])
        for length in np.unique(lengths).tolist():
            where = np.flatnonzero(lengths == length)
            rows = np.frombuffer(b"".join(states[i] for i in where.tolist()), np.uint8).reshape(len(where), length)
            while len(where):
                saved, heads = self._parts(rows[0].tobytes())
                same = (rows[:, heads] == rows[0, heads]).all(axis=1)
                yield where[same], rows[same], saved
                where, rows = where[~same], rows[~same]

    def _parts(self, state: bytes) -> tuple[dict[str, _Saved], Codes]:
        """Where the parts of a state lie, by name ("" for those of no known name), and the places of its heads."""
        version = _version(state)
        named = _NAME if version >= VERSION else 0
        parts: dict[str, _Saved] = {}
        heads, at, number = [np.arange(_HEAD)], _HEAD, 0
        while at < len(state):
            begin = at + named + _SIGNATURE + _SIZE
            end = begin + int.from_bytes(state[begin - _SIZE : begin], "little")
            if end > len(state):
                raise StoreError("a saved stream state is cut short: restore the database, or start a new run name")
            unnamed = _UNNAMED[number] if number < len(_UNNAMED) else ""
            name = self._names.get(state[at : at + named], "") if named else unnamed
            parts[name] = _Saved(state[at + named : begin - _SIZE], begin, end)
            heads.append(np.arange(at, begin))
            at, number = end, number + 1
        return parts, np.concatenate(heads)


def _hashed(name: str) -> bytes:
    return blake2b(name.encode(), digest_size=_NAME).digest()


def _version(state: bytes) -> int:
    """The version of a saved state. Raises StoreError where it is none, or cannot be read."""
    if len(state) < _HEAD or state[: len(MAGIC)] != MAGIC:
        raise StoreError("a saved stream state is damaged: restore the database, or start a new run name")
    version = int.from_bytes(state[len(MAGIC) : _HEAD], "little")
    if version not in READABLE:
        raise StoreError(
            f"a saved stream state is of version {version}, this Watchkeeper reads up to version {VERSION}; "
            "install the version that wrote it, or start a new run name"
        )
    return version
