"""Every message format: the same readings give the same columns, and bad messages the same kind of dead letters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from monitor.bootstrap import DECODERS
from monitor.config.formats import VECTORS
from monitor.config.references import resolve
from monitor.records.batches import FOREVER
from monitor.records.streams import StreamIndex
from tests.formats import Reading, decoder, encode, family, records

START = 1_700_000_000_000_000_000
READINGS = [
    Reading(START, 1.5, -2.25),
    Reading(START + 10**9, None, 3.0),
    Reading(START + 2 * 10**9, 1e-3, 1e30),
]
VALUES = np.array([[1.5, -2.25], [np.nan, 3.0], [1e-3, 1e30]], np.float32)

kinds = pytest.mark.parametrize("kind", DECODERS)


@kinds
def test_every_entry_is_a_decoder(kind: str) -> None:
    assert callable(resolve(DECODERS[kind]).decode)


@kinds
def test_the_same_readings_give_the_same_columns(kind: str) -> None:
    bodies = encode(kind, READINGS)
    index = StreamIndex()

    readings, dead = decoder(family(kind), index).decode(records(bodies))

    assert dead == []
    assert readings.time.tolist() == [reading.time for reading in READINGS]
    np.testing.assert_array_equal(readings.values, VALUES)
    assert {index.name(code) for code in readings.stream.tolist()} == {"m"}
    offsets = [100, 101, 102] if len(bodies) == 3 else [100, 100, 100]
    assert readings.offset.tolist() == offsets
    assert readings.partition.tolist() == [3, 3, 3]
    types: list[Any] = [np.int32, np.int64, np.float32, np.int32, np.int64]
    columns = (readings.stream, readings.time, readings.values, readings.partition, readings.offset)
    assert [column.dtype for column in columns] == types


@kinds
def test_no_records(kind: str) -> None:
    readings, dead = decoder(family(kind), StreamIndex()).decode(records([]))

    assert (len(readings), dead, readings.values.shape) == (0, [], (0, 2))


@kinds
def test_empty_bodies_and_damaged_ones_stand_beside_good_neighbours(kind: str) -> None:
    good = encode(kind, READINGS)[0]
    bodies = [good, None, b"", good[: len(good) // 2], b"\xff\xfe\xfd", good]

    readings, dead = decoder(family(kind), StreamIndex()).decode(records(bodies))

    assert sorted(set(readings.offset.tolist())) == [100, 105]
    assert [letter.offset for letter in dead] == [101, 102, 103, 104]
    assert [letter.reason for letter in dead[:2]] == ["empty", "empty"]
    assert [letter.body for letter in dead] == bodies[1:5]
    assert all(letter.error and len(letter.reason) < 20 and letter.topic == "t" for letter in dead)


@kinds
def test_the_kafka_timestamp_may_be_the_time(kind: str) -> None:
    chosen = family(kind, format={"time": "$timestamp"})
    bodies = encode(kind, READINGS[:1])
    if kind in VECTORS:
        bodies = [body[8:] for body in bodies]

    readings, dead = decoder(chosen, StreamIndex()).decode(records(bodies * 2, stamps=[1_700_000_000_123, -1]))
    none, _ = decoder(chosen, StreamIndex()).decode(records(bodies))

    assert readings.time.tolist() == [1_700_000_000_123_000_000]
    assert [(letter.offset, letter.reason) for letter in dead] == [(101, "bad-time")]
    assert len(none) == 0


@kinds
def test_readings_know_when_their_record_was_written(kind: str) -> None:
    """None where Kafka does not say, and a time that never comes where it says nothing that can be."""
    bodies, stamps = encode(kind, READINGS[:1]), [1_700_000_000_123, -1, 1_700_000_000, 2**62]
    readings, _ = decoder(family(kind), StreamIndex()).decode(records([*bodies * 2, None, *bodies], stamps=stamps))
    bare, _ = decoder(family(kind), StreamIndex()).decode(records(bodies))

    assert readings.sent is not None
    assert readings.sent.tolist() == [1_700_000_000_123_000_000, FOREVER, FOREVER // 10**6 * 10**6]
    assert bare.sent is None


@kinds
def test_a_record_that_is_not_read_names_no_stream(kind: str) -> None:
    index = StreamIndex()
    bodies = encode(kind, [Reading(2**62, 1.0, 2.0)])

    _, dead = decoder(family(kind), index).decode(records(bodies))

    assert {letter.reason for letter in dead} == {"bad-time"}
    assert index.codes == {}


@kinds
def test_values_beyond_float32_are_refused(kind: str) -> None:
    if kind == "float32":
        pytest.skip("float32 bytes cannot say them")

    _, dead = decoder(family(kind), StreamIndex()).decode(records(encode(kind, [Reading(START, 1e39, 0.0)])))

    assert [letter.reason for letter in dead] == ["bad-value"]


@pytest.mark.parametrize("kind", [kind for kind in DECODERS if kind not in VECTORS])
def test_keys_from_a_field_and_from_a_template(kind: str) -> None:
    bodies = [body for name in ("p-1", "p-2", "") for body in encode(kind, [Reading(START, 1.0, 2.0, name)])]

    for key, expected in [("id", ["p-1", "p-2"]), ("plant/{id}%s/{id}", ["plant/p-1%s/p-1", "plant/p-2%s/p-2"])]:
        index = StreamIndex()
        readings, dead = decoder(family(kind, format={"key": key}), index).decode(records(bodies, [None] * 3))

        assert [index.name(code) for code in readings.stream.tolist()] == expected
        assert [(letter.offset, letter.reason) for letter in dead] == [(102, "missing-key")]
