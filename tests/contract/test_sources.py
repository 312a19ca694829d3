"""Every source of streams meets the same promises, the in-memory twin included."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

import pytest
from confluent_kafka import Producer

from monitor.config.families import Family
from monitor.config.services import Kafka
from monitor.errors import SourceError, StoreError
from monitor.ports.source import Assignments, Rewindable, Source
from monitor.records.batches import DeadLetter, Poll, TopicPartition
from monitor.records.streams import StreamIndex
from monitor.sources.embedded import PARTITIONS, EmbeddedBroker
from monitor.sources.formats.json_messages import JsonDecoder
from monitor.sources.kafka import KafkaSource
from monitor.sources.memory import ListSource

FAMILY = Family.model_validate(
    {"topic": "t", "interval": "1s", "recipe": "plain", "window": {"length": 4}, "format": {"time_unit": "s"}}
)
_NUMBERS = count(1)


@dataclass
class Listener:
    """Gives the offsets of `starts` and writes down what it is told."""

    starts: Mapping[TopicPartition, int] = field(default_factory=dict)
    told: list[tuple[str, tuple[TopicPartition, ...]]] = field(default_factory=list)

    def assigned(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        self.told.append(("assigned", tuple(partitions)))
        return {p: start for p, start in self.starts.items() if p in partitions}

    def revoked(self, partitions: Sequence[TopicPartition]) -> None:
        self.told.append(("revoked", tuple(partitions)))

    def lost(self, partitions: Sequence[TopicPartition]) -> None:
        self.told.append(("lost", tuple(partitions)))


@dataclass
class Rig:
    """A topic with `PARTITIONS` partitions, how to write to it, and how to read it."""

    topic: str
    index: StreamIndex
    write: Callable[[int, bytes, bytes], None]
    open: Callable[[Assignments | None], Source]


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        yield running


def kafka_settings(broker: EmbeddedBroker) -> Kafka:
    options: dict[str, str | int | float | bool] = {"session.timeout.ms": 6000, "heartbeat.interval.ms": 200}
    return Kafka(bootstrap_servers=broker.bootstrap_servers, group=f"group-{next(_NUMBERS)}", options=options)


@pytest.fixture(params=["list", "kafka"])
def rig(request: pytest.FixtureRequest, broker: EmbeddedBroker) -> Iterator[Rig]:
    topic, index, opened = f"topic-{next(_NUMBERS)}", StreamIndex(), list[Source]()
    decoders = {topic: ("temperature", JsonDecoder(FAMILY, index))}
    if request.param == "list":
        logs: dict[TopicPartition, list[tuple[bytes | None, bytes | None]]] = {
            (topic, partition): [] for partition in range(PARTITIONS)
        }

        def make(listener: Assignments | None) -> Source:
            return ListSource(logs, decoders, listener, batch=7)

        rig = Rig(topic, index, lambda partition, key, body: logs[topic, partition].append((key, body)), make)
    else:
        broker.create_topic(topic)
        producer = Producer({"bootstrap.servers": broker.bootstrap_servers})
        settings = kafka_settings(broker)

        def write(partition: int, key: bytes, body: bytes) -> None:
            producer.produce(topic, body, key, partition)
            producer.flush(10)

        rig = Rig(topic, index, write, lambda listener: KafkaSource(settings, decoders, listener))
    inner = rig.open
    rig.open = lambda listener: opened.append(inner(listener)) or opened[-1]  # type: ignore[func-returns-value]
    yield rig
    for source in opened:
        source.close()


def drain(source: Source, until: Callable[[list[Poll]], bool] | None = None, timeout: float = 20) -> list[Poll]:
    """Poll until the source is at its end."""
    polls: list[Poll] = []
    deadline = time.monotonic() + timeout
    while not (polls and (until(polls) if until is not None else polls[-1].at_end)):
        assert time.monotonic() < deadline, polls[-3:]
        polls.append(source.poll(0.2))
    return polls


def test_ends_are_proven_and_only_once_everything_is_read(rig: Rig) -> None:
    source = rig.open(None)
    drain(source)
    for i in range(20):
        rig.write(i % 2, b"m", b'{"time":%d,"value":1}' % i)
    began = time.time_ns()

    def proven(polls: list[Poll]) -> bool:
        since = {p for poll in polls for p, at in poll.caught_up.items() if at >= began}
        read = {partition for partition, _ in seen(polls)}
        assert read >= {partition for _, partition in since} & {0, 1}
        return since == {(rig.topic, partition) for partition in range(PARTITIONS)}

    polls = drain(source, proven)
    assert len(seen(polls)) == 20
    again = drain(source, lambda polls: any(poll.caught_up for poll in polls))
    assert all(at <= time.time_ns() for poll in again for at in poll.caught_up.values())


def seen(polls: Sequence[Poll]) -> list[tuple[int, int]]:
    """(partition, offset) of every reading in order of arrival."""
    batches = [poll.readings["temperature"] for poll in polls if "temperature" in poll.readings]
    return [pair for b in batches for pair in zip(b.partition.tolist(), b.offset.tolist(), strict=True)]


def body(number: int) -> bytes:
    return b'{"time":%d,"value":%d}' % (number, number)


def test_everything_comes_once_and_in_order_within_its_partition(rig: Rig) -> None:
    for number in range(40):
        rig.write(number % 3, b"m-%d" % (number % 5), body(number))

    polls = drain(rig.open(None))

    assert sorted(seen(polls)) == [
        (partition, offset) for partition in range(3) for offset in range(14 - (partition > 0))
    ]
    for partition in range(3):
        offsets = [offset for p, offset in seen(polls) if p == partition]
        assert offsets == sorted(offsets)
    assert sum(poll.records for poll in polls) == 40
    for poll in polls:
        last = dict(seen([poll]))
        assert {partition: poll.positions[rig.topic, partition] - 1 for partition in last} == last
    assert sorted(rig.index.codes) == [f"m-{number}" for number in range(5)]


def test_what_cannot_be_read_is_dead_and_the_offset_moves_on(rig: Rig) -> None:
    for text in (body(1), b"{", body(2), b""):
        rig.write(0, b"m", text)

    polls = drain(rig.open(None))

    dead: list[DeadLetter] = [letter for poll in polls for letter in poll.dead]
    assert [(letter.topic, letter.offset, letter.reason, letter.body) for letter in dead] == [
        (rig.topic, 1, "json", b"{"),
        (rig.topic, 3, "empty", b""),
    ]
    assert seen(polls) == [(0, 0), (0, 2)]
    assert max(poll.positions.get((rig.topic, 0), 0) for poll in polls) == 4
    assert sum(poll.records for poll in polls) == 4


def test_the_listener_says_where_to_start(rig: Rig) -> None:
    for number in range(12):
        rig.write(number % 2, b"m", body(number))
    listener = Listener({(rig.topic, 0): 4, (rig.topic, 1): 6})

    polls = drain(rig.open(listener))

    assert seen(polls) == [(0, 4), (0, 5)]
    assert {p for event, partitions in listener.told for p in partitions if event == "assigned"} == {
        (rig.topic, partition) for partition in range(PARTITIONS)
    }


def test_a_rewind_reads_again_from_where_the_listener_says_in_the_same_group(rig: Rig) -> None:
    for number in range(12):
        rig.write(number % 2, b"m", body(number))
    listener = Listener({(rig.topic, 0): 1})
    source = rig.open(listener)
    assert isinstance(source, Rewindable)
    drain(source)
    listener.starts = {(rig.topic, 0): 4, (rig.topic, 1): 6}
    source.rewind()
    rig.write(1, b"m", body(12))
    again = drain(source, lambda polls: len(seen(polls)) >= 3)
    assert sorted(seen(again)) == [(0, 4), (0, 5), (1, 6)]
    assert {event for event, _ in listener.told} == {"assigned"}


def test_an_offset_beyond_the_end_is_an_error(rig: Rig) -> None:
    rig.write(2, b"m", body(1))
    source = rig.open(Listener({(rig.topic, 2): 5}))

    with pytest.raises(SourceError, match=rf"topic {rig.topic}, partition 2: .*ends at 1"):
        drain(source)


def test_an_error_of_the_listener_comes_out_of_poll(rig: Rig) -> None:
    class Broken(Listener):
        def assigned(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
            raise StoreError("no database")

    with pytest.raises(StoreError, match="no database"):
        drain(rig.open(Broken()))


def test_holding_committing_and_going_on_after_the_end(rig: Rig) -> None:
    for number in range(20):
        rig.write(0, b"m", body(number))
    source = rig.open(None)
    source.commit({(rig.topic, 0): 1})
    source.hold(0.5)
    polls = drain(source)

    source.commit({(rig.topic, 0): 20, ("elsewhere", 9): 1})
    source.commit({})
    source.hold(0.1)
    for number in range(20):
        rig.write(0, b"m", body(number))
        source.hold(0.01)
        polls.append(source.poll(0.01))
    polls += drain(source)

    assert seen(polls) == [(0, offset) for offset in range(40)]
    assert not polls[-1].finished
    source.close()
    source.close()
    source.commit({(rig.topic, 0): 1})
