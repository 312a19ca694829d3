"""From message bodies to columns, one case at a time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from monitor.config.families import Family
from monitor.errors import SettingsError
from monitor.records.batches import DeadLetter, Readings
from monitor.records.dead_letters import BODY_LIMIT
from monitor.records.streams import StreamIndex
from monitor.sources.decode import Records
from monitor.sources.formats.json_messages import JsonDecoder

SECOND = 10**9


def family(**changes: Any) -> Family:
    layout = {"time_unit": "s"} | changes.get("format", {})
    return Family.model_validate(
        {"topic": "t", "interval": "10s", "recipe": "plain", "window": {"length": 10}} | changes | {"format": layout}
    )


def records(bodies: Sequence[bytes | None], keys: Sequence[bytes | None] | None = None) -> Records:
    count = len(bodies)
    chosen = [b"m"] * count if keys is None else keys
    return Records("t", chosen, bodies, np.full(count, 3, np.int32), np.arange(100, 100 + count))


def decode(
    bodies: Sequence[bytes | None], keys: Sequence[bytes | None] | None = None, **changes: Any
) -> tuple[Readings, list[DeadLetter], list[str]]:
    index = StreamIndex()
    readings, dead = JsonDecoder(family(**changes), index).decode(records(bodies, keys))
    return readings, dead, [index.name(code) for code in readings.stream.tolist()]


def test_columns_of_a_good_batch() -> None:
    bodies = [b'{"time":1,"value":1.5}', b' {"value":2, "other":[1,{}], "time":"1970-01-01T00:00:02Z"}\n']

    readings, dead, names = decode(bodies, [b"a", "µ".encode()])

    assert dead == []
    assert names == ["a", "µ"]
    assert readings.time.tolist() == [SECOND, 2 * SECOND]
    assert readings.values.tolist() == [[1.5], [2.0]]
    assert readings.values.dtype == np.float32
    assert readings.partition.tolist() == [3, 3]
    assert readings.offset.tolist() == [100, 101]


def test_no_records() -> None:
    readings, dead, _ = decode([])

    assert (len(readings), dead, readings.values.shape) == (0, [], (0, 1))


def test_null_is_nan() -> None:
    readings, dead, _ = decode([b'{"time":1,"value":null}'])

    assert dead == []
    assert np.isnan(readings.values).all()


@pytest.mark.parametrize("extra", [b"", b',"x":[Infinity,"NaN \\" -Infinity"]'])
def test_numbers_that_json_does_not_have(extra: bytes) -> None:
    texts = [b'"3.5"', b'" 3.5\\n"', b'"-1e3"', b'""', b'"NaN"', b'"n/a"', b"NaN", b"2"]
    bodies = [b'{"time":"1970-01-01T00:00:01Z","d":{"v":' + text + b"}" + extra + b"}" for text in texts]

    readings, dead, _ = decode(bodies, format={"values": ["d.v"]})

    assert dead == []
    expected = [3.5, 3.5, -1000, np.nan, np.nan, np.nan, np.nan, 2]
    np.testing.assert_array_equal(readings.values[:, 0], np.array(expected, np.float32))


@pytest.mark.parametrize("text", ["1_0", "inf", "-nan", "0x1", "1,5", "true", "\uff11", "1e999", " 1 2", "9" * 400])
def test_text_that_is_no_number(text: str) -> None:
    body = json.dumps({"time": 1, "v": [1, text, 3, 4]}).encode()
    window = {"kind": "message", "length": 2}

    _, (letter,), _ = decode([body], window=window, channels=["a", "b"], format={"values": ["v"]})

    assert letter.reason == "bad-value"
    assert "regex" not in letter.error


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (None, "empty"),
        (b"", "empty"),
        (b" \n", "empty"),
        (b"{", "json"),
        (b'{"time":1,"value":Infinity}', "bad-value"),
        (b'{"time":1,"value":-Infinity}', "bad-value"),
        (b'{"time":1,"value":-NaN}', "json"),
        (b'{"time":NaN,"value":1}', "bad-time"),
        (b'{"time":1,"value":NaN,"value":NaN}', "duplicate-key"),
        (b'{"time":1,"value":1,"x":"\\"NaN', "json"),
        (b'{"time":1,"value":1}{"time":1,"value":1}', "json"),
        (b'{"time":1,"value":1},{"time":1,"value":1}', "json"),
        (b'{"x":' + b"[" * 100_000, "json"),
        (b"[" * 100_000, "json"),
        (b"\xef\xbb\xbf{}", "json"),
        (b"\xff", "utf8"),
        (b'{"time":"\xff","value":1}', "utf8"),
        (b'{"time":1,"value":"\xc3', "utf8"),
        (b"5", "not-an-object"),
        (b"[]", "not-an-object"),
        (b'[{"time":1,"value":1}]', "not-an-object"),
        (b'{"value":1}', "missing-time"),
        (b'{"time":null,"value":1}', "bad-time"),
        (b'{"time":"yesterday","value":1}', "bad-time"),
        (b'{"time":"2026-02-29","value":1}', "bad-time"),
        (b'{"time":true,"value":1}', "bad-time"),
        (b'{"time":' + b"9" * 30 + b',"value":1}', "bad-time"),
        (b'{"time":1}', "missing-value"),
        (b'{"time":1,"value":"1,5"}', "bad-value"),
        (b'{"time":1,"value":true}', "bad-value"),
        (b'{"time":1,"value":[1]}', "bad-value"),
        (b'{"time":1,"value":1e999}', "bad-value"),
        (b'{"time":1,"value":-1e39}', "bad-value"),
        (b'{"time":1,"value":' + b"9" * 400 + b"}", "bad-value"),
    ],
)
def test_what_cannot_be_read_is_a_dead_letter_beside_its_good_neighbours(body: bytes | None, reason: str) -> None:
    good = b'{"time":1,"value":1}'

    readings, dead, _ = decode([good, body, good])

    assert readings.offset.tolist() == [100, 102]
    (letter,) = dead
    assert (letter.reason, letter.topic, letter.partition, letter.offset) == (reason, "t", 3, 101)
    assert (letter.key, letter.body, letter.size) == (b"m", body and body[:BODY_LIMIT], len(body or b""))
    assert letter.error


@pytest.mark.parametrize(
    ("key", "reason"),
    [(None, "missing-key"), (b"", "missing-key"), (b"\xff", "utf8"), (b"a\x00", "bad-key"), (b"a" * 513, "bad-key")],
)
def test_kafka_keys_that_name_no_stream(key: bytes | None, reason: str) -> None:
    readings, dead, names = decode([b'{"time":1,"value":1}'] * 2, [key, b"a"])

    assert [letter.reason for letter in dead] == [reason]
    assert (readings.offset.tolist(), names) == ([101], ["a"])


@pytest.mark.parametrize(
    ("body", "name", "reason"),
    [
        (b'{"id":"a","time":1,"value":1}', "a", None),
        (b'{"id":17,"time":1,"value":1}', "17", None),
        (b'{"id":"","time":1,"value":1}', None, "missing-key"),
        (b'{"time":1,"value":1}', None, "missing-key"),
        (b'{"id":null,"time":1,"value":1}', None, "bad-key"),
        (b'{"id":1.5,"time":1,"value":1}', None, "bad-key"),
    ],
)
def test_key_from_a_field(body: bytes, name: str | None, reason: str | None) -> None:
    _, dead, names = decode([body], [None], format={"key": "id"})

    assert names == ([] if name is None else [name])
    assert [letter.reason for letter in dead] == ([] if reason is None else [reason])


def test_a_record_that_is_not_read_names_no_stream() -> None:
    index = StreamIndex()

    JsonDecoder(family(), index).decode(records([b"{", b'{"time":"x","value":1}', b'{"time":1,"value":1e39}']))

    assert index.codes == {}


def test_nested_fields_of_several_channels() -> None:
    layout = {"key": "meta.id", "time": "meta.at.ns", "time_unit": "ns", "values": ["data.a", "data.b.c"]}
    body = b'{"meta":{"at":{"ns":1700000000123456789},"id":"m"},"data":{"b":{"c":2},"a":1,"c":9}}'

    readings, dead, names = decode([body, b'{"meta":7}'], format=layout, channels=["x", "y"])

    assert readings.time.tolist() == [1700000000123456789]
    assert readings.values.tolist() == [[1, 2]]
    assert names == ["m"]
    assert [(letter.reason, letter.error) for letter in dead] == [
        ("missing-key", "the field meta.id is missing, as a name and as a path; the body has meta; did you mean meta?")
    ]


def test_a_message_that_is_a_whole_window() -> None:
    window = {"kind": "message", "length": 2}
    bodies = [
        b'{"time":1,"v":[1,2,3,4]}',
        b'{"time":1,"v":[1,2,3]}',
        b'{"time":1,"v":[1,null,3,4]}',
        b'{"time":1,"v":[1,"two",3,4]}',
        b'{"time":1,"v":[]}',
        b'{"time":1,"v":7}',
    ]

    readings, dead, _ = decode(bodies, window=window, channels=["a", "b"], format={"values": ["v"]})

    assert readings.offset.tolist() == [100, 102]
    np.testing.assert_array_equal(readings.values, np.array([[1, 2, 3, 4], [1, np.nan, 3, 4]], np.float32))
    assert [letter.reason for letter in dead] == ["wrong-length", "bad-value", "wrong-length", "bad-value"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": {"values": ["a", "b"]}}, "1 fields, one per channel; it names 2"),
        ({"format": {"time": "value"}}, "named twice"),
        ({"format": {"time": "value.at"}}, "inside another"),
        ({"format": {"values": ["time.x"]}}, "inside another"),
        ({"channels": ["a", "b"], "window": {"kind": "message", "length": 4}}, "one field that holds the whole vector"),
        ({"format": {"time": 'a"b'}}, "cannot be used"),
    ],
)
def test_formats_that_cannot_be(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        JsonDecoder(family(**changes), StreamIndex())


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"time": 1, "temp": 20.1}', "the field value is missing; the body has temp"),
        (b'{"time": 1, "values": 2, "a": {"b": 1}}', "; the body has values, a.b; did you mean values?"),
        (b'{"time": 1}', "the field value is missing; the body has no other field in its place"),
        (b'{"ts": 1, "value": 2}', "the field time is missing; the body has ts"),
    ],
)
def test_a_missing_field_is_told_with_those_that_the_body_has(body: bytes, says: str) -> None:
    _, dead, _ = decode([body])

    assert says in dead[0].error


def test_a_field_whose_name_has_dots_inside_an_object_is_told_so() -> None:
    _, dead, _ = decode([b'{"time": 1, "a": {"b.c": 5}}'], format={"values": ["a.b.c"]})

    assert dead[0].error == "the field a.b.c is missing; the body has it with dots inside a name"


def test_a_sentence_about_a_missing_field_is_short_whatever_the_body_holds() -> None:
    fields = ", ".join(f'"{"x" * 500}{number}": 1' for number in range(1000))

    _, dead, _ = decode([f'{{"time": 1, {fields}}}'.encode()])

    assert len(dead[0].error) < 600
    assert " and more" in dead[0].error


@pytest.mark.parametrize(
    ("key", "reason", "says"),
    [
        ((42).to_bytes(8, "big"), "bad-key", "8 bytes (00 00 00 00 00 00 00 2a), perhaps the long 42"),
        ((-7).to_bytes(4, "big", signed=True), "utf8", "4 bytes (ff ff ff f9), perhaps the int -7"),
        (b"\xff" * 40, "utf8", f"40 bytes ({' '.join(['ff'] * 16)} …)"),
    ],
)
def test_a_key_that_is_no_text_is_described(key: bytes, reason: str, says: str) -> None:
    _, dead = JsonDecoder(family(), StreamIndex()).decode(records([b'{"time": 1, "value": 2}'], [key]))

    assert dead[0].reason == reason
    assert says in dead[0].error
    assert dead[0].stream == ""


def test_a_dead_letter_knows_its_stream_where_the_record_says_so() -> None:
    bodies = [b'{"time": 1}', b"{", b'{"time": 1, "value": 1e300}']

    _, dead = JsonDecoder(family(), StreamIndex()).decode(records(bodies, [b"a", b"b", b"c"]))
    assert [letter.stream for letter in dead] == ["a", "b", "c"]

    inside = [b'{"m": {"id": 3}}', b"{", b'{"m": {"id": 4}, "time": 1, "value": 1e300}', b'{"m": {"id": [1]}}']
    _, dead = JsonDecoder(family(format={"key": "p{m.id}"}), StreamIndex()).decode(records(inside, [b"k"] * 4))
    assert [letter.stream for letter in dead] == ["p3", "", "p4", ""]


@pytest.mark.parametrize("stamp", [2**62, 2**63 - 1, 10**14, -1])
def test_a_kafka_timestamp_that_no_time_can_be_is_none(stamp: int) -> None:
    def read(body: bytes) -> tuple[Readings, list[DeadLetter]]:
        of_two = records([body] * 2)
        decoder = JsonDecoder(family(format={"time": "$timestamp"}), StreamIndex())
        return decoder.decode(replace(of_two, stamps=lambda: [stamp, 1_700_000_000_000]))

    readings, dead = read(b'{"value": 1}')
    assert readings.time.tolist() == [1_700_000_000 * SECOND]
    assert [(letter.reason, letter.time) for letter in dead] == [("bad-time", None)]
    assert [letter.time for letter in read(b"{}")[1]] == [None, 1_700_000_000 * SECOND]
