"""Bodies that differ in their numbers alone are read to the bit as they are one by one, and so are all others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitor.config.families import Family
from monitor.records.batches import Readings
from monitor.records.streams import StreamIndex
from monitor.sources.decode import Records
from monitor.sources.formats import alike, alike_scan
from monitor.sources.formats.json_messages import JsonDecoder

BASE = {"topic": "t", "interval": "1s", "recipe": "plain", "window": {"length": 4}}
SHAPES: list[tuple[dict[str, Any], str]] = [
    (BASE, '{"time":%s,"value":%s}'),
    (BASE | {"format": {"time_unit": "ms", "missing": ["-999"]}}, '{ "unit": "bar", "value": %s, "time" : %s }'),
    (BASE | {"channels": ["a", "b"]}, '{"time": %s, "b": %s, "n": null, "a": %s\n}'),
    (BASE | {"channels": ["a", "b"], "format": {"counters": ["a"]}}, '{"a": %s, "b": %s, "time": %s}'),
    (BASE | {"format": {"time_unit": "excel", "time_zone": "America/Havana"}}, '{"time":%s,"value":%s,"value2":1}'),
    (BASE | {"format": {"time_unit": "%Y%m%d%H%M"}}, '{"time":%s,"value":%s}'),
]
ODD = [
    "-0", "-0.0", "0", "00", "01.5", "1.", ".5", "1e5", "1E-3", "1e+22", "1e23", "1e400", "-", "+1", "NaN", '"5"', "",
    "true", "9007199254740993", "9007199254740993.0", "1.2345678901234567890", "123456789012345678901", "nul", "null",
    "5e-324", "0.00012345678901234567", "1.5 ", "2,5", "4.35e-17", "8.5e-5", "1e", "1e-", "1e0001", "3e38", "4e38",
    "179769313486231570000",
]  # fmt: skip
WHOLE = st.integers(0, 2 * 10**18).map(str) | st.integers(1_600_000_000, 1_900_000_000).map(str)
REAL = (st.floats(allow_nan=False, allow_infinity=False) | st.floats(-100, 100)).map(repr)
DECIMAL = st.decimals(-1000, 1000, allow_nan=False, allow_infinity=False, places=3).map(str)
NUMBER = st.sampled_from(ODD) | WHOLE | REAL | DECIMAL
FIRST = "1700000000"


@pytest.fixture(scope="module", autouse=True)
def soon() -> Any:
    """Every batch is large enough to learn from, and the compiler is there."""
    patch = pytest.MonkeyPatch()
    patch.setattr(alike, "FULL", 1)
    patch.setattr(alike, "PATIENCE", 1)
    yield alike_scan
    patch.undo()


def records(bodies: list[bytes | None]) -> Records:
    keys = [b"s%d" % (row % 3) for row in range(len(bodies))]
    stamps = np.full(len(bodies), 1_700_000_000_000, np.int64)
    return Records("t", keys, bodies, np.zeros(len(bodies), np.int32), np.arange(len(bodies)), lambda: stamps)


def shown(found: tuple[Readings, list[Any]]) -> Any:
    """All that was read, to the bit."""
    readings, dead = found
    columns: list[Any] = [
        readings.stream,
        readings.time,
        readings.values,
        readings.partition,
        readings.offset,
        readings.sent,
    ]
    return [(column.dtype, column.shape, column.tobytes()) for column in columns if column is not None], dead


def decoders(settings: dict[str, Any], body: bytes) -> tuple[JsonDecoder, JsonDecoder]:
    """One that has learned what bodies are like, and one that never does."""
    made = [JsonDecoder(Family.model_validate(settings), StreamIndex()) for _ in range(2)]
    made[1]._alike = None
    for decoder in made:
        decoder.decode(records([body]))
    return made[0], made[1]


@given(shape=st.sampled_from(SHAPES), rows=st.lists(st.lists(NUMBER, min_size=3, max_size=3), min_size=1, max_size=5))
@example(shape=SHAPES[0], rows=[[FIRST, odd, ""] for odd in ODD])
def test_readings_are_those_of_bodies_read_one_by_one(shape: tuple[dict[str, Any], str], rows: list[list[str]]) -> None:
    settings, text = shape
    count = text.count("%s")
    quick, slow = decoders(settings, (text % ((FIRST,) * count)).encode())

    for batch in [[row] for row in rows] + [rows]:
        bodies: list[bytes | None] = [(text % tuple(row[:count])).encode() for row in batch]
        assert shown(quick.decode(records(bodies))) == shown(slow.decode(records(bodies)))


@given(st.floats(1e-15, 1e15) | st.floats(-1e3, 1e3) | st.decimals(-1000, 1000, places=5, allow_nan=False).map(float))
def test_numbers_are_the_nearest_floats(value: float) -> None:
    bodies = alike.AlikeBodies("time", ["value"])
    bodies.learn([b'{"time":1,"value":2}'])

    found = bodies.read([b'{"time":7,"value":%r}' % value])

    if found is None:  # left to the parser: rare
        assert abs(value) < 1e-5
    else:
        assert found[0].tolist() == [7]
        assert found[1].tobytes() == np.float64(value).tobytes()


@pytest.mark.parametrize("cut", range(1, 20))
def test_bodies_that_only_together_are_alike_are_not(cut: int) -> None:
    bodies = alike.AlikeBodies("time", ["value"])
    bodies.learn([b'{"time":1,"value":2}'])
    whole = b'{"time":1,"value":2}{"time":3,"value":4}'

    assert bodies.read([whole[:cut], whole[cut:]]) is None
    assert bodies.read([whole[:20], whole[20:]]) is not None


@pytest.mark.parametrize(
    "body",
    [
        b'{"time":1,"value":"2"}',
        b'{"time":1.5,"value":2}',
        b'{"time":1,"value":2,"x":{}}',
        b'{"time":1,"value":2,"x":[]}',
        b'{"time":1,"value":2,"x":"time"}',
        b'{"time":1,"value":2,"x":"\\n"}',
        b'{"time":"1","value":2}',
        b'{"value":2}',
    ],
)
def test_other_bodies_teach_nothing(body: bytes) -> None:
    assert alike.template(body, "time", ["value"]) is None


def test_what_is_hardly_ever_alike_is_no_longer_tried() -> None:
    bodies = alike.AlikeBodies("time", ["value"])
    bodies.learn([good := b'{"time":1,"value":2}'])
    for _ in range(16):
        assert bodies.read([good]) is not None
        assert bodies.read([b'{"value":2,"time":1}']) is None
    for _ in range(16):
        assert bodies.read([None, b'{"value":2,"time":1}']) is None
        assert bodies.read([b'{"value":2,"time":1}']) is None

    assert bodies.read([good]) is None
