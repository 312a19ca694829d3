"""When a maintenance takes place: over the changes of the clocks in three zones, and as a brute force finds it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.maintenance.calendar import Calendar
from monitor.maintenance.occurrences import check, merged, occurrences, upcoming
from monitor.records.maintenance import Maintenance, Muted
from monitor.records.times import iso

WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
HOUR = 3600 * 10**9
DAY = 24 * HOUR
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 (a wall-clock time)


def local(text: str) -> datetime:
    return datetime.fromisoformat(text)


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9


def weekly(zone: str, start: str = "2026-01-04T01:00", end: str = "2026-01-04T05:00") -> Maintenance:
    return Maintenance(name="w", start=local(start), end=local(end), zone=zone, rrule="FREQ=WEEKLY;BYDAY=SU")


@pytest.mark.parametrize(
    ("zone", "day", "begins", "hours"),
    [
        ("Europe/Berlin", "2026-03-22", "00:00", 4),
        ("Europe/Berlin", "2026-03-29", "00:00", 3),  # forward: 02:00 does not exist
        ("Europe/Berlin", "2026-04-05", "-1:00", 4),
        ("Europe/Berlin", "2026-10-25", "-1:00", 5),  # back: 02:00 to 03:00 is there twice
        ("Europe/Berlin", "2026-11-01", "00:00", 4),
        ("America/New_York", "2026-03-01", "06:00", 4),
        ("America/New_York", "2026-03-08", "06:00", 3),
        ("America/New_York", "2026-03-15", "05:00", 4),
        ("America/New_York", "2026-11-01", "05:00", 5),
        ("America/New_York", "2026-11-08", "06:00", 4),
        ("Australia/Sydney", "2026-04-05", "-10:00", 5),  # the southern autumn
        ("Australia/Sydney", "2026-04-12", "-9:00", 4),
        ("Australia/Sydney", "2026-10-04", "-9:00", 3),
        ("Australia/Sydney", "2026-10-11", "-10:00", 4),
    ],
)
def test_weekly_maintenance_keeps_its_wall_clock_times_over_both_changes(
    zone: str, day: str, begins: str, hours: int
) -> None:
    hour, _, minute = begins.partition(":")
    expected = ns(day) + int(hour) * HOUR + int(minute) * 60 * 10**9

    found = occurrences(weekly(zone), ns(day) - 12 * HOUR, ns(day) + 12 * HOUR)

    assert found == [(expected, expected + hours * HOUR)]
    for at, text in zip(found[0], ("01:00", "05:00"), strict=True):
        assert f"{datetime.fromtimestamp(at // 10**9, ZoneInfo(zone)):%Y-%m-%d %H:%M}" == f"{day} {text}"


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Sydney", "Asia/Kathmandu"])
def test_a_year_has_every_week_once(zone: str) -> None:
    found = occurrences(weekly(zone), ns("2026-02-01"), ns("2027-02-01"))

    assert len(found) in {52, 53}
    assert {later[0] - earlier[0] for earlier, later in pairwise(found)} <= {7 * DAY, 7 * DAY - HOUR, 7 * DAY + HOUR}


def test_times_that_do_not_exist_or_exist_twice() -> None:
    gap = weekly("Europe/Berlin", "2026-01-04T02:30", "2026-01-04T02:45")
    over = weekly("Europe/Berlin", "2026-01-04T02:30", "2026-01-04T03:00")  # ends before it begins, by the clock

    assert [iso(at) for at in occurrences(gap, ns("2026-03-29"), ns("2026-03-30"))[0]] == [
        "2026-03-29T01:30:00Z", "2026-03-29T01:45:00Z",
    ]  # fmt: skip
    assert [iso(at) for at in occurrences(gap, ns("2026-10-25"), ns("2026-10-26"))[0]] == [
        "2026-10-25T00:30:00Z", "2026-10-25T00:45:00Z",
    ]  # fmt: skip
    assert [iso(at) for at in occurrences(over, ns("2026-03-29"), ns("2026-03-30"))[0]] == [
        "2026-03-29T01:30:00Z", "2026-03-29T02:00:00Z",
    ]  # fmt: skip


def test_exceptions_and_additions() -> None:
    of = Maintenance(
        name="w", start=local("2026-01-04T01:00"), end=local("2026-01-04T02:00"), rrule="FREQ=WEEKLY;COUNT=4",
        exdates=(local("2026-01-11T01:00"),), rdates=(local("2026-01-13T09:00"), local("2026-01-18T01:00")),
    )  # fmt: skip

    starts = [iso(begin) for begin, _ in upcoming(of, 0, 9)]

    assert starts == ["2026-01-04T01:00:00Z", "2026-01-13T09:00:00Z", "2026-01-18T01:00:00Z", "2026-01-25T01:00:00Z"]


def test_what_was_removed_ends_then_and_what_was_before_stands() -> None:
    of = Maintenance(
        name="w", start=local("2026-01-04T01:00"), end=local("2026-01-04T03:00"), rrule="FREQ=DAILY",
        over=ns("2026-01-05T02:00"),
    )  # fmt: skip

    assert occurrences(of, 0, ns("2027-01-01")) == [
        (ns("2026-01-04T01:00"), ns("2026-01-04T03:00")), (ns("2026-01-05T01:00"), ns("2026-01-05T02:00")),
    ]  # fmt: skip


def daily(day: datetime, rule: dict[str, int | str]) -> bool:
    """Whether a rule of the kind below occurs on a day, by the definition."""
    begin = datetime(2026, 1, 1)  # noqa: DTZ001 (a wall-clock time)
    number, interval = (day - begin).days, int(rule["INTERVAL"])
    if number < 0:
        return False
    if rule["FREQ"] == "DAILY":
        return number % interval == 0
    if rule["FREQ"] == "WEEKLY":
        monday = begin - timedelta(days=begin.weekday())
        wanted = str(rule["BYDAY"]).split(",")
        return (day - monday).days // 7 % interval == 0 and WEEKDAYS[day.weekday()] in wanted
    months = (day.year - begin.year) * 12 + day.month - begin.month
    return months % interval == 0 and day.day == rule["BYMONTHDAY"]


rules = st.one_of(
    st.fixed_dictionaries({"FREQ": st.just("DAILY"), "INTERVAL": st.integers(1, 9)}),
    st.fixed_dictionaries(
        {
            "FREQ": st.just("WEEKLY"), "INTERVAL": st.integers(1, 4),
            "BYDAY": st.sets(st.sampled_from(["MO", "TU", "WE", "TH", "FR", "SA", "SU"]), min_size=1).map(",".join),
        }
    ),
    st.fixed_dictionaries(
        {"FREQ": st.just("MONTHLY"), "INTERVAL": st.integers(1, 3), "BYMONTHDAY": st.integers(1, 31)}
    ),
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(
    rule=rules, hour=st.integers(0, 23), lasts=st.integers(1, 60), begin=st.integers(0, 900), days=st.integers(1, 60),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Sydney"]),
)  # fmt: skip
def test_occurrences_are_those_that_a_brute_force_finds(
    rule: dict[str, int | str], hour: int, lasts: int, begin: int, days: int, zone: str
) -> None:
    first = datetime(2026, 1, 1, hour)  # noqa: DTZ001 (a wall-clock time)
    text = ";".join(f"{name}={value}" for name, value in rule.items())
    of = Maintenance(name="m", start=first, end=first + timedelta(hours=lasts), zone=zone, rrule=text)
    low, high = ns("2026-01-01") + begin * DAY, ns("2026-01-01") + (begin + days) * DAY

    found = occurrences(of, low, high)

    def instant(at: datetime) -> int:
        return int(at.replace(tzinfo=ZoneInfo(zone)).timestamp()) * 10**9

    expected = []
    for number in range(begin - 7, begin + days + 3):
        day = datetime(2026, 1, 1) + timedelta(days=number)  # noqa: DTZ001 (a wall-clock time)
        if daily(day, rule):
            span = instant(day + timedelta(hours=hour)), instant(day + timedelta(hours=hour + lasts))
            span = span[0], span[1] if span[1] > span[0] else span[0] + lasts * HOUR
            if span[0] < high and span[1] > low:
                expected.append(span)
    assert found == sorted(expected)
    assert found == sorted(found)
    together = merged(found)
    assert all(earlier[1] < later[0] for earlier, later in pairwise(together))
    covered = set()
    for at, end in found:
        covered |= set(range(at, end, HOUR))
    assert covered == {at for span in together for at in range(span[0], span[1], HOUR)}


@settings(max_examples=40, deadline=None)
@given(asked=st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 900)), min_size=1, max_size=6))
def test_what_was_asked_before_changes_no_answer(asked: list[tuple[int, int]]) -> None:
    of = weekly("Europe/Berlin")
    one = Calendar([of])

    for begin, days in asked:
        low, high = ns("2025-01-01") + begin * DAY, ns("2025-01-01") + (begin + days) * DAY
        spans = [span for off in one.off("f", "learn", low, high) for span in off.spans]
        assert [span for span in spans if span[0] < high and span[1] > low] == merged(occurrences(of, low, high))


def test_alerts_are_withheld_until_the_last_of_those_that_follow_one_another() -> None:
    def once(name: str, start: str, end: str, **more: object) -> Maintenance:
        return Maintenance(name=name, start=local(start), end=local(end), **more)  # type: ignore[arg-type]

    of = Calendar([
        once("a", "2026-01-01T00:00", "2026-01-01T02:00"),
        once("b", "2026-01-01T02:00", "2026-01-01T03:00", streams="m-1*"),
        once("c", "2026-01-01T02:30", "2026-01-01T05:00", streams="m-1*", families=("other",)),
        once("d", "2026-01-01T00:00", "2026-01-01T09:00", notify=True),
    ])  # fmt: skip
    at = ns("2026-01-01T01:00")

    assert of.muted("pumps", "m-11", at) == Muted("maintenance a", ns("2026-01-01T03:00"))
    assert of.muted("other", "m-11", at) == Muted("maintenance a", ns("2026-01-01T05:00"))
    assert of.muted("pumps", "m-2", at) == Muted("maintenance a", ns("2026-01-01T02:00"))
    assert of.muted("pumps", "", at) == Muted("maintenance a", ns("2026-01-01T02:00"))
    assert of.muted("pumps", "", ns("2026-01-01T02:00")) is None


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("FREQ=SECONDLY", "FREQ is SECONDLY"),
        ("FREQ=HOURLY;COUNT=2", "FREQ is HOURLY"),
        ("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "never occurs"),
        ("FREQ=YEARLY;BYYEARDAY=366;BYMONTH=6", "never occurs"),
        ("FREQ=DAILY;BYSETPOS=2", "never occurs"),
        ("FREQ=WEEKLY;BYDAY=MO;BYSETPOS=2", "never occurs"),
        ("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=6", "never occurs"),
        ("FREQ=MONTHLY;BYDAY=6MO", "never occurs"),
        ("FREQ=YEARLY;BYWEEKNO=20;BYMONTH=1", "never occurs"),
        ("FREQ=DAILY;INTERVAL=7;BYDAY=MO", "write it as WEEKLY"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL=0"),
        ("FREQ=DAILY;COUNT=1000000000", "COUNT"),
        ("FREQ=DAILY;BYHOUR=" + ",".join(map(str, range(24))) + ";BYMINUTE=0,30", "48 times a day"),
        ("FREQ=DAILY;BYSECOND=1", "BYSECOND=1"),
        ("FREQ=WEEKLY;BYDAY=XX", "BYDAY=XX"),
        ("FREQ=WEEKLY;UNTIL=tomorrow", "UNTIL=TOMORROW"),
        ("FREQ=WEEKLY;FREQ=DAILY", "twice"),
        ("FREQ=DAILY;" + "BYHOUR=1;" * 200, "too long"),
        ("every sunday", "no NAME=VALUE"),
    ],
)
def test_rules_that_are_too_much_or_wrong_are_refused_at_once(rule: str, says: str) -> None:
    began = time.process_time()

    with pytest.raises(ValueError, match=says):
        check(Maintenance(name="m", start=EPOCH, end=EPOCH + timedelta(hours=1), rrule=rule))

    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"zone": "Mars/Olympus"}, "no time zone"),
        ({"zone": "../../etc/passwd"}, "no time zone"),
        ({"zone": "Europe"}, "no time zone"),
        ({"end": EPOCH}, "not after start"),
        ({"end": EPOCH + timedelta(days=4000)}, "366 at most"),
        ({"start": datetime(1900, 1, 1)}, "too far away"),  # noqa: DTZ001 (a wall-clock time)
        ({"streams": " "}, "pattern is empty"),
        ({"notify": True, "learn": True}, "nothing is switched off"),
    ],
)
def test_what_cannot_take_place_is_refused(more: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        check(Maintenance(**{"name": "m", "start": EPOCH, "end": EPOCH + timedelta(hours=1)} | more))  # type: ignore[arg-type]


@pytest.mark.parametrize("rule", ["FREQ=DAILY;BYHOUR=0,6,12,18", "FREQ=WEEKLY;INTERVAL=3", "FREQ=MONTHLY;BYDAY=-1FR"])
def test_a_rule_that_began_long_ago_is_not_walked_through(rule: str) -> None:
    of = Maintenance(name="m", start=EPOCH, end=EPOCH + timedelta(hours=1), rrule=rule)
    began = time.process_time()

    found = occurrences(of, ns("2199-01-01"), ns("2199-06-01"))

    assert found
    assert time.process_time() - began < 5


class Shared(list[Any]):
    """As if another thread asked about another time in between."""

    def __setitem__(self, place: Any, value: Any) -> None:
        super().__setitem__(place, value._replace(begin=0, end=1, spans=[]))


def test_threads_that_share_a_calendar_get_what_they_asked_for() -> None:
    shared = Calendar([Maintenance(name="m", start=EPOCH, end=EPOCH + timedelta(hours=1), rrule="FREQ=DAILY")])
    shared._expanded = Shared(shared._expanded)

    assert shared.muted("f", "m-1", ns("2026-03-01T00:30")) is not None


@pytest.mark.timeout(20)  # it searched to the year 2200
@pytest.mark.parametrize("hours", [[(0, 48)], [(6, 18), (18, 30)]])
def test_a_silence_without_an_end_is_looked_at_again_later(hours: list[tuple[int, int]]) -> None:
    day, at = EPOCH + timedelta(days=20_000), ns("2026-03-01T12:00")
    of = [
        Maintenance(name="m", start=day + timedelta(hours=a), end=day + timedelta(hours=b), rrule="FREQ=DAILY")
        for a, b in hours
    ]

    muted = Calendar(of).muted("pumps", "p-1", at)

    assert muted is not None
    assert 30 <= (muted.until - at) / (86400 * 10**9) < 300
