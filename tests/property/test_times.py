"""Every unit is read back exactly, and a record's readings may come in any order."""

from __future__ import annotations

import json
import struct
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from monitor.records.batches import NEVER, Readings
from monitor.records.streams import StreamIndex
from monitor.sources.timestamps import Arrivals, TimeReader, to_ns
from tests.formats import decoder, family, records

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 10**9
MOMENTS = st.lists(
    st.datetimes(min_value=datetime(1901, 1, 1), max_value=datetime(2099, 1, 1), timezones=st.just(UTC)), min_size=1  # noqa: DTZ001
)  # fmt: skip


def ns(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1) * 1000


@given(moments=MOMENTS, text=st.booleans())
def test_counts_are_read_back(moments: list[datetime], text: bool) -> None:
    expected = [ns(moment) for moment in moments]
    origins = {"ticks": datetime(1, 1, 1, tzinfo=UTC), "filetime": datetime(1601, 1, 1, tzinfo=UTC)}
    for unit, origin in origins.items():
        counts = [(moment - origin) // timedelta(microseconds=1) * 10 for moment in moments]
        assert to_ns([str(count) for count in counts] if text else counts, unit).tolist() == expected
    for unit, size in {"s": SECOND, "ms": 10**6, "us": 10**3, "ns": 1}.items():
        whole = [time // size for time in expected]
        assert to_ns([str(count) for count in whole] if text else whole, unit).tolist() == [n * size for n in whole]


@given(moments=MOMENTS, text=st.booleans())
def test_days_of_a_spreadsheet_are_read_back_to_the_millisecond(moments: list[datetime], text: bool) -> None:
    expected = [ns(moment) // 10**6 * 10**6 for moment in moments]
    days = [time / (86_400 * SECOND) + 25_569 for time in expected]

    assert to_ns([f"{day:.10f}" for day in days] if text else days, "excel").tolist() == expected


@given(
    moments=MOMENTS,
    pattern=st.sampled_from(
        ["%Y%m%d%H%M%S", "%Y-%m-%d %H:%M:%S.%f", "%d.%m.%Y %H:%M:%S", "%d %b %Y %I:%M:%S %p", "%Y-%jT%H%M%S%z"]
    ),
)
def test_patterns_agree_with_the_standard_library(moments: list[datetime], pattern: str) -> None:
    texts = [moment.strftime(pattern) for moment in moments]
    expected = [ns(datetime.strptime(text, pattern).replace(tzinfo=UTC)) for text in texts]

    assert to_ns(texts, pattern).tolist() == expected


ZONES = st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Tokyo", "America/Havana"])


@settings(max_examples=60, deadline=None)
@given(
    zone=ZONES,
    day=st.integers(0, 730) | st.sampled_from([64, 85, 93, 276, 294, 302]),  # clocks change soon after these
    step=st.integers(1, 1800),
    streams=st.integers(1, 3),
    cuts=st.lists(st.integers(0, 500), max_size=6),
)
def test_local_times_are_read_back_whatever_the_cut(
    zone: str, day: int, step: int, streams: int, cuts: list[int]
) -> None:
    """Readings at a steady step, all round the year: what `astimezone` makes of them comes back."""
    start = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)
    moments = [start + timedelta(seconds=step * (row // streams)) for row in range(500)]
    texts = [moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None).isoformat() for moment in moments]
    reader, found = TimeReader("auto", zone), list[int]()
    edges = [0, *sorted(cuts), 500]
    for begin, end in pairwise(edges):
        rows = np.arange(begin, end)
        arrivals = Arrivals(rows % streams, rows * 0, rows)
        found += reader.settle(reader.read(texts[begin:end]), lambda arrivals=arrivals: arrivals).tolist()  # type: ignore[misc]  # a default

    assume(texts[0] != texts[-1])
    assert NEVER not in found
    first = datetime.fromisoformat(texts[0]).replace(tzinfo=ZoneInfo(zone))
    if first.replace(fold=1).utcoffset() == first.utcoffset():  # else the first one cannot be known
        assert found == [ns(moment) for moment in moments]


START = 1_700_000_000
READING = st.tuples(st.integers(0, 8), st.none() | st.floats(-9, 9, width=32), st.sampled_from(["m", "n"]))
RECORDS = st.lists(st.lists(READING, min_size=1, max_size=6), min_size=1, max_size=4)


def decoded(kind: str, bodies: list[bytes]) -> list[tuple[Any, ...]]:
    """Readings of each stream in their order: name, time, value, offset."""
    layout: dict[str, Any] = {"key": "id"} if kind in ("json-array", "csv") else {}
    layout |= {"columns": ["id", "time", "a"]} if kind == "csv" else {}
    index = StreamIndex()
    readings, dead = decoder(family(kind, channels=["a"], format=layout), index).decode(records(bodies))
    assert dead == []
    assert_ordered(readings)
    columns = (
        readings.stream.tolist(),
        readings.time.tolist(),
        readings.values[:, 0].tolist(),
        readings.offset.tolist(),
    )
    rows = [(index.name(code), time, repr(value), offset) for code, time, value, offset in zip(*columns, strict=True)]
    return sorted(rows, key=lambda row: (row[0], row[3]))  # stable: each stream as it came


def assert_ordered(readings: Readings) -> None:
    same = np.diff(readings.offset) == 0
    assert (np.diff(readings.offset) >= 0).all()
    assert (np.diff(readings.time)[same] >= 0).all()


def body(kind: str, rows: list[tuple[int, float | None, str]]) -> bytes:
    if kind == "csv":
        return "\n".join(f"{name},{START + at},{'' if value is None else value}" for at, value, name in rows).encode()
    return json.dumps([{"id": name, "time": START + at, "a": value} for at, value, name in rows]).encode()


@pytest.mark.parametrize("kind", ["json-array", "csv"])
@given(given_records=RECORDS, data=st.data())
def test_the_order_of_readings_within_a_record_does_not_matter(
    kind: str, given_records: list[list[tuple[int, float | None, str]]], data: st.DataObject
) -> None:
    once = [list({(at, name): (at, value, name) for at, value, name in rows}.values()) for rows in given_records]
    shuffled = [data.draw(st.permutations(rows)) for rows in once]
    tidy = [sorted(rows, key=lambda row: row[0]) for rows in once]

    assert decoded(kind, [body(kind, rows) for rows in shuffled]) == decoded(kind, [body(kind, rows) for rows in tidy])


@pytest.mark.parametrize("kind", ["json-array", "csv"])
def test_of_two_readings_of_one_time_the_first_stays_the_first(kind: str) -> None:
    rows: list[tuple[int, float | None, str]] = [(3, 1.0, "m"), (1, 2.0, "m"), (3, 3.0, "m"), (1, 4.0, "m")]

    assert [row[2] for row in decoded(kind, [body(kind, rows)])] == ["2.0", "4.0", "1.0", "3.0"]


@given(starts=st.lists(st.integers(0, 50), min_size=1, max_size=4))
def test_batches_and_raw_numbers_keep_the_order_of_their_records(starts: list[int]) -> None:
    batches = [json.dumps({"start": START + at, "interval": 1, "values": [1, 2, 3]}).encode() for at in starts]
    vectors = [struct.pack("<qf", START + at, 1.0) for at in starts]

    for kind, bodies, size in (("json-batch", batches, 3), ("float32", vectors, 1)):
        readings, _ = decoder(family(kind, channels=["a"]), StreamIndex()).decode(records(bodies))
        expected = [(START + at + place) * SECOND for at in starts for place in range(size)]
        assert readings.time.tolist() == expected
