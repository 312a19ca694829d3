"""Quiet hours follow the clocks of their zone, on days of change too."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config.quiet_hours import QuietHours, parse_hours

PRAGUE, YORK = ZoneInfo("Europe/Prague"), ZoneInfo("America/New_York")
NIGHT = [parse_hours("22:00-06:00")]
HOUR = 3600 * 10**9


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp()) * 10**9


@pytest.mark.parametrize(
    ("zone", "begin", "end", "hours"),
    [
        (PRAGUE, "2026-01-10T21:00Z", "2026-01-11T05:00Z", 8),
        (PRAGUE, "2026-03-28T21:00Z", "2026-03-29T04:00Z", 7),  # clocks go forward
        (PRAGUE, "2026-10-24T20:00Z", "2026-10-25T05:00Z", 9),  # and back
        (YORK, "2026-03-08T03:00Z", "2026-03-08T10:00Z", 7),
        (YORK, "2026-11-01T02:00Z", "2026-11-01T11:00Z", 9),
    ],
)
def test_a_night_begins_and_ends_when_the_clocks_show_so(zone: ZoneInfo, begin: str, end: str, hours: int) -> None:
    quiet = QuietHours(NIGHT, zone)
    assert at(end) - at(begin) == hours * HOUR
    assert quiet.until(at(begin) - 1) is None
    assert quiet.until(at(begin)) == quiet.until(at(end) - 1) == at(end)
    assert quiet.until(at(end)) is None
    assert quiet.ended(at(end) - 1) != at(end)
    assert quiet.ended(at(end)) == quiet.ended(at(end) + 10 * HOUR) == at(end)


def test_a_time_that_the_clocks_leave_out_or_show_twice() -> None:
    quiet = QuietHours([parse_hours("02:30-04:00")], PRAGUE)
    assert quiet.until(at("2026-03-29T01:29:59Z")) is None  # 03:29:59: 02:30 lies at 03:30
    assert quiet.until(at("2026-03-29T01:30Z")) == at("2026-03-29T02:00Z")
    assert quiet.until(at("2026-10-25T00:30Z")) == at("2026-10-25T03:00Z")  # the first 02:30


def test_no_hours_are_never_quiet() -> None:
    assert QuietHours().until(at("2026-01-01T00:00Z")) is QuietHours().ended(at("2026-01-01T00:00Z")) is None


@given(st.integers(0, 4 * 10**18), st.sampled_from(["00:00-23:59", "22:00-06:00", "12:00-13:30"]))
def test_an_end_lies_behind_and_the_next_one_ahead(now: int, hours: str) -> None:
    quiet = QuietHours([parse_hours(hours)], PRAGUE)
    ended, until = quiet.ended(now), quiet.until(now)
    assert ended is not None
    assert now - 26 * HOUR < ended <= now
    assert until is None or now < until < now + 26 * HOUR


@pytest.mark.parametrize("text", ["", "22-06", "22:00", "24:00-06:00", "22:60-06:00", "22:00-22:00", "22:00-06:00x"])
def test_what_are_no_hours_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"times of day|no length"):
        parse_hours(text)
