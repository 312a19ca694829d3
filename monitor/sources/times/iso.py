"""Dates and times in ISO 8601."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from monitor.records.batches import NEVER, Bool, Int64
from monitor.sources.times.calendar import LAST, Parts, Places, among, blocks, moments, number

_ZONES = (3, 5, 6, 1)  # characters of: +hh, +hhmm, +hh:mm, Z
_DATE, _MINUTES, _SECONDS = 10, 16, 19  # characters of 2026-01-01, 2026-01-01T00:00, 2026-01-01T00:00:00
_NUMBERS = ((0, 4), (5, 7), (8, 10), (11, 13), (14, 16), (17, 19), (20, 29))
_SEPARATORS = ((4, "-"), (7, "-"), (10, "Tt "), (13, ":"), (16, ":"), (19, ".,"))


def parse_iso(texts: Sequence[str]) -> tuple[Int64, Bool]:
    """`2026-01-01`, `2026-01-01T10:00`, `2026-01-01 10:00:00.123456789+01:00` ... in ns, and which ones name a zone.

    Without a zone it is taken for UTC. NEVER where there is no time. At most nine decimals; no week or ordinal dates.
    """
    times = np.full(len(texts), NEVER, np.int64)
    zoned = np.zeros(len(texts), np.bool_)
    for rows, places in blocks(texts):
        length = len(places)
        if not _DATE <= length <= _SECONDS + 10 + max(_ZONES):
            continue
        zones = _zone_width(places)
        zoned[rows] = zones > 0
        for width in set(zones.tolist()):
            here = zones == width
            ahead, is_zone = offset(places[length - width :, here])
            utc, is_time = _moments(places[: length - width, here], ahead)
            times[rows[here]] = np.where(is_time & is_zone, utc, NEVER)
    return np.where(np.abs(times) < LAST, times, NEVER), zoned


def offset(places: Places) -> tuple[Int64, Bool]:
    """How far a zone such as `+01:00`, `-0330` or `Z` is ahead of UTC in ns, and where it is one."""
    width, texts = places.shape
    if width <= 1:
        return np.zeros(texts, np.int64), np.ones(texts, np.bool_)
    hours, ok = number(places[1:3])
    minutes, digits = number(places[-2:] if width > 3 else places[:0])
    ok = ok & digits & (hours < 24) & (minutes < 60)
    if width == 6:
        ok &= among(places[3], ":")
    sign = np.where(among(places[0], "-"), -1, 1)
    return sign * (hours * 60 + minutes) * (60 * 10**9), ok


def _zone_width(places: Places) -> Int64:
    """How many characters the zone takes at the end of each text; 0 = none."""
    length, texts = places.shape
    widths = np.zeros(texts, np.int64)
    if length <= _MINUTES:
        return widths
    for width in _ZONES:
        if length - width >= _MINUTES:
            widths[among(places[-width], "Zz" if width == 1 else "+-")] = width
    return widths


def _moments(places: Places, ahead: Int64) -> tuple[Int64, Bool]:
    """Date and time in ns, and where it is one. The texts are laid out alike; their zones are `ahead` of UTC."""
    length, texts = places.shape
    decimals = max(0, length - _SECONDS - 1)
    if length not in (_DATE, _MINUTES, _SECONDS) and not 1 <= decimals <= 9:
        return np.zeros(texts, np.int64), np.zeros(texts, np.bool_)
    numbers = [number(places[start:stop]) for start, stop in _NUMBERS]
    year, month, day, hour, minute, second, fraction = (value for value, _ in numbers)
    digits: Bool = np.logical_and.reduce([digits for _, digits in numbers])
    for place, allowed in _SEPARATORS:
        if place < length:
            digits &= among(places[place], allowed)
    utc, ok = moments(Parts(year, month, day, hour, minute, second, fraction * 10 ** (9 - decimals)), ahead)
    return utc, ok & digits
