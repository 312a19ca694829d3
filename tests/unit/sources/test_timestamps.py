"""Times in every notation, exact to the nanosecond."""

from __future__ import annotations

import pytest

from monitor.records.batches import NEVER
from monitor.sources.times.iso import parse_iso
from monitor.sources.timestamps import LAST, to_ns

SECOND = 10**9
HOUR = 3600 * SECOND
MOMENT = 1_709_197_200 * SECOND  # 2024-02-29T09:00:00Z


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01", 0),
        ("2024-02-29T09:00", MOMENT),
        ("2024-02-29T09:00Z", MOMENT),
        ("2024-02-29 09:00:00", MOMENT),
        ("2024-02-29t09:00:00z", MOMENT),
        ("2024-02-29T10:30:00+01:30", MOMENT),
        ("2024-02-29T10:30:00+0130", MOMENT),
        ("2024-02-29T04:00:00-05", MOMENT),
        ("2024-02-29T04:00-05:00", MOMENT),
        ("2024-02-29T09:00:00.5Z", MOMENT + SECOND // 2),
        ("2024-02-29T09:00:00,25", MOMENT + SECOND // 4),
        ("2024-02-29T09:00:00.123456789+00:00", MOMENT + 123_456_789),
        ("2024-02-28T24:00:00", MOMENT - 9 * HOUR),
        ("2024-02-28T24:00Z", MOMENT - 9 * HOUR),
        ("2024-02-29T24:00:00.000+15:00", MOMENT),
        ("2023-12-31 24:00:00", 1_704_067_200 * SECOND),
        ("2016-12-31T23:59:60Z", 1_483_228_800 * SECOND),
        ("2017-01-01T00:59:60.5+01:00", 1_483_228_800 * SECOND + SECOND // 2),
        ("2016-12-31T23:59:60", 1_483_228_800 * SECOND),
        ("1969-12-31T23:59:59.999999999Z", -1),
        ("1830-01-01T00:00:00Z", -4_417_977_600 * SECOND),
    ],
)
def test_iso(text: str, ns: int) -> None:
    assert parse_iso([text])[0].tolist() == [ns]


@pytest.mark.parametrize(
    "text",
    [
        "", "now", "2024", "2024-13-01", "2024-00-10", "2023-02-29", "2024-02-30",
        "2024-02-29T24:00:01", "2024-02-29T24:01", "2024-02-29T25:00",
        "2024-02-29T09:60", "2024-02-29T09:00:60", "2024-02-29T09:00:00.", "2024-02-29T09:00:00.1234567890",
        "2024-02-29T09:00:00+25:00", "2024-02-29T09:00:00+01:60", "2024-02-29T09:00:00+01;00", "2024-02-29Z",
        "2024-02-29T09:00:00 Z", "2024-02-29X09:00:00", "2024/02/29", "\u0662\u0660\u0662\u0664-02-29",
        "1700-01-01", "2150-01-01",
        "2024-02-29T0a:00:00", "2024-02-29T09:00:00ZZ", "-2024-02-29", "2024-02-29T09:00:00+-1:00",
    ],
)  # fmt: skip
def test_what_is_no_time(text: str) -> None:
    assert parse_iso([text])[0].tolist() == [NEVER]


@pytest.mark.parametrize(
    ("number", "unit", "ns"),
    [
        (1_700_000_000, "auto", 1_700_000_000 * SECOND),
        (1_700_000_000_123, "auto", 1_700_000_000_123_000_000),
        (1_700_000_000_123_456, "auto", 1_700_000_000_123_456_000),
        (1_700_000_000_123_456_789, "auto", 1_700_000_000_123_456_789),
        (1_700_000_000_123_456_789, "ns", 1_700_000_000_123_456_789),
        (1_700_000_000.123456, "s", 1_700_000_000_123_456_000),
        (1_700_000_000.1, "auto", 1_700_000_000_100_000_000),
        (1_700_000_000_123.5, "ms", 1_700_000_000_123_500_000),
        (-1, "s", -SECOND),
        (-1.5, "s", -SECOND * 3 // 2),
        (0, "s", 0),
        (0, "auto", NEVER),
        (-1.5, "auto", NEVER),
        (5, "ns", 5),
        (1_700_000_000, "ms", 1_700_000 * SECOND),
        (2**63, "ns", NEVER),
        (-(2**63), "auto", NEVER),
        (10**40, "auto", NEVER),
        (LAST, "ns", NEVER),
        (LAST // SECOND + 1, "s", NEVER),
        (1e300, "s", NEVER),
        (1e300, "auto", NEVER),
        (1_700_000_000, "iso", NEVER),
        ("2024-02-29T09:00", "s", MOMENT),
        ("2024-02-29T09:00", "iso", MOMENT),
    ],
)
def test_numbers(number: float | str, unit: str, ns: int) -> None:
    assert to_ns([number], unit).tolist() == [ns]


def test_a_column_of_all_sorts() -> None:
    raw: list[int | float | str] = [
        "2024-02-29T09:00Z",
        1_700_000_000,
        "x",
        2e9 / 1.25,
        10**30,
        "2024-02-29",
        "2024-02-29T10:00:00+01:00",
    ]

    midnight = MOMENT - 9 * 3600 * SECOND
    assert to_ns(raw, "auto").tolist() == [
        MOMENT,
        1_700_000_000 * SECOND,
        NEVER,
        1_600_000_000 * SECOND,
        NEVER,
        midnight,
        MOMENT,
    ]


def test_a_column_of_whole_numbers_in_several_units() -> None:
    raw = [1_700_000_000, 1_700_000_000_000, 1_700_000_000_000_000, 1_700_000_000 * SECOND, -1]

    assert to_ns(raw, "auto").tolist() == [1_700_000_000 * SECOND] * 4 + [NEVER]
    assert to_ns(raw[:1] * 3, "auto").tolist() == [1_700_000_000 * SECOND] * 3


def test_nothing() -> None:
    assert to_ns([], "auto").tolist() == []
    assert parse_iso([])[0].tolist() == []
