"""Calendars as plants have them, and as an attacker sends them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from monitor.errors import SettingsError
from monitor.maintenance.calendar_file import parse, read
from monitor.maintenance.occurrences import upcoming
from monitor.records.maintenance import Maintenance
from monitor.records.times import iso

PLANT = """\
BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//Example CMMS//Work orders 4.2//EN
CALSCALE:GREGORIAN
X-WR-TIMEZONE:Europe/Berlin
BEGIN:VTIMEZONE
TZID:Europe/Berlin
BEGIN:DAYLIGHT
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
TZNAME:CEST
DTSTART:19700329T020000
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
END:DAYLIGHT
BEGIN:STANDARD
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
TZNAME:CET
DTSTART:19701025T030000
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
END:STANDARD
END:VTIMEZONE
BEGIN:VEVENT
UID:cip-line-3@example.com
DTSTAMP:20260102T080000Z
SUMMARY:CIP line 3\\, weekly
DTSTART;TZID=Europe/Berlin:20260104T010000
DTEND;TZID=Europe/Berlin:20260104T050000
RRULE:FREQ=WEEKLY;BYDAY=SU;UNTIL=20260331T220000Z
EXDATE;TZID=Europe/Berlin:20260111T010000,20260118T010000
EXDATE:20260125T000000Z
BEGIN:VALARM
ACTION:DISPLAY
TRIGGER:-PT15M
DESCRIPTION:Reminder
END:VALARM
END:VEVENT
BEGIN:VEVENT
UID:cip-line-3@example.com
DTSTAMP:20260102T080000Z
RECURRENCE-ID;TZID=Europe/Berlin:20260201T010000
SUMMARY:CIP line 3\\, weekly
DTSTART;TZID=Europe/Berlin:20260202T220000
DURATION:PT4H
END:VEVENT
BEGIN:VEVENT
UID:cip-line-3@example.com
DTSTAMP:20260102T080000Z
RECURRENCE-ID;TZID=Europe/Berlin:20260208T010000
STATUS:CANCELLED
SUMMARY:CIP line 3\\, weekly
DTSTART;TZID=Europe/Berlin:20260208T010000
DTEND;TZID=Europe/Berlin:20260208T050000
END:VEVENT
BEGIN:VEVENT
UID:shutdown@example.com
DTSTAMP:20260102T080000Z
SUMMARY:Summer shutdown
DTSTART;VALUE=DATE:20260803
DTEND;VALUE=DATE:20260817
END:VEVENT
BEGIN:VEVENT
UID:boiler@example.com
DTSTAMP:20260102T080000Z
SUMMARY:Boiler inspection
DTSTART:20260506T080000Z
DURATION:PT90M
END:VEVENT
END:VCALENDAR
"""
LIKE = {
    "streams": "m-1*",
    "families": ("pumps",),
    "notify": False,
    "score": True,
    "learn": False,
    "by": "ann",
    "why": "",
}


def starts(of: Maintenance) -> list[str]:
    return [iso(begin) for begin, _ in upcoming(of, 0, 20)]


def event(*lines: str) -> bytes:
    body = "\r\n".join(
        ["BEGIN:VCALENDAR", "VERSION:2.0", "BEGIN:VEVENT", "UID:x", *lines, "END:VEVENT", "END:VCALENDAR"]
    )
    return body.encode()


def test_a_plants_calendar(tmp_path: Path) -> None:
    file = tmp_path / "plant.ics"
    file.write_bytes(PLANT.replace("\n", "\r\n").encode())

    weekly, shutdown, boiler, moved = read(file, "UTC", LIKE)

    assert (weekly.name, weekly.zone, weekly.streams, weekly.families) == (
        "CIP line 3, weekly", "Europe/Berlin", "m-1*", ("pumps",),
    )  # fmt: skip
    assert starts(weekly) == [
        "2026-01-04T00:00:00Z", "2026-02-15T00:00:00Z", "2026-02-22T00:00:00Z", "2026-03-01T00:00:00Z",
        "2026-03-08T00:00:00Z", "2026-03-15T00:00:00Z", "2026-03-22T00:00:00Z", "2026-03-29T00:00:00Z",
    ]  # fmt: skip
    assert (moved.name, starts(moved)) == ("CIP line 3, weekly (2)", ["2026-02-02T21:00:00Z"])
    assert [iso(at) for at in upcoming(shutdown, 0, 1)[0]] == ["2026-08-02T22:00:00Z", "2026-08-16T22:00:00Z"]
    assert (boiler.zone, [iso(at) for at in upcoming(boiler, 0, 1)[0]]) == (
        "UTC", ["2026-05-06T08:00:00Z", "2026-05-06T09:30:00Z"],
    )  # fmt: skip


def test_zones_as_windows_names_them() -> None:
    (found,) = parse(
        event('DTSTART;TZID="W. Europe Standard Time":20260701T100000', "DURATION:PT1H", "SUMMARY:x"), "UTC", LIKE
    )

    assert starts(found) == ["2026-07-01T08:00:00Z"]


BEGINS = "DTSTART:20260101T000000Z"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "no iCalendar file"),
        (b"\xff\xfe\x00garbage", "no iCalendar file"),
        (b"BEGIN:VEVENT\r\nEND:VEVENT\r\n", "no iCalendar file"),
        (event(BEGINS, "DURATION:PT1S", "RRULE:FREQ=SECONDLY"), "FREQ is SECONDLY"),
        (event(BEGINS, "DURATION:PT1S", "RRULE:FREQ=MINUTELY;COUNT=2"), "FREQ is MINUTELY"),
        (event(BEGINS, "DURATION:PT1S", "RRULE:FREQ=DAILY;COUNT=99999999"), "COUNT"),
        (event(BEGINS, "DURATION:PT1S", "RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=31"), "never occurs"),
        (event(BEGINS, "DURATION:PT1H", "RRULE:FREQ=NEVER"), "RRULE cannot be read"),
        (event(BEGINS, "DURATION:PT1H", "RRULE:FREQ=DAILY", "RRULE:FREQ=WEEKLY"), "several rules"),
        (event("DTSTART;TZID=Mars/Olympus:20260101T000000", "DURATION:PT1H"), "no time zone 'Mars/Olympus'"),
        (event("DTSTART:tomorrow", "DURATION:PT1H"), "DTSTART cannot be read"),
        (event("DURATION:PT1H"), "no DTSTART"),
        (event(BEGINS), "neither DTEND nor DURATION"),
        (event(BEGINS, "DTEND:20250101T000000Z"), "not after start"),
        (event(BEGINS, "DURATION:P4000D"), "366 at most"),
        (event(BEGINS, "DURATION:P9000000D"), "event 1 .*9,000,000 days"),
        (event("DTSTART;TZID=Pacific/Auckland:20260101T000000", "DTEND:99991231T235959Z"), "event 1 .*too far away"),
        (event("DTSTART;TZID=America/New_York:20260101T000000", "DTEND:00010101T000000Z"), "event 1 .*too far away"),
        (event(BEGINS, BEGINS, "DURATION:PT1H"), "event 1 .*DTSTART stands there several times"),
        (event(BEGINS, "DURATION:PT1H", "DURATION:PT1H"), "DURATION stands there several times"),
        (event(BEGINS, "DURATION:PT1H", *["RECURRENCE-ID:20260101T000000Z"] * 2), "RECURRENCE-ID stands there several"),
        (event("DTSTART;VALUE=PERIOD:20260101T000000Z/PT1H", "DURATION:PT1H"), "DTSTART is no date"),
        (
            event(
                "DTSTART;TZID=Pacific/Auckland:20260101T000000", "DURATION:PT1H", "END:VEVENT", "BEGIN:VEVENT", "UID:x",
                BEGINS, "DURATION:PT1H", "RECURRENCE-ID:99991231T235959Z",
            ),
            "RECURRENCE-ID of an event .*too far away",
        ),
        (event(BEGINS, "DURATION:PT1H", "RECURRENCE-ID;RANGE=THISANDFUTURE:20260101T000000Z"), "later occurrences"),
        (event(BEGINS, "DURATION:PT1H", "EXDATE:" + ",".join(["20260101T000000Z"] * 6000)), "EXDATE has 6,000 times"),
        (event(BEGINS, "DURATION:PT1H", "X-LONG:" + "a" * 2**20), "larger than"),
        (event(BEGINS, "DURATION:PT1H", *["END:VEVENT", "BEGIN:VEVENT", BEGINS, "DURATION:PT1H"] * 600), "601 events"),
    ],
)  # fmt: skip
def test_what_is_hostile_or_broken_is_refused_with_what_it_is(body: bytes, says: str, tmp_path: Path) -> None:
    file, began = tmp_path / "bad.ics", time.process_time()
    file.write_bytes(body)

    with pytest.raises(SettingsError, match=says):
        read(file, "UTC", LIKE)

    assert time.process_time() - began < 20


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        read(tmp_path / "none.ics", "UTC", LIKE)
