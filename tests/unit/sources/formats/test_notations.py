"""Values as plants write them in messages, the quality beside them, names with dots, keys that are numbers."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import pytest

from monitor.config.settings import parse
from monitor.errors import SettingsError
from monitor.records.batches import DeadLetter, Float32
from monitor.records.streams import StreamIndex
from monitor.sources.decode import Records
from monitor.sources.formats.csv_lines import CsvDecoder
from monitor.sources.formats.json_messages import JsonArrayDecoder, JsonDecoder

NAN, INF = float("nan"), float("inf")


def decode(
    bodies: list[Any],
    layout: dict[str, Any],
    keys: list[bytes | None] | None = None,
    channels: tuple[str, ...] = ("v",),
) -> tuple[Float32, list[DeadLetter], list[str]]:
    """Values, dead letters, names of the streams in order of the readings."""
    raw = {"topic": "t", "interval": "1s", "recipe": "plain", "window": {"length": 4}, "channels": list(channels)}
    raw["format"] = {"time_unit": "s", **layout}
    family = parse({"families": {"f": raw}}).families["f"]
    index = StreamIndex()
    kinds: dict[str, Any] = {"csv": CsvDecoder, "json-array": JsonArrayDecoder}
    decoder = kinds.get(layout.get("kind", "json"), JsonDecoder)(family, index)
    values = [body if isinstance(body, bytes) else json.dumps(body).encode() for body in bodies]
    count = len(values)
    readings, dead = decoder.decode(
        Records("t", keys or [b"m"] * count, values, np.zeros(count, np.int32), np.arange(count, dtype=np.int64))
    )
    return readings.values, dead, [index.name(code) for code in readings.stream.tolist()]


def json_values(texts: list[Any], **layout: Any) -> tuple[list[float], list[str]]:
    values, dead, _ = decode([{"time": 1 + i, "v": text} for i, text in enumerate(texts)], layout)
    return values[:, 0].tolist(), [letter.error for letter in dead]


@pytest.mark.parametrize(
    ("layout", "texts", "expected"),
    [
        ({"decimal": ","}, ["12,5", "-3", 7, "1e3"], [12.5, -3, 7, 1000]),
        ({"thousands": ","}, ["1,198.5", "12,34,567", "941.4"], [1198.5, 1234567, 941.4]),
        ({"decimal": ",", "thousands": "."}, ["1.198,5", "2.000"], [1198.5, 2000]),
        ({"thousands": " "}, ["1 198", "1\u00a0198", "1\u202f198.5"], [1198, 1198, 1198.5]),
        ({"thousands": "'"}, ["1'198", "1\u2019198"], [1198, 1198]),
        ({"missing": ["No Data", "-999"]}, ["no data", -999, "-999", -999.0, 5], [NAN, NAN, NAN, NAN, 5]),
        ({"high": ["OVER", "9999"], "low": ["UNDER"]}, [" over ", "Under", 9999, 3], [INF, -INF, INF, 3]),
    ],
)
def test_values_are_read_as_the_format_says(layout: dict[str, Any], texts: list[Any], expected: list[float]) -> None:
    found, errors = json_values(texts, **layout)
    assert errors == []
    assert np.array_equal(found, np.array(expected, np.float32), equal_nan=True)

    lines = [f'{1 + i};"{text}"'.encode() for i, text in enumerate(texts)]
    values, dead, _ = decode(lines, {**layout, "kind": "csv", "delimiter": ";"})
    assert dead == []
    assert np.array_equal(values[:, 0], np.array(expected, np.float32), equal_nan=True)


@pytest.mark.parametrize(
    ("layout", "text", "error"),
    [
        ({}, "1,198.0", '"1,198.0" is not a number: thousands separator? format.thousands = ","'),
        ({}, "12,5", '"12,5" is not a number: decimal comma? format.decimal = ","'),
        ({}, "1.198,5", 'decimal comma? format.decimal = "," format.thousands = "."'),
        ({}, "OVER", '"OVER" is not a number: format.high = ["OVER"]'),
        ({"decimal": ","}, "12.5", 'decimal point? format.decimal = "."'),
        ({"thousands": ","}, "12,5", "decimal comma?"),
        ({"high": ["OVER"]}, "1e999", "is no finite number"),
        ({"high": ["OVER"]}, "inf", "is no finite number"),
    ],
)
def test_a_text_that_is_no_number_says_what_would_read_it(layout: dict[str, Any], text: str, error: str) -> None:
    found, errors = json_values([text, 1.0], **layout)
    assert found == [1.0]
    assert error in errors[0]


def test_infinity_that_no_word_stands_for_is_no_value() -> None:
    bodies = [b'{"time":1,"v":1e39}', b'{"time":2,"v":Infinity}', b'{"time":3,"v":"OVER"}']
    values, dead, _ = decode(bodies, {"high": ["OVER"]})
    assert values.tolist() == [[INF]]
    assert [letter.reason for letter in dead] == ["bad-value", "bad-value"]


def test_a_value_whose_quality_is_not_good_is_missing() -> None:
    codes: list[Any] = ["Good", "Bad", 192, "192.0", 0, None, " good"]
    bodies = [{"time": 1 + i, "v": 5.0, "q": code} for i, code in enumerate(codes)]
    values, dead, _ = decode(bodies, {"quality": "q", "good": ["Good", "192"]})
    assert dead == []
    assert np.isnan(values[:, 0]).tolist() == [False, True, False, False, True, True, False]

    _, dead, _ = decode([{"time": 1, "v": 5.0}], {"quality": "q", "good": ["Good"]})
    assert [letter.reason for letter in dead] == ["missing-quality"]


def test_each_channel_may_have_a_quality() -> None:
    body = {"time": 1, "a": 1.0, "b": 2.0, "c": 3.0, "aq": "Bad", "bq": "Good"}
    layout = {"quality": {"a": "aq", "b": "bq"}, "good": ["Good"]}
    values, _, _ = decode([body], layout, channels=("a", "b", "c"))
    assert np.array_equal(values, np.array([[NAN, 2, 3]], np.float32), equal_nan=True)

    line = b"1,Bad,Good,1,2,3"
    values, _, _ = decode([line], {**layout, "kind": "csv"}, channels=("a", "b", "c"))
    assert np.array_equal(values, np.array([[NAN, 2, 3]], np.float32), equal_nan=True)


FLAT = {"time": 1, "Line1.Motor.Temp": 20.5}
NESTED = {"time": 1, "Line1": {"Motor": {"Temp": 30.5}}}
BOTH = {**NESTED, **FLAT}
TEXT = {**NESTED, "note": "Line1.Motor.Temp"}


@pytest.mark.parametrize("kind", ["json", "json-array"])
def test_a_name_with_dots_is_a_field_first_and_then_a_path(kind: str) -> None:
    """However messages of both kinds are mixed in a batch."""
    wrap = (lambda body: [body]) if kind == "json-array" else (lambda body: body)
    layout = {"kind": kind, "values": ["Line1.Motor.Temp"]}
    told = [(FLAT, 20.5), (NESTED, 30.5), (BOTH, 20.5), (TEXT, 30.5)]
    for case in [told, told[:1], told[1:2], told[2:3], told[3:], told[1:] * 2]:
        values, dead, _ = decode([wrap(body) for body, _ in case], layout)
        assert dead == []
        assert values[:, 0].tolist() == [value for _, value in case]


def test_a_name_with_dots_that_is_neither_says_so() -> None:
    _, dead, _ = decode([{"time": 1, "Line1": 3}, FLAT], {"values": ["Line1.Motor.Temp"]})
    assert [(letter.reason, letter.error) for letter in dead] == [
        ("missing-value", "the field Line1.Motor.Temp is missing, as a name and as a path; the body has Line1")
    ]
    twice = b'{"time":1,"Line1.Motor.Temp":1,"Line1.Motor.Temp":2}'
    _, dead, _ = decode([twice, NESTED], {"values": ["Line1.Motor.Temp"]})
    assert [letter.reason for letter in dead] == ["duplicate-key"]


def test_a_number_is_a_key() -> None:
    body = {"time": 1, "v": 1.0}
    keys: list[bytes | None] = [struct.pack(">q", 4711), struct.pack(">q", -2), struct.pack(">q", 4711), b"abc", None]
    _, dead, names = decode([body] * 5, {"key_encoding": "long"}, keys)
    assert names == ["4711", "-2", "4711"]
    assert [(letter.reason, letter.offset) for letter in dead] == [("bad-key", 3), ("missing-key", 4)]
    assert "3 bytes (61 62 63)" in dead[0].error

    assert decode([body], {"key_encoding": "int"}, [struct.pack(">i", 17)])[2] == ["17"]
    assert decode([body], {"key_encoding": "hex"}, [b"\x00\xffA"])[2] == ["00ff41"]


@pytest.mark.parametrize(("key", "hint"), [(4711, '"long"'), (2**63 + 200, '"long"')])
def test_a_key_that_is_no_text_says_what_it_is(key: int, hint: str) -> None:
    raw = key.to_bytes(8, "big")
    _, (letter,), _ = decode([{"time": 1, "v": 1.0}], {}, [raw])
    assert f"8 bytes ({raw.hex(' ')}), perhaps the long " in letter.error
    assert letter.error.endswith(f"format.key_encoding = {hint}")


@pytest.mark.parametrize(
    ("layout", "problem"),
    [
        ({"decimal": ";"}, "format.decimal"),
        ({"thousands": "x"}, "format.thousands: 'x' is none of"),
        ({"thousands": "."}, "is the decimal sign already"),
        ({"missing": ["OL"], "high": ["ol"]}, "ol may stand there once"),
        ({"quality": "q"}, "format.quality: name the field, and in format.good"),
        ({"good": ["q"]}, "format.quality: name the field"),
        ({"quality": {"w": "q"}, "good": ["G"]}, "format.quality: there is no channel w"),
        ({"counters": ["w"]}, "format.counters: there is no channel w"),
        ({"key": "id", "key_encoding": "long"}, "format.key_encoding: id is a field"),
        ({"delimiter": ";"}, 'format.delimiter: only kind = "csv"'),
        ({"kind": "csv", "encoding": "klingon"}, "format.encoding: 'klingon' is not known"),
    ],
)
def test_what_cannot_be_is_refused(layout: dict[str, Any], problem: str) -> None:
    with pytest.raises(SettingsError, match=problem.replace("(", r"\(")):
        decode([], layout)


def test_csv_messages_may_have_a_header_and_another_encoding() -> None:
    body = "zeit;wert\n1;12,5\n2;\xfcber\n".encode("cp1252")
    layout = {
        "kind": "csv",
        "delimiter": ";",
        "decimal": ",",
        "encoding": "cp1252",
        "skip_rows": 1,
        "high": ["\xfcber"],
    }
    values, dead, _ = decode([body], layout)
    assert dead == []
    assert values[:, 0].tolist() == [12.5, INF]


@pytest.mark.parametrize("layout", [{}, {"channel": "c", "value": "v"}])
def test_a_sentence_about_a_long_text_shows_its_beginning(layout: dict[str, Any]) -> None:
    text = "x" * 100_000
    body = {"time": 1_767_225_600, "v": 1, "c": text} if layout else {"time": 1_767_225_600, "v": text}
    _, (letter,), _ = decode([body], layout)
    assert "x" * 60 in letter.error
    assert len(letter.error) < 120


def test_a_code_beyond_float32_stands_for_no_value() -> None:
    values, dead, _ = decode([{"time": 1, "v": 2.5}], {"values": ["v"], "missing": ["3.4028235677973366e+38", "1e400"]})

    assert (values.tolist(), dead) == ([[2.5]], [])
