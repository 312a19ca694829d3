"""Records in Kafka whose schema the registry does not know, or does not say: nothing is lost, and no other waits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer, TopicPartition
from sqlalchemy import create_engine, text

from monitor import bootstrap
from monitor.config.settings import Settings, parse
from monitor.errors import SourceError
from monitor.records.batches import Poll
from monitor.records.streams import StreamIndex
from monitor.sources.embedded import EmbeddedBroker
from monitor.sources.formats import lookups
from monitor.sources.kafka import KafkaSource
from monitor.sources.kafka_range import KafkaRange
from tests.formats import AVRO, Reading, encode
from tests.http_registry import HttpRegistry, frame, http_registry

SECOND = 10**9
KNOWN, OTHER, ABSENT = 7, 9, 1_000


@pytest.fixture
def broker() -> Iterator[str]:
    with EmbeddedBroker() as running:
        yield running.bootstrap_servers


@pytest.fixture
def registry() -> Iterator[HttpRegistry]:
    with http_registry() as found:
        found.knows(KNOWN, AVRO)
        yield found


def send(servers: str, topic: str, partition: int, schemas: list[int]) -> None:
    """A record for each schema; their offsets go on as their times do."""
    producer = Producer({"bootstrap.servers": servers})
    for at, schema in enumerate(schemas):
        body = encode("avro", [Reading((1_700_000_000 + at) * SECOND, 1.0, 2.0)])[0][5:]
        producer.produce(topic, frame(schema) + body, b"m-%d" % partition, partition)
        producer.poll(0)
    assert producer.flush(60) == 0


def settings(servers: str, url: str, topic: str) -> Settings:
    family = {"topic": topic, "interval": "1s", "channels": ["a", "b"], "recipe": "plain", "window": {"length": 4}}
    return parse(
        {
            "kafka": {"bootstrap_servers": servers, "group": f"group-{time.time_ns()}"},
            "schema_registry": {"url": url, "options": {"timeout": 60}},
            "families": {"f": family | {"format": {"kind": "avro"}}},
        }
    )


def seen(polls: list[Poll]) -> list[tuple[int, int]]:
    """(partition, offset) of all that was read, dead or not, in the order in which it came."""
    found: list[tuple[int, int]] = []
    for poll in polls:
        readings = poll.readings.get("f")
        if readings is not None:
            found += zip(readings.partition.tolist(), readings.offset.tolist(), strict=True)
        found += [(letter.partition, letter.offset) for letter in poll.dead]
        at = {partition: max(offset for p, offset in found if p == partition) for partition in {p for p, _ in found}}
        assert all(offset == at[partition] + 1 for (_, partition), offset in poll.positions.items() if partition in at)
    return found


def hang(_: BaseHTTPRequestHandler) -> None:
    time.sleep(120)


def polls_until(source: KafkaSource | KafkaRange, enough: Any, found: list[Poll]) -> list[Poll]:
    deadline = time.monotonic() + 60
    while not enough(found):
        assert time.monotonic() < deadline, found[-3:]
        found.append(source.poll(0.1))
    return found


def test_a_partition_waits_and_the_others_are_read_on(broker: str, registry: HttpRegistry) -> None:
    registry.answers[f"/schemas/ids/{OTHER}"] = hang
    given = settings(broker, registry.url, "one")
    send(broker, "one", 0, [KNOWN, ABSENT, KNOWN, OTHER, KNOWN, OTHER])
    send(broker, "one", 1, [KNOWN] * 3)
    source = KafkaSource(given.kafka, bootstrap.decoders(given, {"f": StreamIndex()}))
    polls = polls_until(source, lambda polls: len(seen(polls)) >= 6, [])
    send(broker, "one", 1, [KNOWN] * 40)
    send(broker, "one", 0, [KNOWN])
    polls_until(source, lambda polls: len(seen(polls)) >= 46, polls)
    source.hold(0.3)
    longest = 0.0
    for _ in range(10):
        began = time.monotonic()
        polls.append(source.poll(0.1))
        longest = max(longest, time.monotonic() - began)

    assert sorted(seen(polls)) == [(0, n) for n in range(3)] + [(1, n) for n in range(43)]
    assert not any(poll.at_end for poll in polls)
    assert not any(partition == 0 for poll in polls for _, partition in poll.caught_up)
    assert longest < 10

    source.close()
    again = settings(broker, registry.url, "one")
    registry.knows(OTHER, AVRO)
    source = KafkaSource(again.kafka, bootstrap.decoders(again, {"f": StreamIndex()}))
    whole = polls_until(source, lambda polls: bool(polls) and polls[-1].at_end, [])
    source.close()
    assert sorted(seen(whole)) == [(0, n) for n in range(7)] + [(1, n) for n in range(43)]
    assert [(letter.offset, letter.reason) for poll in whole for letter in poll.dead] == [(1, "unknown-schema")]


def test_records_go_on_in_order_when_the_registry_is_back(broker: str, registry: HttpRegistry) -> None:
    registry.answers[f"/schemas/ids/{OTHER}"] = 503, {"error_code": 50301, "message": "starting"}
    given = settings(broker, registry.url, "two")
    send(broker, "two", 0, [KNOWN, OTHER, KNOWN])
    source = KafkaSource(given.kafka, bootstrap.decoders(given, {"f": StreamIndex()}))
    polls = polls_until(source, lambda polls: len(seen(polls)) >= 1, [])
    for _ in range(5):
        polls.append(source.poll(0.1))
    assert seen(polls) == [(0, 0)]
    send(broker, "two", 0, [KNOWN, ABSENT])
    registry.knows(OTHER, AVRO)
    polls_until(source, lambda polls: polls[-1].at_end, polls)
    source.close()

    assert seen(polls) == [(0, n) for n in range(5)]


def test_a_range_waits_and_then_gives_up(broker: str, registry: HttpRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookups, "_PAUSES_S", (0.01, 0.01))
    given = settings(broker, registry.url, "three")
    send(broker, "three", 0, [KNOWN, OTHER, KNOWN])
    registry.answers[f"/schemas/ids/{OTHER}"] = 503, {"error_code": 50301, "message": "starting"}
    source = KafkaRange(given.kafka, bootstrap.decoders(given, {"f": StreamIndex()}))
    polls: list[Poll] = []
    with pytest.raises(SourceError, match="starting"):
        polls_until(source, lambda polls: bool(polls) and polls[-1].finished, polls)
    source.close()
    assert seen(polls) == [(0, 0)]

    source = KafkaRange(given.kafka, bootstrap.decoders(given, {"f": StreamIndex()}))
    polls = [source.poll(0.1), source.poll(0.1)]
    registry.knows(OTHER, AVRO)
    polls_until(source, lambda polls: polls[-1].finished, polls)
    source.close()
    assert seen(polls) == [(0, n) for n in range(3)]


def worker(config: Path, given: Settings, *options: str) -> subprocess.Popen[str]:
    registry = given.schema_registry
    config.write_text(
        f'models = "{config.parent}/models"\n[store]\nurl = "sqlite:///{config.parent}/w.db"\n'
        f'[kafka]\nbootstrap_servers = "{given.kafka.bootstrap_servers}"\ngroup = "g"\n'
        '[kafka.options]\n"max.poll.interval.ms" = 20000\n"session.timeout.ms" = 6000\n'
        f'[schema_registry]\nurl = "{registry.url}"\noptions = {{ "timeout" = 60 }}\n'
        f'[families.f]\ntopic = "{given.families["f"].topic}"\ninterval = "1s"\nchannels = ["a", "b"]\n'
        'window = { length = 4 }\nformat = { kind = "avro" }\n'
    )
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "monitor", "run", str(config), *options],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ | {"COLUMNS": "160"},
    )  # fmt: skip


def dead(config: Path) -> int:
    try:
        with create_engine(f"sqlite:///{config.parent}/w.db").connect() as db:
            return int(db.execute(text("select count(*) from dead_letters")).scalar_one())
    except Exception:  # not there yet
        return 0


def test_a_flood_of_unknown_schemas_ends_and_costs_no_partition(
    broker: str, registry: HttpRegistry, tmp_path: Path
) -> None:
    registry.delay = 0.05  # 20 a second, one by one
    send(broker, "flood", 0, [KNOWN, *range(ABSENT, ABSENT + 1_500), KNOWN])
    config = tmp_path / "w.toml"
    process = worker(config, settings(broker, registry.url, "flood"), "--until-end")
    said, _ = process.communicate(timeout=240)

    assert process.returncode == 6, said  # not all could be read
    assert "partitions_lost" not in said
    assert dead(config) == 1_500
    assert len(registry.asked) == 1_501


def test_sigterm_ends_a_worker_whose_registry_hangs(broker: str, registry: HttpRegistry, tmp_path: Path) -> None:
    registry.answers[f"/schemas/ids/{OTHER}"] = hang
    send(broker, "hangs", 0, [ABSENT, OTHER])
    send(broker, "hangs", 1, [ABSENT])
    config = tmp_path / "w.toml"
    process = worker(config, settings(broker, registry.url, "hangs"))
    deadline = time.monotonic() + 120
    while dead(config) < 2:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.2)
    time.sleep(21)  # longer than max.poll.interval.ms
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=60)

    assert process.returncode == 0, said
    assert time.monotonic() - began < 30
    assert "partitions_lost" not in said
    assert "schemas_awaited" in said
    assert dead(config) == 2


def test_a_run_that_is_to_end_does_not_wait_for_ever(broker: str, registry: HttpRegistry, tmp_path: Path) -> None:
    registry.answers[f"/schemas/ids/{OTHER}"] = 503, {"error_code": 50301, "message": "starting"}
    send(broker, "ends", 0, [OTHER])
    process = worker(tmp_path / "w.toml", settings(broker, registry.url, "ends"), "--until-end")
    said, _ = process.communicate(timeout=120)

    assert process.returncode == 3, said
    assert "HTTP status 503: starting" in said
    assert said.count("schema_registry_away") == 1


@pytest.mark.parametrize("held", [False, True])
def test_a_partition_that_comes_back_is_read_on_though_it_left_while_it_was_paused(
    broker: str, registry: HttpRegistry, *, held: bool
) -> None:
    """The client keeps a pause when a partition leaves and comes back: for a schema, or as reading was held."""
    registry.answers[f"/schemas/ids/{OTHER}"] = 503, {"error_code": 50301, "message": "starting"}
    given = settings(broker, registry.url, "back")
    send(broker, "back", 0, [KNOWN, KNOWN if held else OTHER, KNOWN])
    source = KafkaSource(given.kafka, bootstrap.decoders(given, {"f": StreamIndex()}))
    polls_until(source, lambda polls: len(seen(polls)) >= (3 if held else 1), [])
    paused = [TopicPartition("back", 0)]
    if held:
        source._consumer.pause(paused)
    else:
        assert source._waiting.partitions == {("back", 0)}
    source._on_revoke(None, paused)
    source._on_assign(None, paused)
    registry.knows(OTHER, AVRO)
    polls = polls_until(source, lambda polls: len(seen(polls)) >= 3, [])
    source.close()
    assert seen(polls) == [(0, n) for n in range(3)]
