"""Messages that bring one channel each: from bytes to windows."""

from __future__ import annotations

import json
import operator
from typing import Any

import numpy as np
import pytest

from monitor import bootstrap
from monitor.config.families import Family
from monitor.config.resolved import Grid
from monitor.config.settings import parse
from monitor.errors import SettingsError
from monitor.pipeline.alignment.aligner import Aligner
from monitor.pipeline.alignment.channel_joiner import Joiner
from monitor.records.batches import DeadLetter, Readings
from monitor.records.streams import StreamIndex
from monitor.sources.decode import Records

S = 10**9
CHANNELS = ["temperature", "pressure"]


def family(*, kind: str = "json", align: dict[str, Any] | None = None, **layout: Any) -> Family:
    raw = {
        "topic": "t", "channels": CHANNELS, "interval": "1s", "recipe": "plain",
        "window": {"length": 4}, "align": align or {},
        "format": {"kind": kind, "time_unit": "s", **layout},
    }  # fmt: skip
    return parse({"families": {"f": raw}}).families["f"]


def decode(of: Family, bodies: list[bytes], index: StreamIndex | None = None) -> tuple[Readings, list[DeadLetter]]:
    zeros = np.zeros(len(bodies), np.int32)
    records = Records("t", [b"m-1"] * len(bodies), bodies, zeros, np.arange(len(bodies)))
    return bootstrap.decoder(of, StreamIndex() if index is None else index).decode(records)


def body(kind: str, channel: object, value: object, time: int = 1_767_225_600) -> bytes:
    if kind == "csv":
        return f"{channel},{time},{'' if value is None else value}".encode()
    one = {"time": time, "sensor": channel, "value": value}
    return json.dumps([one] if kind == "json-array" else one).encode()


@pytest.mark.parametrize("kind", ["json", "json-array", "csv"])
def test_each_value_goes_into_the_column_of_its_channel(kind: str) -> None:
    bodies = [
        body(kind, "pressure", 2),
        body(kind, "temperature", 1.5),
        body(kind, "flow", 3),
        body(kind, "pressure", None),
    ]
    readings, dead = decode(family(kind=kind, channel="sensor"), bodies)

    expected = np.array([[np.nan, 2], [1.5, np.nan], [np.nan, np.nan]], np.float32)
    assert np.array_equal(readings.values, expected, equal_nan=True)
    assert readings.offset.tolist() == [0, 1, 3]
    assert [(letter.offset, letter.reason) for letter in dead] == [(2, "unknown-channel")]
    assert dead[0].error == "there is no channel flow, only temperature, pressure"


def test_the_value_has_a_field_of_its_own_and_columns_their_order() -> None:
    of = family(kind="csv", channel="tag", value="v", key="id", columns=["v", "tag", "id", "time"])
    readings, dead = decode(of, [b"7,pressure,p-9,1767225600"])

    assert dead == []
    assert readings.values[0, 1] == 7
    nested = family(channel="meta.tag", value="data.v", time="at")
    readings, _ = decode(nested, [b'{"at": 1767225600, "meta": {"tag": "pressure"}, "data": {"v": 3}}'])
    assert readings.values[0, 1] == 3


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({"time": 1, "value": 1}, "missing-channel"),
        ({"time": 1, "value": 1, "sensor": None}, "bad-channel"),
        ({"time": 1, "value": 1, "sensor": 7}, "unknown-channel"),
        ({"time": 1, "sensor": "pressure"}, "missing-value"),
        ({"time": 1, "sensor": "pressure", "value": "x"}, "bad-value"),
    ],
)
def test_messages_that_cannot_be_read(message: dict[str, Any], reason: str) -> None:
    readings, (letter,) = decode(family(channel="sensor"), [json.dumps(message).encode()])

    assert (len(readings), letter.reason) == (0, reason)


