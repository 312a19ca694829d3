"""Damaged messages in every format, for a while: nothing is raised, and every record and reading is accounted for."""

from __future__ import annotations

import random

import numpy as np
import pytest

from monitor import bootstrap
from monitor.bootstrap import DECODERS
from monitor.config.families import Family
from monitor.config.formats import REGISTRY
from monitor.records.counters import COUNTERS, READINGS
from monitor.records.streams import StreamIndex
from tests.formats import decoder, encode, family, records
from tests.fuzzing.budget import bounded_memory, rounds
from tests.property.test_formats import GOOD, PIECES, damaged, outcome, windows

MIB = 2**20
KEYS = (b"m", b"n", b"", b"\xff", None)
CHANGES = ("cut", "put", "flip", "repeat")
TABLE = {kind: [family(kind)] if kind == "json-batch" else [family(kind), windows(kind)] for kind in DECODERS}


def body(kind: str, good: list[bytes], chance: random.Random) -> bytes | None:
    """A message that is damaged, made of pieces, random, repeated a thousand times, or good."""
    pick = chance.random()
    if pick < 0.1:
        head = good[0][:5] if kind in REGISTRY else b""
        return head + chance.randbytes(chance.randrange(200))
    if pick < 0.2:
        return b"".join(chance.choice(PIECES) for _ in range(chance.randrange(20)))
    if pick < 0.22:
        return chance.choice(PIECES) * chance.randrange(1, 20_000)
    if pick < 0.24:
        return chance.choice(good) * chance.randrange(1, 1_000)
    if pick < 0.26:
        return None
    changes = [
        (chance.choice(CHANGES), chance.randrange(400), chance.choice(PIECES)) for _ in range(chance.randrange(5))
    ]
    return damaged(chance.choice(good), changes)


def accounted(chosen: Family, bodies: list[tuple[bytes | None, bytes | None]]) -> None:
    """Each record is read or dead, and each of its readings has one fate in the pipeline."""
    index = StreamIndex()
    made = decoder(chosen, index)
    outcome(made, index, bodies)
    readings, _ = made.decode(records([message for _, message in bodies], [key for key, _ in bodies]))
    pipeline = bootstrap.pipeline("f", chosen, index=index)
    pipeline.process(readings, 1_700_000_100 * 10**9)
    pipeline.flush()
    counts = pipeline.counters(np.arange(len(index.codes), dtype=np.int32))
    fates = counts[:, : len(READINGS)].sum(axis=1)
    assert fates.tolist() == np.bincount(readings.stream, minlength=len(index.codes)).tolist()
    assert (counts >= 0).all(), dict(zip(COUNTERS, counts.T.tolist(), strict=True))


@pytest.mark.timeout(3600)
def test_every_message_is_a_reading_or_a_dead_letter() -> None:
    good = {kind: encode(kind, GOOD) for kind in DECODERS}
    for kind, families in TABLE.items():
        for chosen in families:
            accounted(chosen, [(b"m", message) for message in good[kind]])
    for chance in rounds():
        kind = chance.choice(list(TABLE))
        batch = [(chance.choice(KEYS), body(kind, good[kind], chance)) for _ in range(chance.randrange(1, 100))]
        given = sum(len(message or b"") for _, message in batch)
        with bounded_memory(given, 300, 100 * MIB):
            accounted(chance.choice(TABLE[kind]), [(key, message) for key, message in batch])
