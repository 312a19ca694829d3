"""Numbers that are no plausible epoch times, and what they look like."""

from __future__ import annotations

import time

import pytest

from monitor.records.batches import NEVER
from monitor.sources.timestamps import TimeReader


@pytest.mark.parametrize(
    ("number", "unit"),
    [
        (639_080_064_000_000_000, "ticks"),
        (134_168_544_000_000_000, "filetime"),
        (46083.25, "excel"),
        (46083, "excel"),
        (202603021200, "%Y%m%d%H%M"),
        (20260302120000, "%Y%m%d%H%M%S"),
        (20260302120000123, "%Y%m%d%H%M%S%f"),
        (2026030212, "%Y%m%d%H"),
        (20260302, "%Y%m%d"),
        (260302120000, "%y%m%d%H%M%S"),
        (2603021200, "%y%m%d%H%M"),
        (260302, "%y%m%d"),
        (0.25, "s"),
        (0, "s"),
        (900_000_000, "s"),
        (3_855_513_600, "s"),
        (900_000_000_000, "ms"),
        (-5, "s"),
    ],
)
@pytest.mark.parametrize("kind", [None, str])
def test_auto_refuses_and_says_what_it_looks_like(number: float, unit: str, kind: type | None) -> None:
    reader, item = TimeReader(), number if kind is None else str(number)

    assert reader.read([item]).ns.tolist() == [NEVER]
    assert f'set time_unit = "{unit}"' in reader.explain(item)
    assert str(number) in reader.explain(item)
    assert TimeReader(unit).read([item]).ns.tolist() != [NEVER]


def test_auto_takes_what_a_sensor_may_mean() -> None:
    now = int(time.time())
    numbers = [946_684_800, now, now * 1000, now * 10**6, now * 10**9, now + 600 * 86_400]

    assert NEVER not in TimeReader().read(numbers).ns.tolist()
    assert TimeReader().read([str(number) for number in numbers]).ns.tolist() == TimeReader().read(numbers).ns.tolist()


@pytest.mark.parametrize(
    ("unit", "item", "words"),
    [
        ("auto", "yesterday", "'yesterday' is neither ISO 8601 nor an epoch time"),
        ("ms", "yesterday", "'yesterday' is neither ISO 8601 nor a number of ms"),
        ("iso", 5, "5 is not ISO 8601"),
        ("%Y%m%d", "2026-03-02", "'2026-03-02' does not look like %Y%m%d"),
        ("auto", "9" * 500, "999' is neither"),
        ("auto", 10**400, "0 is neither"),
        ("auto", float("nan"), "nan is neither"),
    ],
)
def test_why_there_is_no_time(unit: str, item: float | str, words: str) -> None:
    reader = TimeReader(unit)

    assert reader.read([item]).ns.tolist() == [NEVER]
    assert words in reader.explain(item)
    assert len(reader.explain(item)) < 200


def test_a_unit_that_there_is_not() -> None:
    with pytest.raises(ValueError, match="time_unit: 'tick' is not known; choose one of auto, iso, s, ms"):
        TimeReader("tick")
