"""Bodies that differ in their numbers alone, read by a compiled loop: see `alike`, which imports this when it pays.

The text ends with a byte that occurs in no number, so that no place is asked whether it is still inside.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from monitor.records.batches import Float64, Int64, UInt8
from monitor.records.compiled import compiled, inlined
from monitor.sources.formats.alike import TIME

_FULL: Final = 10**17  # a number of so much takes one more digit, and int64 holds it for sure
_EXACT: Final = 2**53  # below it every whole number is a float
_POWERS: Final = np.array([10.0**power for power in range(23)])  # exact, and the last that is
_SPLIT: Final = 2.0**27 + 1  # cuts a float into two halves of its digits
_DOUBT: Final = 2.0**-30  # of a correction; far more than the error of computing it
_MINUS, _PLUS, _POINT, _ZERO = b"-+.0"
_E, _N, _U, _L = b"enul"
_SMALL: Final = 0x20  # the bit that makes a letter small


@inlined
def corrected(mantissa: int, power: float) -> float:
    """The float nearest to mantissa / power; NaN where two are too near to say.

    The quotient is corrected by what its exact product with the divisor leaves (Dekker 1971, doi:10.1007/BF01397083).
    """
    high, low = float(mantissa >> 32) * 2.0**32, float(mantissa & 0xFFFFFFFF)
    total = high + low
    lost = low - (total - high)
    quotient = total / power
    product = quotient * power
    left, above = _SPLIT * quotient, _SPLIT * power
    left, above = left - (left - quotient), above - (above - power)
    right, below = quotient - left, power - above
    error = ((left * above - product) + left * below + right * above) + right * below
    correction = (((total - product) - error) + lost) / power
    doubt = correction * _DOUBT
    found = quotient + correction
    certain = quotient + (correction - doubt) == found and quotient + (correction + doubt) == found
    return found if certain else math.nan


@inlined
def digits(text: UInt8, at: int, before: int) -> tuple[int, int]:
    """The number `before` with the digits at `at` written behind it, and the place behind them, or -1 for too many."""
    while True:
        digit = int(text[at]) - _ZERO
        if digit < 0 or digit > 9:
            return before, at
        if before >= _FULL:
            return 0, -1
        before = before * 10 + digit
        at += 1


@inlined
def power_at(text: UInt8, at: int) -> tuple[int, int]:
    """The exponent at `at`, of up to three digits, and the place behind it, or -1 for another."""
    negative = text[at] == _MINUS
    if negative or text[at] == _PLUS:
        at += 1
    found, behind = digits(text, at, 0)
    return (-found if negative else found), (behind if 1 <= behind - at <= 3 else -1)


@inlined
def number(text: UInt8, at: int) -> tuple[float, int]:
    """The JSON number or null (NaN) at `at` as a float, and the place behind it; -1 for one that is left to others."""
    if text[at] == _N:
        null = text[at + 1] == _U and text[at + 2] == _L and text[at + 3] == _L
        return math.nan, at + 4 if null else -1
    negative = text[at] == _MINUS
    first = at + 1 if negative else at
    mantissa, at = digits(text, first, 0)
    if at <= first or (at > first + 1 and text[first] == _ZERO):
        return 0.0, -1
    exponent = 0
    if text[at] == _POINT:
        point = at + 1
        mantissa, at = digits(text, point, mantissa)
        if at <= point:
            return 0.0, -1
        exponent = point - at
    elif negative and mantissa == 0:
        return 0.0, -1  # a whole -0
    if text[at] | _SMALL == _E:
        more, at = power_at(text, at + 1)
        exponent += more
    if at < 0 or not -22 <= exponent <= 22:
        return 0.0, -1
    power = _POWERS[abs(exponent)]
    if mantissa < _EXACT:
        found = mantissa * power if exponent >= 0 else mantissa / power
    else:
        found = corrected(mantissa, power) if exponent <= 0 else math.nan
    return -found if negative else found, at if found == found else -1  # noqa: PLR0124 (NaN)


@compiled
def scan(text: UInt8, ends: Int64, template: tuple[UInt8, Int64, Int64], times: Int64, values: Float64) -> bool:
    """Fill `times` (n,) and `values` (n, channels) from n bodies, joined, that end at `ends`; False where one differs.

    See `alike.Template` for what they share. Numbers that would take more than a few steps differ, too.
    """
    literals, edges, columns = template
    at, slots = 0, len(columns)
    for row in range(len(ends)):
        for slot in range(slots + 1):
            for place in range(edges[slot], edges[slot + 1]):
                if text[at] != literals[place]:
                    return False
                at += 1
            if slot == slots:
                break
            column = columns[slot]
            if column == TIME:
                first = at
                times[row], at = digits(text, at, 0)
                if at <= first or (at > first + 1 and text[first] == _ZERO):
                    return False
            else:
                values[row, column], at = number(text, at)
                if at < 0:
                    return False
        if at != ends[row]:
            return False
    return True
