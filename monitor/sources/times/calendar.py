"""From the parts of dates and times of day to nanoseconds since 1970, a whole column at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.records.batches import NEVER, Bool, Int64

LAST = -NEVER  # readable times lie strictly between NEVER and this
SECOND = 10**9
DAY = 86_400 * SECOND
Places = NDArray[np.uint8]  # (place, text): characters of texts of one length, so that each operation runs along a row


class Parts(NamedTuple):
    """Dates and times of day, (n,) each; `fraction` of a second in ns."""

    year: Int64
    month: Int64
    day: Int64
    hour: Int64
    minute: Int64
    second: Int64
    fraction: Int64


def moments(parts: Parts, ahead: Int64 | int = 0) -> tuple[Int64, Bool]:
    """Times in ns of clocks that are `ahead` ns of UTC, and where there is such a time.

    24:00:00 is 00:00:00 of the next day. A leap second, 23:59:60 there or in UTC, is the second after it.
    """
    year, month, day, hour, minute, second, fraction = parts
    ok: Bool = (year > 1800) & (year < 2200) & (month >= 1) & (month <= 12) & (hour < 25) & (minute < 60)
    midnight = hour == 24
    if midnight.any():
        ok &= ~midnight | (minute + second + fraction == 0)
    months = (np.where(ok, year - 1970, 0) * 12 + np.where(ok, month - 1, 0)).astype("datetime64[M]")
    first = months.astype("datetime64[D]").astype(np.int64)
    ok &= (day >= 1) & (day <= (months + 1).astype("datetime64[D]").astype(np.int64) - first)
    seconds = (((first + day - 1) * 24 + hour) * 60 + minute) * 60 + second
    utc = np.where(ok, seconds, 0) * SECOND + fraction - ahead
    leap = second > 59
    if leap.any():
        ok &= ~leap | ((second == 60) & (((utc + ahead) % DAY < SECOND) | (utc % DAY < SECOND)))
    return utc, ok


def number(places: Places) -> tuple[Int64, Bool]:
    """The decimal number that these places hold (0 where there are none), and whether they are digits."""
    value = np.zeros(places.shape[1], np.int64)
    digits = places - np.uint8(ord("0"))  # what lies below "0" wraps round to a large number
    for digit in digits:
        value = value * 10 + digit
    return value, np.asarray(digits.max(axis=0, initial=0) <= 9)


def among(characters: NDArray[np.uint8], allowed: str) -> Bool:
    """Which of these characters are one of `allowed`."""
    return np.asarray(np.logical_or.reduce([characters == ord(character) for character in allowed]))


def blocks(texts: Sequence[str]) -> list[tuple[Int64, Places]]:
    """The texts by their length: which ones, and their characters; one that is not ASCII becomes `?`."""
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    found = []
    for length in set(lengths.tolist()):
        rows = np.flatnonzero(lengths == length)
        chosen = texts if len(rows) == len(texts) else [texts[row] for row in rows.tolist()]
        block = np.frombuffer("".join(chosen).encode("ascii", "replace"), np.uint8)
        found.append((rows, np.ascontiguousarray(block.reshape(len(rows), length).T)))
    return found
