"""Dates and times by a pattern such as `%Y%m%d%H%M` or `%d.%m.%Y %H:%M:%S`, whatever language the machine speaks.

Texts whose numbers have all their digits are read a column at a time; the others (`2.3.2026`, names of months) one by
one. Names are English.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from monitor.records.batches import NEVER, Bool, Int64
from monitor.sources.times.calendar import LAST, Parts, Places, blocks, moments, number
from monitor.sources.times.iso import offset

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_WIDTHS = {"Y": 4, "m": 2, "d": 2, "H": 2, "M": 2, "S": 2, "y": 2, "j": 3}  # digits
_TEXTS = {
    "f": r"\d{1,9}",
    "I": r"\d{1,2}",
    "p": "[AaPp][Mm]",
    "b": "[A-Za-z]{3}",
    "B": "[A-Za-z]{3,9}",
    "z": r"Z|[+-]\d\d(?::?\d\d)?",
}
_CENTURY = 69  # two digits from here on are of the 20th century, as POSIX has it


class _Piece(NamedTuple):
    """A directive (one letter), or a character that stands there as it is (`letter` is empty then)."""

    letter: str
    text: str


class Pattern:
    """Reads texts that look like `pattern`, which has the directives of `strptime`: Y y m d j b B H I M S f p z %.

    Raises ValueError for one that is unknown, or where the pattern leaves open which day it is.
    """

    def __init__(self, pattern: str) -> None:
        self._pieces = list(_pieces(pattern))
        letters = [piece.letter for piece in self._pieces if piece.letter]
        _check(letters)
        self._letters = letters
        self.zoned = "z" in letters
        expression = "".join(_expression(piece) for piece in self._pieces)
        self._match = re.compile(expression, re.ASCII).fullmatch
        self._fixed = all(letter in _WIDTHS or letter == "f" for letter in letters) and letters.count("f") <= 1
        self._width = sum(_WIDTHS.get(piece.letter, 0 if piece.letter else 1) for piece in self._pieces)

    def parse(self, texts: Sequence[str]) -> Int64:
        """Times in ns, in UTC where the texts have no zone; NEVER where a text does not look like the pattern."""
        times = np.full(len(texts), NEVER, np.int64)
        if self._fixed:
            for rows, places in blocks(texts):
                times[rows] = self._columns(places)
        rest = np.flatnonzero(times == NEVER)
        if len(rest):
            times[rest] = self._one_by_one([texts[row] for row in rest.tolist()])
        return np.where(np.abs(times) < LAST, times, NEVER)

    def digits(self, count: int) -> str:
        """A number as the text it stands for: with the zeros in front that it has lost."""
        return str(count).zfill(self._width) if self._fixed else str(count)

    def _columns(self, places: Places) -> Int64:
        """Texts of one length whose numbers have all their digits."""
        length, texts = places.shape
        spare = length - self._width  # digits of the fraction
        if spare != 0 if "f" not in self._letters else not 1 <= spare <= 9:
            return np.full(texts, NEVER, np.int64)
        found: dict[str, Int64] = {}
        ok: Bool = np.ones(texts, np.bool_)
        at = 0
        for letter, text in self._pieces:
            width = spare if letter == "f" else _WIDTHS.get(letter, 1)
            here = places[at : at + width]
            if letter:
                found[letter], digits = number(here)
                ok &= digits
            else:
                ok &= here[0] == ord(text)
            at += width
        if "f" in found:
            found["f"] = found["f"] * 10 ** (9 - spare)
        utc, is_time = moments(_parts(found, texts))
        return np.where(ok & is_time, utc, NEVER)

    def _one_by_one(self, texts: Sequence[str]) -> Int64:
        known: dict[str, int] = {}  # row of `rows`; one text often stands there many times
        rows: list[tuple[int, ...]] = []
        places = np.full(len(texts), -1, np.int64)
        convert = [_CONVERT.get(letter, int) for letter in self._letters]
        for place, text in enumerate(texts):
            if text not in known:
                match = self._match(text)
                known[text] = -1 if match is None else len(rows)
                if match is not None:
                    rows.append(tuple(to(part) for to, part in zip(convert, match.groups(), strict=True)))
            places[place] = known[text]
        table = np.array(rows, dtype=np.int64).reshape(len(rows), len(self._letters))
        found = dict(zip(self._letters, table.T, strict=True))
        ahead = found.pop("z", np.zeros(len(rows), np.int64))
        utc, ok = moments(_parts(found, len(rows)), ahead)
        every = np.append(np.where(ok & (ahead != NEVER), utc, NEVER), NEVER)
        return np.asarray(every[places])


def _parts(found: dict[str, Int64], texts: int) -> Parts:
    """The date and the time of day that the values of the directives say."""
    zero = np.zeros(texts, np.int64)
    year = found.get("Y", zero)
    if "y" in found:
        year = found["y"] + np.where(found["y"] < _CENTURY, 2000, 1900)
    month = next((found[letter] for letter in "mbB" if letter in found), zero + 1)
    day = found.get("d", zero + 1)
    if "j" in found:
        month, day = _day_of_year(year, found["j"])
    hour = found.get("H", zero)
    if "I" in found:
        right = (found["I"] >= 1) & (found["I"] <= 12)
        hour = np.where(right, found["I"] % 12 + found["p"], 99)
    return Parts(year, month, day, hour, found.get("M", zero), found.get("S", zero), found.get("f", zero))


def _day_of_year(year: Int64, count: Int64) -> tuple[Int64, Int64]:
    """Month and day; month 0 where the year has no such day."""
    first = (year - 1970).astype("datetime64[Y]").astype("datetime64[D]")
    date = first + (count - 1)
    month = date.astype("datetime64[M]")
    same = (count >= 1) & (date.astype("datetime64[Y]").astype(np.int64) == year - 1970)
    of_year = month.astype(np.int64) % 12 + 1
    return np.where(same, of_year, 0), (date - month.astype("datetime64[D]")).astype(np.int64) + 1


def _pieces(pattern: str) -> list[_Piece]:
    found = re.findall(r"%(.)|([^%])|(%)$", pattern, re.DOTALL)
    pieces = [_Piece("", "%") if letter == "%" else _Piece(letter, text) for letter, text, _ in found]
    for letter, text, alone in found:
        if alone or (letter and letter != "%" and letter not in _WIDTHS and letter not in _TEXTS):
            known = ", ".join(f"%{each}" for each in [*_WIDTHS, *_TEXTS])
            raise ValueError(f"{'%' + letter + text} is not known; choose from {known} and %%")
    return pieces


def _check(letters: list[str]) -> None:
    if len(set(letters)) < len(letters):
        raise ValueError("each directive may stand there once")
    given = set(letters)
    if not given & {"Y", "y"} or not (("d" in given and given & {"m", "b", "B"}) or "j" in given):
        raise ValueError("a pattern needs the year, the month and the day, such as %Y-%m-%d")
    if ("I" in given) != ("p" in given):
        raise ValueError("%I goes with %p; hours from 00 to 23 are %H")


def _expression(piece: _Piece) -> str:
    if not piece.letter:
        return re.escape(piece.text)
    least = 4 if piece.letter == "Y" else 1
    return f"({_TEXTS.get(piece.letter) or rf'[0-9]{{{least},{_WIDTHS[piece.letter]}}}'})"


def _month(name: str) -> int:
    """The number of an English month, short or long; 0 = there is none."""
    short = name[:3].casefold()
    return _MONTHS.index(short) + 1 if short in _MONTHS else 0


def _ahead(zone: str) -> int:
    """ns ahead of UTC, or NEVER for what is no zone."""
    ((_, places),) = blocks([zone])
    (found,), (ok,) = offset(places)
    return int(found) if ok else NEVER


_CONVERT: dict[str, Callable[[str], int]] = {
    "f": lambda text: int(text.ljust(9, "0")),
    "p": lambda text: 12 if text.casefold() == "pm" else 0,
    "b": _month,
    "B": _month,
    "z": _ahead,
}
