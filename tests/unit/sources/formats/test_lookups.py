"""Schemas that are not at hand: a registry that refuses, is away, is slow, or answers something else."""

from __future__ import annotations

import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from structlog.testing import capture_logs

from monitor.errors import SourceError
from monitor.records.streams import StreamIndex
from monitor.sources.decode import Decoder, Records
from monitor.sources.formats import lookups
from monitor.sources.formats.avro import AvroDecoder
from monitor.sources.formats.bounded_http import LARGEST
from monitor.sources.formats.lookups import AT_ONCE, Lookups
from monitor.sources.formats.registry import AwayError, open_registry
from monitor.sources.unfinished import TRIES, Found, UnfinishedError, decode_all, joined
from tests.formats import AVRO, Reading, encode, family, records
from tests.http_registry import HttpRegistry, frame, http_registry, send

SECOND = 10**9
BODY = encode("avro", [Reading(SECOND, 1.0, 2.0)])[0][5:]


@pytest.fixture
def registry() -> Iterator[HttpRegistry]:
    with http_registry() as found:
        yield found


def decoder(registry: HttpRegistry, **options: Any) -> AvroDecoder:
    return AvroDecoder(
        family("avro", format={"time_unit": "s"}), StreamIndex(), open_registry(registry.settings(**options))
    )


def test_a_schema_is_asked_for_once_and_a_refusal_is_remembered(registry: HttpRegistry) -> None:
    seven, eight = registry.knows(7, AVRO) + BODY, frame(8) + BODY
    reader = decoder(registry)
    for _ in range(2):
        readings, dead = decode_all(reader, records([seven, eight] * 3))

    assert len(readings) == 3
    assert [(letter.offset, letter.reason) for letter in dead] == [(n, "unknown-schema") for n in (101, 103, 105)]
    assert sorted(registry.asked) == ["/schemas/ids/7", "/schemas/ids/8"]


