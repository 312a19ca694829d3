"""What streams had learned before a maintenance from which nothing is to be learned: kept, and put back behind it.

Meanwhile everything goes on as ever, so that windows are judged as on other days; what it taught is dropped at the
first window beyond. What is kept is saved with the state of its stream, so that a restart changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from monitor.pipeline.state import appended
from monitor.pipeline.state.codec import Codes, Rows, Section, StateCodec
from monitor.pipeline.state.columns import Columns, Spec, layout
from monitor.records.batches import Bool, Int32


class SomeColumns:
    """Some of the columns of a part, as a part that is kept alone."""

    def __init__(self, columns: Columns, spec: Mapping[str, Spec]) -> None:
        self._columns, self._spec, self.dtype = columns, spec, layout(spec)

    def dump(self, codes: Codes) -> Rows:
        """See `StreamPart`."""
        rows = np.empty(len(codes), self.dtype)
        for name in self._spec:
            rows[name] = self._columns[name][codes]
        return rows

    def load(self, codes: Codes, rows: Rows) -> None:
        """See `StreamPart`."""
        for name in self._spec:
            self._columns[name][codes] = rows[name]

    def clear(self, codes: Codes) -> None:
        """Nothing: the columns are cleared with their part."""

    def grow(self, rows: int) -> None:
        """Nothing: the columns grow with their part."""


class Learned:
    """Of the streams of one family; `sections` are what learns. Where no maintenance is on this costs nothing."""

    def __init__(self, sections: Mapping[str, Section]) -> None:
        self._codec = StateCodec(sections)
        self._kept: dict[int, bytes] = {}

    @property
    def waits(self) -> bool:
        """Whether something is kept."""
        return bool(self._kept)

    def turn(self, stream: Int32, off: Bool | None) -> None:
        """Windows follow, of each stream all within such a maintenance (`off`) or none: keep, or put back."""
        begin = set() if off is None else set(np.unique(stream[off]).tolist())
        over = sorted(set(np.unique(stream).tolist()) & self._kept.keys() - begin)
        self._load(over)
        for code in over:
            del self._kept[code]
        self._keep(sorted(begin - self._kept.keys()))

    def both(self, change: Callable[[], None]) -> None:
        """Make a change to what is kept, and to what goes on."""
        codes = sorted(self._kept)
        if codes:
            now = self._codec.dump(np.array(codes, np.int64))
            self._load(codes)
            change()
            self._keep(codes)
            self._codec.load(np.array(codes, np.int64), now)
        change()

    def drop(self, codes: Iterable[int]) -> None:
        """Keep nothing of these streams."""
        for code in codes:
            self._kept.pop(code, None)

    def add_to(self, codes: Codes, states: list[bytes]) -> list[bytes]:
        """These saved states, with what is kept of their streams."""
        if not self._kept:
            return states
        kept = (self._kept.get(code) for code in codes.tolist())
        return [state if more is None else appended.add(state, more) for state, more in zip(states, kept, strict=True)]

    def take_from(self, codes: Codes, states: Sequence[bytes]) -> None:
        """Go on with what such states hold."""
        for code, state in zip(codes.tolist(), states, strict=True):
            if (kept := appended.find(state)) is not None:
                self._kept[code] = kept

    def _keep(self, codes: list[int]) -> None:
        if codes:
            self._kept.update(zip(codes, self._codec.dump(np.array(codes, np.int64)), strict=True))

    def _load(self, codes: list[int]) -> None:
        if codes:
            self._codec.load(np.array(codes, np.int64), [self._kept[code] for code in codes])
