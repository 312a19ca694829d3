"""Whatever arrives, each record is one reading or one dead letter, and its neighbours make no difference to it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import example, given
from hypothesis import strategies as st

from monitor.config.families import Family
from monitor.records.streams import StreamIndex
from monitor.sources.decode import Records
from monitor.sources.files import cells
from monitor.sources.formats.json_messages import JsonDecoder
from monitor.sources.notation import MISSING
from monitor.sources.times.iso import parse_iso
from monitor.sources.timestamps import to_ns

FLAT = {"topic": "t", "interval": "1s", "recipe": "plain", "window": {"length": 4}, "format": {"time_unit": "s"}}
FORMATS = [
    FLAT,
    FLAT | {"format": {"key": "id", "time": "a.b", "values": ["a.c"], "time_zone": "America/Havana"}},
    FLAT | {"format": {"time_unit": "%Y%m%d%H%M"}},
    FLAT | {"window": {"kind": "message", "length": 2}, "format": {"values": ["v"]}},
]
SCALAR = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
JSON = st.recursive(SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))
TIME = st.integers(-(10**19), 10**20) | st.datetimes().map(datetime.isoformat) | st.floats() | SCALAR
MESSAGE = st.fixed_dictionaries(
    {},
    optional={
        "id": st.text(max_size=3) | SCALAR,
        "time": TIME,
        "value": st.floats(width=32) | SCALAR,
        "v": st.lists(st.floats(width=32) | SCALAR, max_size=3),
        "a": st.fixed_dictionaries({}, optional={"b": TIME, "c": SCALAR}) | SCALAR,
        "rest": JSON,
    },
)
TEXT = MESSAGE.map(lambda message: json.dumps(message).encode())
PIECES = st.lists(
    st.sampled_from([b"{", b"}", b"[", b"]", b",", b'"', b":", b" ", b"1", b'"time":1', b'"value":2', b"\xff", b"\\"]),
    max_size=12,
).map(b"".join)
BODY = (
    st.none() | TEXT | PIECES | st.binary(max_size=20) | st.tuples(TEXT, st.integers(0, 40)).map(lambda c: c[0][: c[1]])
)
KEY = st.none() | st.binary(max_size=3) | st.text(max_size=3).map(str.encode)
SPLICED = [
    (b"k", b'{"time":1,"value":1},{"time":2,"value":2}'),
    (b"k", b'{"time":3,"value":3,"x":[{}'),
    (b"k", b"{}]}"),
]


def decode(settings: dict[str, Any], batch: list[tuple[bytes | None, bytes | None]], first: int) -> dict[int, Any]:
    """What became of each record, by offset."""
    index = StreamIndex()
    records = Records(
        "t", [key for key, _ in batch], [body for _, body in batch],
        np.zeros(len(batch), np.int32), np.arange(first, first + len(batch)),
    )  # fmt: skip
    readings, dead = JsonDecoder(Family.model_validate(settings), index).decode(records)
    assert np.all(np.diff(readings.offset) > 0)
    assert not np.isinf(readings.values).any()
    rows = zip(readings.offset.tolist(), readings.stream.tolist(), readings.time.tolist(), readings.values, strict=True)
    found: dict[int, Any] = {
        offset: (index.name(stream), time, values.tobytes()) for offset, stream, time, values in rows
    }
    letters = {letter.offset: (letter.reason, letter.key, letter.body) for letter in dead}
    assert len(letters) == len(dead)
    assert not letters.keys() & found.keys()
    return found | letters


@given(settings=st.sampled_from(FORMATS), batch=st.lists(st.tuples(KEY, BODY), max_size=8))
@example(settings=FLAT, batch=SPLICED)
def test_a_batch_is_its_records_one_by_one(
    settings: dict[str, Any], batch: list[tuple[bytes | None, bytes | None]]
) -> None:
    together = decode(settings, batch, 0)

    assert sorted(together) == list(range(len(batch)))
    for offset, record in enumerate(batch):
        assert decode(settings, [record], offset) == {offset: together[offset]}


@example(text="+0E 0")
@given(text=st.text("0123456789.+-eE_ \t\n") | st.sampled_from([*MISSING, " NaN", "NA ", "nano", "\u00a01"]))
def test_text_is_a_number_where_it_is_one_in_a_csv_cell(text: str) -> None:
    (expected,), (bad,) = cells.numbers(pd.Series([text], dtype=object))
    found = decode(FLAT, [(b"k", json.dumps({"time": 1, "value": text}).encode())], 0)[0]

    assert (found[0] == "bad-value") == bad
    if not bad:
        np.testing.assert_allclose(np.frombuffer(found[2], np.float32)[0], np.float32(expected), rtol=1e-6)


@given(
    moments=st.lists(
        st.tuples(
            st.datetimes(min_value=datetime(1825, 1, 1), max_value=datetime(2115, 1, 1)),  # noqa: DTZ001 (zone beside)
            st.none() | st.integers(-1439, 1439),
            st.sampled_from(["seconds", "milliseconds", "microseconds"]),
        )
    )
)
def test_iso_times_agree_with_the_standard_library(moments: list[tuple[datetime, int | None, str]]) -> None:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    texts, expected = [], []
    for moment, minutes, precision in moments:
        zone = None if minutes is None else timezone(timedelta(minutes=minutes))
        texts.append(moment.replace(tzinfo=zone).isoformat(timespec=precision))
        read = datetime.fromisoformat(texts[-1])
        past = (read if zone is not None else read.replace(tzinfo=UTC)) - epoch
        expected.append(past // timedelta(microseconds=1) * 1000)

    assert parse_iso(texts)[0].tolist() == expected


@given(times=st.lists(st.integers(-(2**62) + 1, 2**62 - 1)))
def test_integer_nanoseconds_are_exact(times: list[int]) -> None:
    assert to_ns(times, "ns").tolist() == times
