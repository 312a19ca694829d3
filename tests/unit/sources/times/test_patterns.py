"""Dates and times by a pattern."""

from __future__ import annotations

import locale
from datetime import datetime

import pytest

from monitor.records.batches import NEVER
from monitor.sources.times.patterns import Pattern
from monitor.sources.timestamps import to_ns

SECOND = 10**9
NOON = 1_772_452_800 * SECOND  # 2026-03-02T12:00:00Z


@pytest.mark.parametrize(
    ("pattern", "text", "ns"),
    [
        ("%Y%m%d%H%M", "202603021200", NOON),
        ("%y%m%d%H%M%S", "260302120001", NOON + SECOND),
        ("%Y%m%d%H%M%S%f", "20260302120000250", NOON + SECOND // 4),
        ("%d.%m.%Y %H:%M:%S", "02.03.2026 12:00:00", NOON),
        ("%d.%m.%Y %H:%M:%S", "2.3.2026 12:0:5", NOON + 5 * SECOND),
        ("%d.%m.%Y %H:%M:%S,%f", "02.03.2026 12:00:00,5", NOON + SECOND // 2),
        ("%m/%d/%Y %I:%M %p", "03/02/2026 12:00 PM", NOON),
        ("%m/%d/%Y %I:%M %p", "3/2/2026 12:00 am", NOON - 12 * 3600 * SECOND),
        ("%d-%b-%Y %H:%M", "02-Mar-2026 12:00", NOON),
        ("%d %B %Y", "1 May 2026", 1_777_593_600 * SECOND),
        ("%Y-%j %H", "2026-061 12", NOON),
        ("%Y-%m-%d %H:%M %z", "2026-03-02 13:30 +0130", NOON),
        ("%Y-%m-%d %H:%M %z", "2026-03-02 12:00 Z", NOON),
        ("%Y%m%d%H%M", "202603012400", NOON - 12 * 3600 * SECOND),
        ("%Y%m%d%H%M%S", "20161231235960", 1_483_228_800 * SECOND),
        ("100%% %Y%m%d", "100% 20260302", NOON - 12 * 3600 * SECOND),
        ("%Y%m%d%H%M", "202613021200", NEVER),
        ("%Y%m%d%H%M", "2026-03-02", NEVER),
        ("%Y%m%d%H%M", "202603021260", NEVER),
        ("%Y%m%d%H%M", "2026030212000", NEVER),
        ("%Y%m%d%H%M", "\u0662\u0660\u0662603021200", NEVER),
        ("%d-%b-%Y", "02-Xyz-2026", NEVER),
        ("%Y-%j", "2026-366", NEVER),
        ("%Y-%j", "2024-366", 1_735_603_200 * SECOND),
        ("%m/%d/%Y %I:%M %p", "03/02/2026 13:00 PM", NEVER),
        ("%Y-%m-%d %H:%M %z", "2026-03-02 12:00 +9900", NEVER),
        ("%Y-%m-%d", "", NEVER),
    ],
)
def test_a_text(pattern: str, text: str, ns: int) -> None:
    assert Pattern(pattern).parse([text]).tolist() == [ns]
    assert Pattern(pattern).parse([text, "x", text]).tolist() == [ns, NEVER, ns]


def test_numbers_have_the_zeros_that_they_lost() -> None:
    assert to_ns([60302, 260302.0, 60302.5], "%y%m%d").tolist() == [
        int(datetime.fromisoformat("2006-03-02T00:00Z").timestamp()) * SECOND, NOON - 43_200 * SECOND, NEVER
    ]  # fmt: skip


def test_names_are_english_whatever_the_machine_speaks() -> None:
    before = locale.setlocale(locale.LC_TIME)
    chosen = next((name for name in ("de_DE.UTF-8", "fr_FR.UTF-8", "C.UTF-8") if _set(name)), before)
    try:
        assert Pattern("%d %b %Y").parse(["2 Mar 2026", "2 Mär 2026"]).tolist() == [NOON - 43_200 * SECOND, NEVER], (
            chosen
        )
    finally:
        locale.setlocale(locale.LC_TIME, before)


def _set(name: str) -> bool:
    try:
        locale.setlocale(locale.LC_TIME, name)
    except locale.Error:
        return False
    return True


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("%Q%Y%m%d", "%Q is not known"),
        ("%Y%m%d%", "% is not known"),
        ("%H:%M:%S", "needs the year"),
        ("%Y-%m", "needs the year"),
        ("%Y%m%d%d", "once"),
        ("%Y%m%d %I", "%I goes with %p"),
    ],
)
def test_patterns_that_cannot_be(pattern: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Pattern(pattern)
