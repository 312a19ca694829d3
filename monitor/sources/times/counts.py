"""Times that are counts: seconds and their parts since 1970, .NET ticks, Windows file times, days of a spreadsheet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.records.batches import NEVER, Int64
from monitor.sources.times.calendar import DAY, LAST


class Unit(NamedTuple):
    """What is counted: steps of `size` ns since the one with the number `zero` at the start of 1970."""

    size: int
    zero: int = 0
    exact: int = 1000  # ns to which a count with a fraction is rounded
    naive: bool = False  # counted by the clock on the wall, not in UTC


UNITS = {
    "s": Unit(10**9),
    "ms": Unit(10**6),
    "us": Unit(10**3),
    "ns": Unit(1),
    "ticks": Unit(100, 719_162 * 864_000_000_000, naive=True),  # since 0001-01-01
    "filetime": Unit(100, 134_774 * 864_000_000_000),  # since 1601-01-01, in UTC by definition
    "excel": Unit(DAY, 25_569, exact=10**6, naive=True),  # since 1899-12-30
}
AUTO = ("s", "ms", "us", "ns")
_BOUNDS = np.array([10**11, 10**14, 10**17])  # "auto": below the first it is seconds, then ms, us, ns
_SIZES = np.array([UNITS[unit].size for unit in AUTO])


def from_integers(raw: Sequence[int], unit: str) -> Int64:
    """Whole numbers to ns, exactly; NEVER beyond the readable times. `unit` is one of `UNITS`, or "auto"."""
    try:
        numbers = np.array(raw, dtype=np.int64)
    except OverflowError:  # "auto" reads a number of this size as ns, which puts it out of range
        numbers = np.array([item if abs(item) < 2**63 else 2**63 - 1 for item in raw], dtype=np.int64)
    numbers = np.maximum(numbers, -LAST)  # int64's own minimum has no absolute value
    scale: Int64 | np.int64
    if unit == "auto":
        scale = _auto(np.abs(numbers))
    else:
        scale, numbers = np.int64(UNITS[unit].size), numbers - UNITS[unit].zero
    fits = np.abs(numbers) < LAST // scale
    return numbers * scale if fits.all() else np.where(fits, np.where(fits, numbers, 0) * scale, NEVER)


def from_floats(raw: Sequence[float], unit: str) -> Int64:
    """Numbers with fractions to ns, rounded to the microsecond (in this century they carry no more; "excel": ms)."""
    numbers = np.array(raw, dtype=np.float64)
    one = UNITS["us" if unit == "auto" else unit]
    zero, exact = one.zero, one.exact
    scale = _SIZES[np.searchsorted(_BOUNDS, np.abs(numbers), side="right")] if unit == "auto" else np.int64(one.size)
    with np.errstate(over="ignore", invalid="ignore"):
        count = np.rint((numbers - zero) * (scale / exact))
    fits = np.abs(count) < LAST // exact
    return np.where(fits, np.where(fits, count, 0).astype(np.int64) * exact, NEVER)


def auto_unit(number: float) -> str:
    """The unit that "auto" takes a number of this size for."""
    return AUTO[int(np.searchsorted(_BOUNDS, abs(number), side="right"))]


def _auto(size: Int64) -> NDArray[np.int64] | np.int64:
    """Nanoseconds in the unit that whole numbers of these sizes have; one number where all have the same."""
    first, last = np.searchsorted(_BOUNDS, (size.min(), size.max()), side="right")
    return np.int64(_SIZES[first]) if first == last else _SIZES[np.searchsorted(_BOUNDS, size, side="right")]
