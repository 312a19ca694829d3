"""Formats that hold several readings, lines or raw numbers; the JSON object has `test_decode.py`."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import pytest

from monitor.errors import SettingsError
from monitor.records.batches import DeadLetter, Readings
from monitor.records.streams import StreamIndex
from monitor.sources.formats.duplicates import REPEATED, DuplicateKeys
from tests.formats import decoder, family, records

SECOND = 10**9
ONE: dict[str, Any] = {"channels": ["value"]}


def decode(
    kind: str, bodies: list[bytes | None], keys: list[bytes | None] | None = None, **changes: Any
) -> tuple[Readings, list[DeadLetter]]:
    changes["format"] = {"time_unit": "s"} | changes.get("format", {})
    return decoder(family(kind, **changes), StreamIndex()).decode(records(bodies, keys))


def reasons(dead: list[DeadLetter]) -> list[tuple[int, str]]:
    return [(letter.offset - 100, letter.reason) for letter in dead]


def batch(**fields: Any) -> bytes:
    return json.dumps({"start": 10, "interval": 2, "values": [1, 2]} | fields).encode()


@pytest.mark.parametrize(
    ("interval", "step"),
    [("10ms", 10**7), (0.5, SECOND // 2), (2, 2 * SECOND), ("4/s", SECOND // 4), ("0.5 Hz", 2 * SECOND)],
)
def test_the_spacing_of_a_batch(interval: str | float, step: int) -> None:
    readings, dead = decode("json-batch", [batch(interval=interval, values=[1, None, 3])], **ONE)

    assert dead == []
    assert readings.time.tolist() == [10 * SECOND + step * place for place in range(3)]
    np.testing.assert_array_equal(readings.values, np.array([[1], [np.nan], [3]], np.float32))


def test_a_rate_that_is_no_whole_number_of_nanoseconds_does_not_drift() -> None:
    readings, _ = decode("json-batch", [batch(start=0, interval="360/s", values=[0] * 36_001)], **ONE)

    assert readings.time[-1] == 100 * SECOND
    assert readings.time[1] == 2_777_777


def test_batches_of_several_channels_as_rows_and_as_columns() -> None:
    rows = batch(values=[[1, 10], [2, None]])
    columns = json.dumps({"start": 10, "interval": 2, "d": {"a": [1, 2], "b": [10, None]}}).encode()
    ragged = [batch(values=[[1, 10], [2]]), batch(values=[1, 2])]
    uneven = json.dumps({"start": 10, "interval": 2, "d": {"a": [1, 2], "b": [10]}}).encode()

    by_rows, bad_rows = decode("json-batch", [rows, *ragged, rows])
    by_columns, bad_columns = decode("json-batch", [columns, uneven], format={"values": ["d.a", "d.b"]})

    expected = np.array([[1, 10], [2, np.nan]], np.float32)
    np.testing.assert_array_equal(by_rows.values, np.concatenate([expected, expected]))
    np.testing.assert_array_equal(by_columns.values, expected)
    assert by_rows.offset.tolist() == [100, 100, 103, 103]
    assert reasons(bad_rows) == [(1, "wrong-length"), (2, "bad-value")]
    assert reasons(bad_columns) == [(1, "wrong-length")]


def test_numbers_as_text_in_batches_and_arrays() -> None:
    rows, dead_rows = decode("json-batch", [b'{"start":1,"interval":1,"values":[["1",2],[NaN,"4"]]}'])
    array, dead_array = decode("json-array", [b'[{"time":1,"a":"1","b":2},{"time":2,"a":NaN,"b":"4"}]'])

    assert dead_rows == dead_array == []
    for readings in (rows, array):
        np.testing.assert_array_equal(readings.values, np.array([[1, 2], [np.nan, 4]], np.float32))


def test_a_batch_may_lie_on_the_grid_of_its_family() -> None:
    readings, dead = decode("json-batch", [b'{"start":1,"values":[1,2]}'], format={"interval": "$interval"}, **ONE)

    assert (readings.time.tolist(), dead) == ([SECOND, 2 * SECOND], [])
    with pytest.raises(SettingsError, match="the family has no interval"):
        decode("json-batch", [], interval="none", format={"interval": "$interval"})


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"interval": 0}, "bad-interval"),
        ({"interval": -1}, "bad-interval"),
        ({"interval": 1e-12}, "bad-interval"),
        ({"interval": 1e300}, "bad-interval"),
        ({"interval": 10**18}, "bad-interval"),
        ({"interval": "0/s"}, "bad-interval"),
        ({"interval": "0s"}, "bad-interval"),
        ({"interval": "soon"}, "bad-interval"),
        ({"interval": "1" * 100_000}, "bad-interval"),
        ({"interval": "9" * 5000 + "/s"}, "bad-interval"),
        ({"interval": None}, "bad-interval"),
        ({"interval": "9000d", "values": [0] * 40}, "bad-interval"),
        ({"start": "yesterday"}, "bad-time"),
        ({"start": 2**62, "interval": 10**9}, "bad-time"),
        ({"values": []}, "empty"),
        ({"values": 1}, "bad-value"),
        ({"values": ["one"]}, "bad-value"),
        ({"values": [1, 1e39]}, "bad-value"),
    ],
)
def test_batches_that_cannot_be_read_stand_beside_good_neighbours(fields: dict[str, Any], reason: str) -> None:
    readings, dead = decode("json-batch", [batch(), batch(**fields), batch()], **ONE)

    assert readings.offset.tolist() == [100, 100, 102, 102]
    assert readings.time.tolist() == [10 * SECOND, 12 * SECOND] * 2
    assert reasons(dead) == [(1, reason)]


@pytest.mark.parametrize("name", ["start", "interval", "values"])
def test_what_a_batch_must_hold(name: str) -> None:
    whole = {"start": 1, "interval": 1, "values": [1]}
    del whole[name]

    _, dead = decode("json-batch", [json.dumps(whole).encode()], **ONE)

    assert reasons(dead) == [(0, {"start": "missing-time", "values": "missing-value"}.get(name, f"missing-{name}"))]


def test_an_array_is_read_as_a_whole_or_not_at_all() -> None:
    good, late = {"id": "x", "time": 1, "value": 1}, {"id": "y", "time": 2, "value": None}
    bodies = [
        json.dumps([good, late]).encode(),
        json.dumps([good, good | {"time": "x"}]).encode(),
        json.dumps([good, {"id": "x", "time": 1}]).encode(),
        json.dumps([good, 5]).encode(),
        json.dumps([good | {"id": "z"}, good | {"id": ""}]).encode(),
        b"[]",
        json.dumps(good).encode(),
    ]
    index = StreamIndex()

    readings, dead = decoder(family("json-array", format={"key": "id", "time_unit": "s"}, **ONE), index).decode(
        records(bodies)
    )

    assert readings.offset.tolist() == [100, 100]
    assert readings.time.tolist() == [SECOND, 2 * SECOND]
    assert list(index.codes) == ["x", "y"]
    assert reasons(dead) == [
        (1, "bad-time"), (2, "missing-value"), (3, "not-an-object"), (4, "missing-key"), (5, "empty"),
        (6, "not-an-array"),
    ]  # fmt: skip


def test_kafka_keys_of_arrays_belong_to_their_records() -> None:
    index = StreamIndex()
    bodies = [b'[{"time":1,"value":1},{"time":2,"value":2}]', b"{"]

    readings, _ = decoder(family("json-array", format={"time_unit": "s"}, **ONE), index).decode(
        records(bodies, [b"a", b"b"])
    )

    assert [index.name(code) for code in readings.stream.tolist()] == ["a", "a"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"time":1,"value":1,"value":2}', "duplicate-key"),
        (b'{"time":1,"value":1,"valu\\u0065":2}', "duplicate-key"),
        (b'{"time":1,"value":"x","value":2}', "duplicate-key"),
        (b'{"time":1,"value":1,"other":1,"other":2}', None),
        (b'{"time":1,"value":1,"kind":"value"}', None),
        (b'{"time":1,"value":1,"more":{"time":1,"value":2}}', None),
        (b'{"time":1,"value":1,"unit":"\\u00b0C"}', None),
        (b'{"time":1,"value":1,"x":1' + b"0" * 5000 + b"}", None),
    ],
)
def test_a_field_that_is_there_twice(body: bytes, reason: str | None) -> None:
    good = b'{"time":1,"value":1}'

    readings, dead = decode("json", [good, body, good], **ONE)

    assert reasons(dead) == ([] if reason is None else [(1, reason)])
    assert len(readings) == 3 - len(dead)


def test_duplicates_on_the_way_and_in_arrays() -> None:
    nested = DuplicateKeys([("a", "b"), ("a", "c"), ("d", "b")])

    assert list(nested.find([b'{"a":{"b":1,"c":1},"d":{"b":2}}'] * 2)) == []
    assert list(nested.find([b'{"a":{"b":1},"a":{"c":1},"d":{"b":2}}'])) == [(0, REPEATED)]
    assert list(nested.find([b'{"a":{"b":1,"c":1},"d":{"b":2,"b":3}}'])) == [(0, REPEATED)]
    flat = DuplicateKeys([("t",)])
    assert list(flat.find([b'[{"t":1},{"t":2}]', b'[{"t":1,"t":2}]', b"[]"], [2, 1, 0])) == [(1, REPEATED)]
    escaped = DuplicateKeys([("µ",)]).find(['{"µ":1,"\\u00b5":2}'.encode(), b'{"\\u00b5":2}'])
    assert list(escaped) == [(0, REPEATED)]


def test_csv_lines_with_default_columns() -> None:
    bodies: list[bytes | None] = [
        b"2026-01-01T00:00:00Z,1,2\n2026-01-01 01:00:01+01:00, 3 ,\r\n\n",
        b"\xef\xbb\xbf1767225602,nan,-1e3",
        b'1767225603,"4","5"',
    ]

    readings, dead = decode("csv", bodies, format={"columns": []})

    assert dead == []
    assert readings.offset.tolist() == [100, 100, 101, 102]
    assert ((readings.time - readings.time[0]) // SECOND).tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(readings.values, np.array([[1, 2], [3, np.nan], [np.nan, -1000], [4, 5]], np.float32))


def test_csv_lines_with_a_key_a_unit_and_more_columns() -> None:
    layout = {"key": "{site}/{id}", "time_unit": "ms", "columns": ["id", "x", "b", "a", "site", "time"]}
    index = StreamIndex()
    bodies = [b"7,?,1,2,north,1000", b"7,?,1,2,north,1 s"]

    readings, dead = decoder(family("csv", format=layout), index).decode(records(bodies, [None, None]))

    assert (list(index.codes), readings.values.tolist(), readings.time.tolist()) == (["north/7"], [[2, 1]], [SECOND])
    assert reasons(dead) == [(1, "bad-time")]


def test_a_csv_line_may_be_a_whole_window() -> None:
    changes: dict[str, Any] = {"window": {"kind": "message", "length": 2}, "format": {"values": ["v"], "columns": []}}

    readings, dead = decode("csv", [b"1,1,2,3,4", b"1,1,2,3", b"1,1,2,3,4,5"], **changes)

    assert readings.values.tolist() == [[1, 2, 3, 4]]
    assert reasons(dead) == [(1, "wrong-length"), (2, "wrong-length")]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\n", "empty"),
        (b"1,2,3", "wrong-length"),
        (b"1,x,3,4\n2,x,3", "wrong-length"),
        (b"m,yesterday,1,2", "bad-time"),
        (b"m,,1,2", "bad-time"),
        (b"m,1,one,2", "bad-value"),
        (b"m,1,1_0,2", "bad-value"),
        (b"m,1,inf,2", "bad-value"),
        (b"m,1,1e39,2", "bad-value"),
        (b'm,1,1,"2', "csv"),
        (b"m,1,1," + b"2" * 10_000_000, "csv"),
        (b"m,1,\xff,2", "utf8"),
        (b"id,time,a,b", "bad-time"),
    ],
)
def test_csv_lines_that_cannot_be_read(body: bytes, reason: str) -> None:
    readings, dead = decode("csv", [b"m,1,1,2", body, b"m,1,1,2"])

    assert readings.offset.tolist() == [100, 102]
    assert reasons(dead) == [(1, reason)]


def test_raw_vectors_as_readings_and_as_windows() -> None:
    one = struct.pack("<q2d", 1_700_000_000, 1.5, float("nan"))
    window = struct.pack("<q4f", 5, 1, 2, 3, 4)

    readings, dead = decode("float64", [one, one[:-1], one + b"0", struct.pack("<q2d", 1, 1, float("inf"))])
    windows, _ = decode("float32", [window], window={"kind": "message", "length": 2}, format={"time_unit": "s"})

    assert readings.time.tolist() == [1_700_000_000 * SECOND]
    np.testing.assert_array_equal(readings.values, np.array([[1.5, np.nan]], np.float32))
    assert reasons(dead) == [(1, "wrong-length"), (2, "wrong-length"), (3, "bad-value")]
    assert (windows.time.tolist(), windows.values.tolist()) == ([5 * SECOND], [[1, 2, 3, 4]])


def test_a_message_of_ten_megabytes() -> None:
    samples = 2_000_000
    body = b'{"start":1,"interval":"1/s","values":[' + b",".join([b"1.25"] * samples) + b"]}"

    readings, dead = decode("json-batch", [body, b"[" * 10_000_000], **ONE)

    assert len(readings) == samples
    assert reasons(dead) == [(1, "json")]


def test_names_that_are_very_long_numbers() -> None:
    bodies = [b'{"id":' + b"9" * digits + b',"time":1,"value":1}' for digits in (600, 5000)]

    readings, dead = decode("json", list(bodies), format={"key": "id"}, **ONE)

    assert (len(readings), [letter.offset for letter in dead]) == (0, [100, 101])
