"""Times as plants write them, to int64 nanoseconds since 1970 (UTC), a whole column at a time.

A time that cannot be read becomes `NEVER`. Times beyond about 146 years from 1970 count as unreadable: no sensor means
them, and the arithmetic of later stages would leave int64.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from monitor.records.batches import NEVER, Bool, Int64

LAST = -NEVER  # readable times lie strictly between NEVER and this
_SCALE = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_BOUNDS = np.array([10**11, 10**14, 10**17])  # "auto": below the first it is seconds, then ms, us, ns
_AUTO = np.array([10**9, 10**6, 10**3, 1])
_ZONES = (3, 5, 6, 1)  # characters of: +hh, +hhmm, +hh:mm, Z
_DATE, _MINUTES, _SECONDS = 10, 16, 19  # characters of 2026-01-01, 2026-01-01T00:00, 2026-01-01T00:00:00
_NUMBERS = ((0, 4), (5, 7), (8, 10), (11, 13), (14, 16), (17, 19), (20, 29))
_SEPARATORS = ((4, "-"), (7, "-"), (10, "Tt "), (13, ":"), (16, ":"), (19, ".,"))
_Places = NDArray[np.uint8]


def to_ns(raw: Sequence[int | float | str], unit: str) -> Int64:
    """Times in ns; `unit` is "s", "ms", "us", "ns", "iso", or "auto" (text is ISO 8601, numbers by their size).

    Integers are exact. A float is rounded to the microsecond: in this century it carries no more.
    """
    kinds = set(map(type, raw))
    if len(kinds) == 1:
        return _column(raw, kinds.pop(), unit)
    times = np.full(len(raw), NEVER, np.int64)
    for kind in kinds:
        rows = [row for row, item in enumerate(raw) if type(item) is kind]
        times[rows] = _column([raw[row] for row in rows], kind, unit)
    return times


def _column(raw: Sequence[int | float | str], kind: type, unit: str) -> Int64:
    """Times that are all of one type."""
    if (kind is str) != (unit == "iso") and unit != "auto":
        return np.full(len(raw), NEVER, np.int64)
    if kind is str:
        return parse_iso(cast("Sequence[str]", raw))
    return _from_floats(raw, unit) if kind is float else _from_integers(raw, unit)


def _from_integers(raw: Sequence[int | float | str], unit: str) -> Int64:
    try:
        numbers = np.array(raw, dtype=np.int64)
    except OverflowError:  # "auto" reads a number of this size as ns, which puts it out of range
        numbers = np.array([item if abs(int(item)) < 2**63 else 2**63 - 1 for item in raw], dtype=np.int64)
    size = np.abs(np.maximum(numbers, -LAST))  # int64's own minimum has no absolute value
    scale = _auto(size) if unit == "auto" else np.int64(_SCALE[unit])
    fits = size < LAST // scale
    return numbers * scale if fits.all() else np.where(fits, np.where(fits, numbers, 0) * scale, NEVER)


def _from_floats(raw: Sequence[int | float | str], unit: str) -> Int64:
    numbers = np.array(raw, dtype=np.float64)
    scale = _AUTO[np.searchsorted(_BOUNDS, np.abs(numbers), side="right")] if unit == "auto" else _SCALE[unit]
    with np.errstate(over="ignore"):
        micro = np.rint(numbers * (scale / 1000))
    fits = np.abs(micro) < LAST // 1000
    return np.where(fits, np.where(fits, micro, 0).astype(np.int64) * 1000, NEVER)


def _auto(size: Int64) -> NDArray[np.int64] | np.int64:
    """Nanoseconds in the unit that whole numbers of these sizes have; one number where all have the same."""
    first, last = np.searchsorted(_BOUNDS, (size.min(), size.max()), side="right")
    return np.int64(_AUTO[first]) if first == last else _AUTO[np.searchsorted(_BOUNDS, size, side="right")]


def parse_iso(texts: Sequence[str]) -> Int64:
    """ISO 8601 dates and times in ns: `2026-01-01`, `2026-01-01T10:00`, `2026-01-01 10:00:00.123456789+01:00` ...

    Without a zone it is UTC. At most nine decimals; no leap seconds, week dates or ordinal dates.
    """
    times = np.full(len(texts), NEVER, np.int64)
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    for length in set(lengths.tolist()):
        if not _DATE <= length <= _SECONDS + 10 + max(_ZONES):
            continue
        rows = np.flatnonzero(lengths == length)
        chosen = texts if len(rows) == len(texts) else [texts[row] for row in rows.tolist()]
        block = np.frombuffer("".join(chosen).encode("ascii", "replace"), np.uint8)
        places = np.ascontiguousarray(block.reshape(-1, length).T)  # (place, text): each operation runs along a row
        zones = _zone_width(places)
        for width in set(zones.tolist()):
            here = zones == width
            local, is_time = _local(places[: length - width, here])
            offset, is_zone = _offset(places[length - width :, here])
            times[rows[here]] = np.where(is_time & is_zone, local - offset, NEVER)
    return np.where(np.abs(times) < LAST, times, NEVER)


def _zone_width(places: _Places) -> Int64:
    """How many characters the zone takes at the end of each text; 0 = none."""
    length, texts = places.shape
    widths = np.zeros(texts, np.int64)
    if length <= _MINUTES:
        return widths
    for width in _ZONES:
        if length - width >= _MINUTES:
            widths[_among(places[-width], "Zz" if width == 1 else "+-")] = width
    return widths


def _local(places: _Places) -> tuple[Int64, Bool]:
    """Date and time without a zone in ns, and where it is one. The texts are laid out alike."""
    length, texts = places.shape
    decimals = max(0, length - _SECONDS - 1)
    if length not in (_DATE, _MINUTES, _SECONDS) and not 1 <= decimals <= 9:
        return np.zeros(texts, np.int64), np.zeros(texts, np.bool_)
    numbers = [_number(places[start:stop]) for start, stop in _NUMBERS]
    year, month, day, hour, minute, second, fraction = (value for value, _ in numbers)
    ok: Bool = np.logical_and.reduce([digits for _, digits in numbers])
    for place, allowed in _SEPARATORS:
        if place < length:
            ok &= _among(places[place], allowed)
    ok &= (year > 1800) & (year < 2200) & (month >= 1) & (month <= 12) & (hour < 24) & (minute < 60) & (second < 60)
    months = (np.where(ok, year - 1970, 0) * 12 + np.where(ok, month - 1, 0)).astype("datetime64[M]")
    first = months.astype("datetime64[D]").astype(np.int64)
    ok &= (day >= 1) & (day <= (months + 1).astype("datetime64[D]").astype(np.int64) - first)
    seconds = (((first + day - 1) * 24 + hour) * 60 + minute) * 60 + second
    return np.where(ok, seconds, 0) * 10**9 + fraction * 10 ** (9 - decimals), ok


def _offset(places: _Places) -> tuple[Int64, Bool]:
    """What a zone is ahead of UTC in ns, and where it is one."""
    width, texts = places.shape
    if width <= 1:
        return np.zeros(texts, np.int64), np.ones(texts, np.bool_)
    hours, ok = _number(places[1:3])
    minutes, digits = _number(places[-2:] if width > 3 else places[:0])
    ok = ok & digits & (hours < 24) & (minutes < 60)
    if width == 6:
        ok &= _among(places[3], ":")
    sign = np.where(_among(places[0], "-"), -1, 1)
    return sign * (hours * 60 + minutes) * (60 * 10**9), ok


def _number(places: _Places) -> tuple[Int64, Bool]:
    """The decimal number that these places hold (0 where there are none), and whether they are digits."""
    value = np.zeros(places.shape[1], np.int64)
    digits = places - np.uint8(ord("0"))  # what lies below "0" wraps round to a large number
    for digit in digits:
        value = value * 10 + digit
    return value, np.asarray(digits.max(axis=0, initial=0) <= 9)


def _among(characters: NDArray[np.uint8], allowed: str) -> Bool:
    return np.asarray(np.logical_or.reduce([characters == ord(character) for character in allowed]))
