"""Whatever arrives, in every format: nothing is raised, each record is read or dead, neighbours do not matter."""

from __future__ import annotations

import random
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.bootstrap import DECODERS
from monitor.config.families import Family
from monitor.config.formats import REGISTRY
from monitor.records.streams import StreamIndex
from monitor.sources.decode import Decoder
from monitor.sources.unfinished import decode_all
from tests.formats import Reading, decoder, encode, family, records

START = 1_700_000_000_000_000_000
GOOD = [Reading(START + place * 10**9, 1.5, None if place else -2.0) for place in range(3)]
PIECES = [
    b"{", b"}", b"[", b"]", b",", b'"', b":", b"\n", b" ", b"1", b"-", b"1e999", b"null", b"NaN", b"9" * 30, b"\xff",
    b"\x00", b"\\", b"\\u0061", b'"time":1', b'"a":2', b'"b":3', b'"start":1', b'"interval":"1s"', b'"interval":1e-9',
    b'"values":[[1,2]]', b'"values":[]', b"\x80" * 12, b"\x7f" * 9, b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01",
]  # fmt: skip
CHANGES = st.lists(
    st.tuples(st.sampled_from(["cut", "put", "flip", "repeat"]), st.integers(0, 400), st.sampled_from(PIECES)),
    max_size=4,
)
KEY = st.sampled_from([b"m", b"n", b"", b"\xff", None])

kinds = pytest.mark.parametrize("kind", DECODERS)


def damaged(body: bytes, changes: list[tuple[str, int, bytes]]) -> bytes:
    for what, where, piece in changes:
        place = where % (len(body) + 1)
        if what == "cut":
            body = body[:place]
        elif what == "put":
            body = body[:place] + piece + body[place:]
        elif what == "repeat":
            body += body[place:]
        elif body:
            place %= len(body)
            body = body[:place] + bytes([body[place] ^ (1 << where % 8)]) + body[place + 1 :]
    return body


def bodies(kind: str) -> st.SearchStrategy[bytes | None]:
    good = encode(kind, GOOD)
    random_ones = st.binary(max_size=40)
    if kind in REGISTRY:  # most of them with a frame, or the payload would never be looked at
        random_ones |= random_ones.map(lambda payload: good[0][:5] + payload)
    changed = st.tuples(st.sampled_from(good), CHANGES).map(lambda chosen: damaged(*chosen))
    joined = st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join)
    return st.none() | changed | changed | random_ones | joined


def outcome(reader: Decoder, index: StreamIndex, batch: list[tuple[bytes | None, bytes | None]]) -> dict[int, Any]:
    """What became of each record, by its place: its readings, or the reason of its dead letter."""
    readings, dead = decode_all(reader, records([body for _, body in batch], [key for key, _ in batch]))
    found: dict[int, Any] = {letter.offset - 100: (letter.reason, letter.error) for letter in dead}
    assert len(found) == len(dead)
    read = set((readings.offset - 100).tolist())
    assert not read & found.keys()
    assert read | found.keys() == set(range(len(batch)))
    assert np.all(np.diff(readings.offset) >= 0)
    assert not np.isinf(readings.values).any()
    assert np.all(np.abs(readings.time) < 2**62)
    for offset, stream, when, values in zip(
        (readings.offset - 100).tolist(), readings.stream.tolist(), readings.time.tolist(), readings.values, strict=True
    ):
        found.setdefault(offset, []).append((index.name(stream), when, values.tobytes()))
    return found


@kinds
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_batch_is_its_records_one_by_one(kind: str, data: st.DataObject) -> None:
    batch = data.draw(st.lists(st.tuples(KEY, bodies(kind)), max_size=6))
    index = StreamIndex()
    reader = decoder(family(kind), index)

    together = outcome(reader, index, batch)

    for place, record in enumerate(batch):
        assert outcome(reader, index, [record]) == {0: together[place]}


def windows(kind: str) -> Family:
    """A format whose messages are whole windows."""
    layout: dict[str, Any] = {"values": ["a"], "columns": ["id", "time", "a"] if kind == "csv" else []}
    if kind.startswith("float"):
        layout = {}
    return family(kind, window={"kind": "message", "length": 2}, channels=["a"], format=layout)


@kinds
def test_random_damage_for_a_while(kind: str) -> None:
    """Half a second per format, with a seed: large batches, deep damage, also messages that are whole windows."""
    chance = random.Random(7)
    good = encode(kind, GOOD)
    families = [family(kind)] if kind == "json-batch" else [family(kind), windows(kind)]
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        batch: list[tuple[bytes | None, bytes | None]] = []
        for _ in range(200):
            body = bytearray(chance.choice(good))
            for _ in range(chance.randrange(4)):
                body[chance.randrange(len(body))] = chance.randrange(256)
            if chance.random() < 0.3:
                del body[chance.randrange(len(body)) :]
            batch.append((b"m", bytes(body)))
        for chosen in families:
            index = StreamIndex()
            assert len(outcome(decoder(chosen, index), index, batch)) == len(batch)