def of_slots(width: int, *slots: int) -> Readings:
    none, time = np.zeros(len(slots), np.int32), np.array(slots, np.int64) * S
    values = np.tile(np.array([1.0, *[np.nan] * (width - 1)], np.float32), (len(slots), 1))
    return Readings(none, time, values, none, time)


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("joined", [False, True])
def test_what_comes_after_an_idle_close_is_late(*, joined: bool, again: bool) -> None:
    width = 2 if joined else 1
    made = Joiner(2, Grid(S, 5, 3, 3)) if joined else Aligner(1, Grid(S, 5, 3))
    made.grow(1)
    released = len(made.add(of_slots(width, 1, 2, 4)))
    released += len(made.flush(np.array([0], np.int32)))
    assert released == 4  # and slot 3, filled in
    assert made.newest(np.array([0]))[0] == 4

    if again:  # the stream goes on as if nothing had been
        assert made.add(of_slots(width, 6, 5)).slot.tolist() == ([] if joined else [5, 6])
        assert made.newest(np.array([0]))[0] == 6
    made.add(of_slots(width, 3))

    assert made.late is not None
    assert (made.late.readings.time.tolist(), (made.late.behind > 5 * S).tolist()) == ([3 * S], [True])
    assert (made.columns["late"][0], made.columns["duplicate"][0]) == (1, 0)
    if joined:  # a channel that the last slot lacks
        made.add(of_slots(width, 4))
        assert made.columns["late"][0] == 2


def test_channels_apart_give_the_scores_of_channels_together() -> None:
    """The same values in one message or in two, in batches of three with a restart in between: equal to the bit."""
    rng = np.random.default_rng(5)
    values = rng.normal(size=(60, 2)).round(3)
    start = 1_767_225_600
    whole = [
        json.dumps({"time": start + i, **dict(zip(CHANNELS, row.tolist(), strict=True))}).encode()
        for i, row in enumerate(values)
    ]
    parts = [body("json", name, row[c], start + i) for i, row in enumerate(values) for c, name in enumerate(CHANNELS)]
    for place in range(0, len(parts) - 3, 4):  # the second channel comes before the first, one slot late
        parts[place], parts[place + 3] = parts[place + 3], parts[place]

    together, apart = family(), family(channel="sensor")
    found = [run(together, whole, 60), run(apart, parts, 3)]
    assert found[0] == found[1]


def run(of: Family, bodies: list[bytes], size: int) -> list[bytes]:
    """Every column of the scores, after a restart with each batch."""
    columns: list[list[bytes]] = [[] for _ in range(4)]
    state: list[bytes | None] = [None]
    for begin in range(0, len(bodies), size):
        pipeline = bootstrap.pipeline("f", of)
        readings, _ = decode(of, bodies[begin : begin + size], pipeline.index)
        codes = np.unique(readings.stream)
        pipeline.load(codes, state)
        outcomes = [pipeline.process(readings)]
        state = list(pipeline.dump(codes))
        if begin + size >= len(bodies):
            counts = dict(zip(("accepted", "late", "duplicate"), pipeline.counters(codes)[0].tolist(), strict=False))
            assert counts == {"accepted": len(bodies), "late": 0, "duplicate": 0}
            outcomes.append(pipeline.flush())
        for outcome in outcomes:
            found: tuple[np.ndarray[Any, Any], ...] = operator.attrgetter("end", "score", "imputed", "state")(
                outcome.scores
            )
            for column, part in zip(columns, found, strict=True):
                column.append(part.tobytes())
    return [b"".join(column) for column in columns]


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ({"channel": "c", "values": ["a"]}, "format.values: with format.channel there is one field"),
        ({"value": "v"}, "format.value: goes with format.channel"),
        ({"channel": "time"}, "format.channel: time is the field of the key, the time or the value already"),
        ({"channel": "id", "key": "{site}/{id}"}, "format.channel: id is the field of the key"),
        ({"channel": "c", "kind": "json-batch"}, "format.channel: a json-batch message brings all channels"),
        ({"channel": "c", "kind": "float32"}, "format.channel: a float32 message brings all channels"),
        ({"channel": "c", "kind": "csv", "columns": ["time", "value"]}, "format.columns: c is not among them"),
    ],
)
def test_formats_that_make_no_sense_are_refused(layout: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        family(**layout)


def test_channels_are_joined_on_a_grid_only() -> None:
    raw = {"topic": "t", "interval": "none", "recipe": "plain", "window": {"length": 4}, "format": {"channel": "c"}}
    with pytest.raises(SettingsError, match=r"format\.channel: channels are joined on a grid"):
        parse({"families": {"f": raw}})
    with pytest.raises(SettingsError, match=r"align\.max_age"):
        family(channel="c", align={"max_age": "1500ms"})
