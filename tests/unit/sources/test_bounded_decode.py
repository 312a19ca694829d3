"""What a stranger sends is read in memory that its bytes bound."""

from __future__ import annotations

import time
import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from monitor import bootstrap
from monitor.config.families import Family
from monitor.config.settings import parse
from monitor.records.batches import Readings
from monitor.records.dead_letters import BODY_LIMIT
from monitor.records.streams import StreamIndex
from monitor.sources.bounded_decode import LARGEST, PIECE, BoundedDecoder
from monitor.sources.decode import Records
from monitor.sources.unfinished import Found, UnfinishedError

FACTOR = 64  # bytes of memory for a byte of a record
SIZE = 300_000
HEAD = b'{"time":1700000000,"value":'
SPACED: dict[str, Any] = {"time": "start", "interval": "interval"}
BATCH = b'{"start":1700000000,"interval":"10ms","values":'
WHOLE: dict[str, Any] = {"interval": "none", "recipe": "plain", "window": {"length": 100, "kind": "message"}}


def family(kind: str, **changes: Any) -> Family:
    layout = {"kind": kind} | changes.pop("format", {})
    made = {"topic": "t", "interval": "1s", "recipe": "plain", "window": {"length": 4}, "format": layout} | changes
    return parse({"families": {"f": made}}).families["f"]


def records(bodies: list[bytes | None], size: int = 0) -> Records:
    count = len(bodies)
    stamps = [1_700_000_000_000] * count
    return Records("t", [b"m"] * count, bodies, np.zeros(count, np.int32), np.arange(count), lambda: stamps)


def many(piece: bytes, size: int = SIZE) -> bytes:
    return piece * (size // len(piece))


@pytest.mark.parametrize(
    ("of", "body"),
    [
        (family("json"), b"[" + many(b"[],") + b"0]"),
        (family("json"), b"[" + many(b"{},") + b"0]"),
        (family("json"), HEAD + b'1,"value":1,"more":[' + many(b'{"a":0},') + b"0]}"),
        (family("json"), HEAD + b'NaN,"more":[' + many(b"NaN,") + b"0]}"),
        (family("json"), HEAD + b'"' + many(b"9") + b'"}'),
        (family("json"), b'{"time":"' + many(b"1") + b'","value":1}'),
        (family("json", **WHOLE), HEAD + b"[" + many(b"0,") + b"0]}"),
        (family("json", **WHOLE), HEAD + b"[" + many(b'"1",') + b"0]}"),
        (family("json", **WHOLE), HEAD + b"[" + many(b"[],") + b"0]}"),
        (family("json-array"), b"[" + many(b"{},") + b"{}]"),
        (family("json-array"), b"[" + many(b'{"time":1,"value":1},') + b"{}]"),
        (family("json-batch", format=SPACED), BATCH + b"[" + many(b"0,") + b"0]}"),
        (family("json-batch", format=SPACED, channels=["a", "b"]), BATCH + b"[" + many(b"[0,0],") + b"[0,0]]}"),
        (family("csv"), many(b"12,")),
        (family("csv"), many(b"1700000000,1\n")),
        (family("csv"), many(b'"a\n",')),
        (family("csv"), b'"' + many(b"a")),
        (family("float32"), bytes(SIZE)),
    ],
)
def test_a_record_takes_a_constant_times_its_bytes(of: Family, body: bytes) -> None:
    decoder = bootstrap.decoder(of, StreamIndex())
    batch = records([body])
    tracemalloc.start()
    try:
        readings, dead = decoder.decode(batch)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < FACTOR * len(body)
    assert len(readings) or [(letter.size, len(letter.body or b"")) for letter in dead] == [(len(body), BODY_LIMIT)]
    assert all(len(letter.error) < 300 for letter in dead)


def test_a_record_of_many_wrong_readings_is_explained_once() -> None:
    body = b"[" + many(b'{"time":1,"value":1},', LARGEST // 4) + b'{"time":1,"value":1}]'
    began = time.process_time()

    _, (letter,) = bootstrap.decoder(family("json-array"), StreamIndex()).decode(records([body]))

    assert letter.reason == "bad-time"
    assert time.process_time() - began < 20  # 200,000 explanations take longer by far


def test_one_that_is_too_large_is_a_dead_letter_with_its_true_size() -> None:
    good = b'{"time":1700000000,"value":1}'
    huge = HEAD + b'1,"more":"' + b" " * LARGEST + b'"}'
    decoder = bootstrap.decoder(family("json"), StreamIndex())

    readings, dead = decoder.decode(records([good, huge, good, b"{", None, huge, good]))

    assert readings.offset.tolist() == [0, 2, 6]
    assert [(letter.offset, letter.reason, letter.stream) for letter in dead] == [
        (1, "too-large", "m"), (3, "json", "m"), (4, "empty", "m"), (5, "too-large", "m"),
    ]  # fmt: skip
    assert dead[0].size == len(huge)
    assert dead[0].body == huge[:BODY_LIMIT]
    assert dead[0].error == f"the record has {len(huge):,} bytes; at most {LARGEST:,} are read"
    assert dead[0].time == 1_700_000_000_000_000_000


def test_a_whole_window_may_be_larger() -> None:
    of = family("float32", interval="none", window={"length": 2**22, "kind": "message"}, format={"time": "$timestamp"})
    readings, dead = bootstrap.decoder(of, StreamIndex()).decode(records([bytes(2**24), bytes(2**24)]))

    assert len(readings) == 2
    assert dead == []


def test_pieces_are_read_like_the_whole() -> None:
    bodies = [b'{"time":%d,"value":%d,"x":"%s"}' % (1_700_000_000 + n, n, b" " * 50_000) for n in range(200)]
    bodies[17] = bodies[150] = b"{" + bodies[17]
    assert sum(map(len, bodies)) > 2 * PIECE

    readings, dead = bootstrap.decoder(family("json"), StreamIndex()).decode(records(list(bodies)))

    assert readings.values[:, 0].tolist() == [n for n in range(200) if n not in (17, 150)]
    assert readings.time.tolist() == [(1_700_000_000 + n) * 10**9 for n in range(200) if n not in (17, 150)]
    assert [letter.offset for letter in dead] == [17, 150]
    assert readings.sent is not None
    assert len(readings.sent) == 198


class Patient:
    """Reads every record but those of partition 0, and those behind them in its partition."""

    def decode(self, records: Records) -> Found:
        rows = np.flatnonzero(records.partition == 0).tolist()
        read = np.flatnonzero(records.partition != 0)
        time_, none = records.offset[read], np.zeros(len(read), np.int32)
        found = Readings(none, time_, np.zeros((len(read), 1), np.float32), records.partition[read], time_)
        if rows:
            raise UnfinishedError((found, []), rows)
        return found, []


def test_records_that_wait_hold_up_no_other_partition_however_large_they_are() -> None:
    bodies: list[bytes | None] = [bytes(PIECE // 4)] * 24
    given = replace(records(bodies), partition=np.arange(24, dtype=np.int32) // 8 % 3)  # 0, 1 and 2, eight each
    with pytest.raises(UnfinishedError) as caught:
        BoundedDecoder(Patient(), family("json")).decode(given)
    assert caught.value.rows == list(range(8))
    assert caught.value.readings.offset.tolist() == list(range(8, 24))
