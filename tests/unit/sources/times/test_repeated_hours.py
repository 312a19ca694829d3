"""Local times: zones, the hour that does not exist, and the one that comes twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from monitor.records.batches import NEVER, Int64
from monitor.sources.timestamps import Arrivals, TimeReader

SECOND = 10**9
BERLIN = ZoneInfo("Europe/Berlin")
AUTUMN = datetime(2026, 10, 25, 1, 0, tzinfo=UTC)  # clocks in Berlin go from 3:00 back to 2:00


def ns(*moments: datetime) -> list[int]:
    return [int(moment.timestamp()) * SECOND for moment in moments]


def local(*moments: datetime, zone: ZoneInfo = BERLIN) -> list[str]:
    return [moment.astimezone(zone).replace(tzinfo=None).isoformat() for moment in moments]


def series(start: datetime, step: timedelta, count: int) -> list[datetime]:
    return [start + step * place for place in range(count)]


def settled(
    reader: TimeReader,
    texts: Sequence[str],
    first: int = 0,
    stream: Sequence[int] | None = None,
    offset: Int64 | None = None,
    stamps: Callable[[], Int64] | None = None,
) -> list[int]:
    count = len(texts)
    codes = np.array([0] * count if stream is None else stream)
    places = np.arange(first, first + count) if offset is None else offset
    arrivals = Arrivals(codes, np.zeros(count, np.int64), places, None, stamps)
    found: list[int] = reader.settle(reader.read(texts), lambda: arrivals).tolist()
    return found


@pytest.mark.parametrize(
    "name", ["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kolkata", "Africa/Casablanca"]
)
def test_local_times_agree_with_the_standard_library(name: str) -> None:
    moments = series(datetime(1999, 5, 1, 0, 30, tzinfo=UTC), timedelta(hours=37), 8000)
    zone = ZoneInfo(name)
    texts = local(*moments, zone=zone)
    firsts = [datetime.fromisoformat(text).replace(tzinfo=zone) for text in texts]  # fold 0

    assert TimeReader("iso", name).read(texts).ns.tolist() == ns(*firsts)


def test_only_times_without_a_zone_are_local() -> None:
    texts = ["2026-07-01T12:00:00", "2026-07-01T12:00:00Z", "2026-07-01T12:00:00+05:00"]

    assert TimeReader("auto", "Europe/Berlin").read(texts).ns.tolist() == ns(
        *(datetime.fromisoformat(text) for text in ("2026-07-01T10:00:00Z", *texts[1:]))
    )
    assert TimeReader("auto", "Europe/Berlin").read([1_780_000_000]).ns.tolist() == [1_780_000_000 * SECOND]
    assert TimeReader("excel", "Europe/Berlin").read([46204.5]).ns.tolist() == ns(datetime(2026, 7, 1, 10, tzinfo=UTC))


def test_the_hour_that_is_skipped_is_no_time_and_says_why() -> None:
    reader = TimeReader("auto", "Europe/Berlin")
    texts = ["2026-03-29T01:59:59", "2026-03-29T02:00:00", "2026-03-29T02:59:59", "2026-03-29T03:00:00"]

    assert reader.read(texts).ns.tolist() == [1_774_745_999 * SECOND, NEVER, NEVER, 1_774_746_000 * SECOND]
    assert reader.explain(texts[1]) == (
        "'2026-03-29T02:00:00' does not exist in Europe/Berlin: the clocks were put forward by 60 minutes"
    )


@pytest.mark.parametrize("step", [1, 10, 60, 600, 1200, 1800, 3600])
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_the_hour_that_comes_twice_by_order(step: int, size: int) -> None:
    moments = series(AUTUMN - timedelta(hours=2), timedelta(seconds=step), 4 * 3600 // step)
    texts, reader = local(*moments), TimeReader("auto", "Europe/Berlin")
    found: list[int] = []
    for first in range(0, len(texts), size):
        found += settled(reader, texts[first : first + size], first)

    assert found == ns(*moments)


def test_streams_do_not_disturb_one_another() -> None:
    """One is half an hour behind the other, and one of its readings is late."""
    one = series(AUTUMN - timedelta(hours=1), timedelta(seconds=10), 720)
    two = series(AUTUMN - timedelta(hours=1, minutes=30), timedelta(seconds=10), 720)
    two[400], two[395] = two[395], two[400]
    moments = [moment for pair in zip(one, two, strict=True) for moment in pair]

    assert settled(TimeReader("auto", "Europe/Berlin"), local(*moments), stream=[0, 1] * 720) == ns(*moments)


def test_records_whose_newest_reading_comes_first() -> None:
    moments = series(AUTUMN - timedelta(hours=2), timedelta(minutes=10), 24)
    turned = [moment for first in range(0, 24, 6) for moment in reversed(moments[first : first + 6])]

    found = settled(TimeReader("auto", "Europe/Berlin"), local(*turned), offset=np.repeat(np.arange(4), 6))

    assert found == ns(*turned)


def test_records_that_are_read_again_are_read_as_before() -> None:
    moments = series(AUTUMN - timedelta(minutes=30), timedelta(seconds=30), 120)
    texts, reader = local(*moments), TimeReader("auto", "Europe/Berlin")
    settled(reader, texts)

    assert settled(reader, texts) == ns(*moments)


def test_after_a_restart_the_kafka_time_says_which_hour() -> None:
    moments = series(AUTUMN + timedelta(minutes=20), timedelta(seconds=10), 6)
    live = np.array(ns(*moments)) + 2 * SECOND
    backlog = live + 86_400 * SECOND
    early = [moment - timedelta(hours=1) for moment in moments]
    texts = local(*moments)

    def read(stamps: Int64 | None) -> list[int]:
        reader = TimeReader("auto", "Europe/Berlin")
        return settled(reader, texts, stamps=None if stamps is None else lambda: stamps)

    assert read(live) == ns(*moments)
    assert read(live - 3600 * SECOND) == read(backlog) == read(None) == read(live * 0 - 1) == ns(*early)


def test_a_zone_that_there_is_not() -> None:
    for name in ("Europe/Berlni", "Europe", "../etc/passwd", "CET+1"):
        with pytest.raises(ValueError, match="is not known; give a name of the IANA database"):
            TimeReader("auto", name)
