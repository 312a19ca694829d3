"""How values are written: decimal sign, thousands separators, words and codes that mean missing or out of range."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import cast

import numpy as np

from monitor.config.formats import Format
from monitor.records.batches import Bool, Float32, Float64

MISSING = frozenset({"", "nan", "na", "n/a", "null", "none"})  # in small letters; always a missing value
HIGH, LOW = float("inf"), float("-inf")  # above or below what can be measured; `pipeline.health.ranges` screens it
SPACES = " \u00a0\u2009\u202f"  # also those at which no line breaks
APOSTROPHES = "'\u2019"
_BLANK = " \t\n\r\f\v"  # that may stand around a number
PLAIN_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


class Notation:
    """The notation of one family's values, as its `format` says: `decimal`, `thousands`, `missing`, `high`, `low`.

    What `missing` lists is NaN, of `high` infinity, of `low` negative infinity. Words are compared without regard to
    case and outer spaces; a word that is a number is a code, and has its meaning wherever this number stands.
    """

    def __init__(self, layout: Format) -> None:
        self.decimal, self._thousands = layout.decimal, _alike(layout.thousands)
        meanings = dict.fromkeys(layout.missing, np.nan) | dict.fromkeys(layout.high, HIGH)
        meanings |= dict.fromkeys(layout.low, LOW)
        self._words = dict.fromkeys(MISSING, np.nan) | {_small(word): meaning for word, meaning in meanings.items()}
        codes = {word: meaning for word, meaning in meanings.items() if PLAIN_NUMBER.fullmatch(word.strip())}
        with np.errstate(over="ignore"):  # a number beyond float32 stands for none of its values
            self._codes = [(np.float32(word), np.float32(meaning)) for word, meaning in codes.items()]
        self.kind = np.float64 if layout.counters else np.float32  # a total has more digits than float32 keeps
        self._means_infinite = bool(layout.high or layout.low)
        self.standard = not (self._thousands or meanings or self.decimal != ".")
        self.pattern = self._pattern()  # of a number
        self._number = re.compile(self.pattern)

    @property
    def words(self) -> list[str]:
        """All words that have a meaning, in small letters."""
        return sorted(self._words)

    def value(self, text: str) -> float | None:
        """The value that a text says, NaN where it means a missing one; None where it is no number."""
        meaning = self._words.get(_small(text))
        if meaning is not None:
            return meaning
        digits = text.strip(_BLANK)
        if not self._number.fullmatch(digits):
            return None
        for separator in self._thousands:
            digits = digits.replace(separator, "")
        number = float(digits.replace(self.decimal, "."))
        return number if math.isfinite(number) else None

    def values(self, texts: Sequence[str]) -> tuple[Float64, Bool]:
        """The values (n,) of texts, and which are no number, whose value is NaN."""
        found = [self.value(text) for text in texts]
        bad = np.array([value is None for value in found], dtype=np.bool_)
        return np.array(found, dtype=np.float64), bad  # None becomes NaN

    def decoded(self, found: Float64 | Float32) -> tuple[Float32, Bool]:
        """Values as the pipeline takes them, with the meaning of codes, and which are infinite without a meaning.

        They are float32; of a family with counters float64, until their differences have been taken.
        """
        with np.errstate(over="ignore", invalid="ignore"):  # beyond float32; a signalling NaN
            short = found.astype(np.float32)
        infinite: Bool = np.isinf(short)
        if self._means_infinite and infinite.any():
            infinite &= ~np.isinf(found)
        values = short if self.kind is np.float32 else found.astype(np.float64)
        for code, meaning in self._codes:
            values[short == code] = meaning
        return cast("Float32", values), infinite

    def _pattern(self) -> str:
        """Groups of digits have three of them; other than the last they may have two."""
        point, digits, whole = re.escape(self.decimal), "[0-9]", "[0-9]+"
        if self._thousands:
            group = f"[{re.escape(self._thousands)}]"
            whole = f"(?:{digits}{{1,3}}(?:{group}{digits}{{2,3}})*{group}{digits}{{3}}|{whole})"
        return f"[+-]?(?:{whole}(?:{point}{digits}*)?|{point}{digits}+)(?:[eE][+-]?{digits}+)?"


def _small(text: str) -> str:
    return text.strip().casefold()


def _alike(separator: str) -> str:
    """The characters that stand for a separator."""
    return next((group for group in (SPACES, APOSTROPHES) if separator and separator in group), separator)


STANDARD = Notation(Format())
