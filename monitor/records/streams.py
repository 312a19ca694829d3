"""Names of streams and their codes: the row of a stream in every array."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

import numpy as np

from monitor.records.batches import Int32

UNBOUNDED = 2**62


class StreamIndex:
    """Stream names of one family and their codes: code `i` is row `i` of every per-stream array.

    Codes of forgotten streams are handed out again, so the arrays stay as small as the streams in use.
    `most` bounds the streams: `room` names may be added to those there are, also outside of this index. `stored` says
    which of some names are there already, and may correct `room`; it is asked only where that would not do.
    """

    def __init__(self, most: int = UNBOUNDED) -> None:
        self.most = self.room = most
        self.stored: Callable[[Sequence[str]], Collection[str]] = lambda names: ()
        self._codes: dict[str, int] = {}
        self._names: list[str | None] = []
        self._free: list[int] = []
        self.of_key: dict[bytes | str | int | None, int] = {}  # codes by message key, as decoders have met them

    def __len__(self) -> int:
        """Rows needed to hold every code."""
        return len(self._names)

    @property
    def codes(self) -> dict[str, int]:
        """Code of every stream in use, by name. Read only."""
        return self._codes

    def name(self, code: int) -> str:
        """Name of a stream in use."""
        name = self._names[code]
        if name is None:
            raise KeyError(code)
        return name

    def intern(self, names: Sequence[str]) -> Int32:
        """Codes of `names`, int32[n]; unknown names get a code."""
        known = self._codes
        try:
            return np.array([known[name] for name in names], dtype=np.int32)
        except KeyError:
            return np.array([self._add(name) for name in names], dtype=np.int32)

    def refused(self, names: Iterable[str]) -> set[str]:
        """Those of `names` that would be one stream too many: they must get no code. Raises what `stored` does."""
        new = [name for name in dict.fromkeys(names) if name not in self._codes]
        if len(new) <= self.room:
            return set()
        stored = self.stored(new)
        return set([name for name in new if name not in stored][max(self.room, 0) :])

    def forget(self, codes: Iterable[int]) -> None:
        """Free the codes of streams that left this worker."""
        self.of_key.clear()
        for code in codes:
            name = self._names[code]
            if name is not None:
                del self._codes[name]
                self._names[code] = None
                self._free.append(code)

    def _add(self, name: str) -> int:
        code = self._codes.get(name)
        if code is None:
            if self._free:
                code = self._free.pop()
                self._names[code] = name
            else:
                code = len(self._names)
                self._names.append(name)
            self._codes[name] = code
            self.room -= 1
        return code