def test_a_refusal_is_forgotten_after_a_while(registry: HttpRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, now = decoder(registry), [0.0]
    reader._schemas = Lookups(reader.open, lambda: now[0] + time.monotonic())
    _, dead = decode_all(reader, records([frame(8) + BODY]))
    registry.knows(8, AVRO)
    _, still = decode_all(reader, records([frame(8) + BODY]))
    now[0] = lookups.REFUSED_S
    readings, none = decode_all(reader, records([frame(8) + BODY]))

    assert [letter.reason for letter in dead + still] == ["unknown-schema"] * 2
    assert (len(readings), none) == (1, [])


def test_what_is_remembered_is_bounded() -> None:
    """Ids are four bytes that anyone can write: 30,000 of them, in batches."""
    asked: list[int] = []

    def open_(number: int) -> object:
        asked.append(number)
        if number % 2:
            raise ValueError("no schema")
        return object()

    found: Lookups[object] = Lookups(open_)
    for begin in range(0, 30_000, 1_000):
        while any(found.get(number) is None for number in range(begin, begin + 1_000)):
            found.fetch(range(begin, begin + 1_000))

    assert len(asked) >= 30_000
    assert len(found._refused) <= 10_000
    assert len(found._found) <= 1_000


def test_a_flood_of_unknown_ids_is_refused_in_bounded_steps(registry: HttpRegistry) -> None:
    """Each turn ends soon, in order, with certain answers only; a good record behind them is read."""
    registry.delay = 0.02
    good = registry.knows(7, AVRO) + BODY
    bodies: list[bytes | None] = [*(frame(1_000 + number) + BODY for number in range(1_500)), good]
    batch, reader, done = records(bodies), decoder(registry), []
    while len(batch):
        found, rows = one_turn(reader, batch)
        assert rows == list(range(len(batch) - len(rows), len(batch)))
        done.append(found)
        batch = batch.take(rows)
    readings, dead = joined(done)

    assert [letter.offset for letter in dead] == list(range(100, 1_600))
    assert {letter.reason for letter in dead} == {"unknown-schema"}
    assert readings.offset.tolist() == [1_600]
    assert 1 < registry.most <= AT_ONCE
    assert len(registry.asked) == 1_501
    assert len(done) > 1


def one_turn(reader: Decoder, batch: Records) -> tuple[Found, list[int]]:
    """What became of the batch, and which records wait."""
    try:
        return reader.decode(batch), []
    except UnfinishedError as rest:
        return (rest.readings, rest.dead), rest.rows


def hang(_: BaseHTTPRequestHandler) -> None:
    time.sleep(120)


def huge(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(500):
        handler.wfile.write(b" " * 2**20)


def redirect(handler: BaseHTTPRequestHandler) -> None:
    send(handler, 302, b"", Location=f"http://{handler.headers['Host']}/elsewhere")


AWAY: dict[str, Any] = {
    "an error": (500, {"error_code": 500, "message": "sorry"}),
    "too busy": (429, {"error_code": 429, "message": "later"}),
    "a page": lambda handler: send(handler, 200, b"<html>log in</html>"),
    "a page that is missing": lambda handler: send(handler, 404, b"<html>no such page</html>"),
    "another object": (200, {"hello": "world"}),
    "a list": (200, [1]),
    "a schema that is no text": (200, {"schema": {"type": "record"}}),
    "nothing": lambda handler: send(handler, 204, b""),
    "a redirection": redirect,
    "packed bytes": lambda handler: send(handler, 200, b"\x1f\x8b", Content_Encoding="gzip"),
    "a line cut off": lambda handler: handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "no HTTP": lambda handler: handler.wfile.write(b"\xff" * 1000),
}


@pytest.mark.parametrize("answer", AWAY)
def test_a_registry_in_trouble_makes_no_dead_letters(
    registry: HttpRegistry, answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookups, "_PAUSES_S", (50.0, 50.0))
    known, unknown = registry.knows(7, AVRO) + BODY, frame(9) + BODY
    reader, passed = decoder(registry), [0.0]
    reader._schemas = Lookups(reader.open, lambda: passed[0] + time.monotonic())
    decode_all(reader, records([known]))
    registry.answers["/schemas/ids/9"] = AWAY[answer]
    with capture_logs() as logs:
        for tries, after in ((1, 0.0), (1, 0.0), (2, 100.0)):  # a batch that comes at once is no try
            passed[0] += after
            with pytest.raises(UnfinishedError) as caught:
                reader.decode(records([known, unknown, known]))
            assert caught.value.tries == tries
            assert (len(caught.value.readings), caught.value.dead, caught.value.rows) == (1, [], [1, 2])
        registry.knows(9, AVRO)
        passed[0] += 100
        readings, dead = decode_all(reader, records([known, unknown, known]))

    assert (len(readings), dead) == (3, [])
    assert "/elsewhere" not in registry.asked
    assert [entry["event"] for entry in logs] == ["schema_registry_away", "schema_registry_back"]
    assert registry.url in logs[0]["error"]
    assert "secret" not in logs[0]["error"]
    assert logs[1]["tries"] >= 2


@pytest.mark.parametrize("status", [401, 403])
def test_a_registry_that_refuses_us_is_an_error_at_once(registry: HttpRegistry, status: int) -> None:
    registry.answers["/schemas/ids/9"] = status, {"error_code": status, "message": "who are you?"}
    with pytest.raises(SourceError, match=r"schema registry http://127.0.0.1.*who are you") as caught:
        decode_all(decoder(registry), records([frame(9) + BODY]))
    assert "secret" not in str(caught.value)


def test_one_reader_gives_up_after_some_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookups, "_PAUSES_S", (0.01, 0.01))
    nowhere = HttpRegistry()
    nowhere.url = "http://127.0.0.1:9"
    reader = decoder(nowhere)
    with pytest.raises(SourceError, match=r"cannot be fetched.*is it running"):
        decode_all(reader, records([frame(9) + BODY]))
    assert reader._schemas.tries >= TRIES


def test_a_registry_that_hangs_holds_nothing_up_but_what_needs_it(registry: HttpRegistry) -> None:
    """Several partitions: the one that needs the schema waits; the others, and the next turns, do not."""
    known, unknown = registry.knows(7, AVRO) + BODY, frame(9) + BODY
    registry.answers["/schemas/ids/9"] = hang
    reader = decoder(registry, timeout=60)
    decode_all(reader, records([known]))
    batch = records([known, unknown, known, known])
    batch.partition[3] = 4
    took = []
    for _ in range(3):
        began = time.monotonic()
        with pytest.raises(UnfinishedError) as caught:
            reader.decode(batch)
        took.append(time.monotonic() - began)
        assert (caught.value.readings.offset.tolist(), caught.value.rows) == ([100, 103], [1, 2])

    assert registry.asked.count("/schemas/ids/9") == 1
    assert min(took[1:]) < lookups.PATIENCE_S / 2  # it waits for a look-up once


def test_an_answer_that_is_huge_is_a_bad_schema_and_is_not_read(registry: HttpRegistry) -> None:
    registry.answers["/schemas/ids/9"] = huge
    registry.knows(10, " " * (LARGEST // 2))

    _, dead = decode_all(decoder(registry), records([frame(9) + BODY, frame(10) + BODY]))

    assert [letter.reason for letter in dead] == ["bad-schema"] * 2
    assert f"{LARGEST:,} bytes" in dead[0].error
    assert "characters" in dead[1].error


def test_schemas_that_refer_to_each_other_are_asked_for_once_each(registry: HttpRegistry) -> None:
    names = [f"s{place}" for place in range(70)]
    everyone = [{"name": name, "subject": name, "version": 1} for name in names]
    for name in names:
        answer = {"subject": name, "id": 1, "version": 1, "schema": '"int"', "references": everyone}
        registry.answers[f"/subjects/{name}/versions/1"] = 200, answer
    registry.answers["/schemas/ids/9"] = 200, {"schema": '"int"', "references": everyone}

    _, (letter,) = decode_all(decoder(registry), records([frame(9) + BODY]))

    assert letter.reason == "bad-schema"
    assert "refers to more than" in letter.error
    assert len(registry.asked) <= 66


def test_a_schema_of_another_kind(registry: HttpRegistry) -> None:
    registry.knows(9, '{"type":"object"}', "JSON")

    _, (letter,) = decode_all(decoder(registry), records([frame(9) + BODY]))

    assert (letter.reason, letter.error) == ("bad-schema", "schema 9 cannot be used: it is JSON, not AVRO")


def test_a_schema_that_always_fails_holds_up_no_other_one() -> None:
    """Its records come first in every batch, as they wait."""
    now = [0.0]

    def open_(number: int) -> str:
        if number == 1:
            raise AwayError("HTTP status 500")
        return "usable"

    found: Lookups[str] = Lookups(open_, lambda: now[0])
    for _ in range(20):
        found.fetch([1, 2])
        deadline = time.monotonic() + 10
        while found._asked and time.monotonic() < deadline:
            time.sleep(0.001)
        now[0] += lookups._PAUSES_S[1]
    assert found.get(2) == "usable"
    assert found.get(1) is None
