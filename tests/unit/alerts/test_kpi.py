"""Figures of an alarm system against their definitions, one alert and one interval at a time."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.alerts import kpi
from monitor.alerts.kpi import DAY, HOUR, MINUTE, TEN_MINUTES, YET_TO_COME, Alerts, Period
from monitor.records.alerts import Severity

SECOND = 10**9
Row = tuple[int, int, int, int, int]  # opened, resolved, acknowledged, severity, source

STEP = 5 * SECOND
near = st.integers(0, 60).map(lambda n: n * STEP)
far = st.integers(0, 1000).map(lambda n: n * 10 * MINUTE)
rows = st.lists(
    st.tuples(
        st.one_of(near, far),
        st.one_of(st.just(YET_TO_COME), near, far),
        st.one_of(st.just(YET_TO_COME), near, far),
        st.integers(0, len(Severity) - 1),
        st.integers(0, 3),
    ).map(lambda r: (r[0], min(r[0] + r[1], YET_TO_COME), min(r[0] + r[2], YET_TO_COME), r[3], r[4])),
    max_size=40,
)
periods = st.tuples(far, st.integers(1, 300)).map(lambda p: Period(p[0], p[0] + p[1] * 7 * MINUTE))


def columns(of: list[Row]) -> Alerts:
    table = np.array(sorted(of), np.int64).reshape(-1, 5)
    return Alerts(*table.T.copy())


@given(rows, periods)
def test_every_figure_is_what_its_definition_says(of: list[Row], period: Period) -> None:
    start, end = period
    of = [row for row in of if row[0] < end and (row[0] >= start or row[1] > start)]
    found = kpi.measure(columns(of), period)
    inside = sorted(row for row in of if start <= row[0] < end)
    opened = [row[0] for row in inside]

    assert found.alerts == len(inside)
    assert found.hour_average == pytest.approx(len(inside) / ((end - start) / HOUR))
    assert found.ten_minutes_average == pytest.approx(len(inside) / ((end - start) / TEN_MINUTES))
    for width, most in ((HOUR, found.hour_maximum), (TEN_MINUTES, found.ten_minutes_maximum)):
        assert most == max((sum(a <= b < a + width for b in opened) for a in opened), default=0)
    assert found.ten_minutes_last == sum(end - TEN_MINUTES <= at for at in opened)
    tens, hours = intervals(opened, period, TEN_MINUTES), intervals(opened, period, HOUR)
    assert found.busy_hours == pytest.approx(sum(n > 30 for n in hours) / len(hours))
    assert found.busy_ten_minutes == pytest.approx(sum(n > 10 for n in tens) / len(tens))
    flooded = floods(tens)
    assert found.time_in_flood == pytest.approx(sum(flooded) / len(flooded))
    assert found.floods == sum(b and not a for a, b in pairwise([False, *flooded]))
    chatter = chattering(inside)
    assert (found.chattering, found.chattering_sources) == (len(chatter), len({inside[i][4] for i in chatter}))
    assert found.fleeting == sum(row[1] - row[0] < MINUTE for i, row in enumerate(inside) if i not in chatter)


@given(rows, periods)
def test_every_figure_of_single_alerts_is_what_its_definition_says(of: list[Row], period: Period) -> None:
    start, end = period
    of = [row for row in of if row[0] < end and (row[0] >= start or row[1] > start)]
    found = kpi.measure(columns(of), period)
    inside = [row for row in of if row[0] >= start]
    standing = [row for row in of if row[1] >= end]

    by_source = {source: sum(row[4] == source for row in inside) for source in {row[4] for row in inside}}
    assert found.top == sorted(by_source.items(), key=lambda item: (-item[1], item[0]))[:10]
    assert found.standing == len(standing)
    assert found.stale_at_end == sum(end - row[0] > DAY for row in standing)
    assert found.stale_on_a_day == max(stale(of, day, min(day + DAY, end)) for day in range(start, end, DAY))
    waits = sorted(row[2] - row[0] for row in inside if row[2] < end)
    assert (found.acknowledged, found.unacknowledged) == (len(waits), len(inside) - len(waits))
    if waits:
        middle = (waits[(len(waits) - 1) // 2] + waits[len(waits) // 2]) / 2
        assert list(found.acknowledged_after) == [middle, waits[math.ceil(0.9 * len(waits)) - 1]]
        assert found.top_share == 1.0
    assert found.unacknowledged_standing == sum(row[2] >= end for row in standing)
    if of:
        assert found.longest_active == max(min(row[1], end) - row[0] for row in of)
        assert found.longest_unacknowledged == max(min(row[1], row[2], end) - row[0] for row in of)
    for place, severity in enumerate(Severity):
        share = sum(row[3] == place for row in inside) / len(inside) if inside else math.nan
        assert found.severities[severity] == pytest.approx(share, nan_ok=True)


def intervals(opened: list[int], period: Period, width: int) -> list[int]:
    begins = range(period.start, period.end, width)
    return [sum(begin <= at < begin + width for at in opened) for begin in begins]


def floods(tens: list[int]) -> list[bool]:
    found, flooding = [], False
    for n in tens:
        flooding = n > 10 or (flooding and n >= 5)
        found.append(flooding)
    return found


def chattering(of: list[Row]) -> set[int]:
    found: set[int] = set()
    for first, *_, source in of:
        group = [i for i, row in enumerate(of) if row[4] == source and first <= row[0] <= first + MINUTE]
        found |= set(group) if len(group) >= 3 else set()
    return found


def stale(of: list[Row], begin: int, end: int) -> int:
    """How many were open for more than a day at some moment in [begin, end)."""
    return sum(max(row[0] + DAY + 1, begin) < min(row[1], end) for row in of)


@given(st.lists(st.integers(0, 14), min_size=1, max_size=60))
def test_a_flood_lasts_until_ten_minutes_with_fewer_than_five(tens: list[int]) -> None:
    assert kpi.in_flood(np.array(tens)).tolist() == floods(tens)


def test_nothing_is_measured_of_nothing() -> None:
    found = kpi.measure(columns([]), Period(0, DAY))
    assert (found.alerts, found.hour_average, found.hour_maximum, found.floods, found.top) == (0, 0, 0, 0, [])
    assert all(map(math.isnan, (found.top_share, *found.acknowledged_after, found.longest_active)))


def test_a_flood_of_one_sensor() -> None:
    """Fifty alerts of one stream in five minutes, each a second long, then an hour of quiet."""
    of = [(i * 6 * SECOND, i * 6 * SECOND + SECOND, YET_TO_COME, 0, 7) for i in range(50)]
    found = kpi.measure(columns(of), Period(0, HOUR))
    assert (found.floods, found.time_in_flood, found.busy_hours, found.hour_maximum) == (1, 1 / 6, 1.0, 50)
    assert (found.chattering, found.chattering_sources, found.fleeting, found.top) == (50, 1, 0, [(7, 50)])
