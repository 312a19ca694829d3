"""Per-stream state as arrays: row `code` of every column belongs to that stream.

The components of the pipeline keep all their state here, so that saving a stream is copying a row, and growing to
100,000 streams is growing arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Spec = tuple[DTypeLike, tuple[int, ...], Any]  # dtype, shape of one row, value of a new row


def layout(spec: Mapping[str, Spec]) -> np.dtype[np.void]:
    """One stream's row as it is saved."""
    return np.dtype([(name, dtype, shape) for name, (dtype, shape, _) in spec.items()])


class Columns:
    """Named arrays with one row per stream; `columns["clock"][codes]` reads and writes as numpy does."""

    def __init__(self, spec: Mapping[str, Spec]) -> None:
        self.spec = spec
        self._arrays = {name: np.full((0, *shape), fill, dtype) for name, (dtype, shape, fill) in spec.items()}
        self.dtype = layout(spec)
        self._rows = 0

    def __getitem__(self, name: str) -> NDArray[Any]:
        """The whole column; valid until the next `grow`."""
        return self._arrays[name]

    def grow(self, rows: int) -> None:
        """Make room for `rows` streams; at least doubles, so that growing costs little on average."""
        if rows <= self._rows:
            return
        size = max(rows, 2 * self._rows, 64)
        for name, (dtype, shape, fill) in self.spec.items():
            larger = np.full((size, *shape), fill, dtype)
            larger[: self._rows] = self._arrays[name]
            self._arrays[name] = larger
        self._rows = size

    def dump(self, codes: NDArray[np.integer]) -> NDArray[np.void]:
        """The rows of `codes` as one structured array of `self.dtype`."""
        out = np.empty(len(codes), self.dtype)
        rows = _rows(codes)
        for name, column in self._arrays.items():
            out[name] = column[rows]
        return out

    def load(self, codes: NDArray[np.integer], rows: NDArray[np.void]) -> None:
        """Put back what `dump` gave; columns that `rows` lacks (of an earlier layout) take the value of a new row."""
        for name, column in self._arrays.items():
            column[codes] = rows[name] if name in (rows.dtype.names or ()) else self.spec[name][2]

    def clear(self, codes: NDArray[np.integer]) -> None:
        """Make these rows new."""
        for name, (_, _, fill) in self.spec.items():
            self._arrays[name][codes] = fill


def _rows(codes: NDArray[np.integer]) -> NDArray[np.integer] | slice:
    """The same rows, as a slice where each code is the one before and 1: it is read without another copy."""
    if len(codes) and bool((np.diff(codes) == 1).all()):
        return slice(int(codes[0]), int(codes[-1]) + 1)
    return codes
