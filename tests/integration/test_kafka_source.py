"""The Kafka source against a real broker: groups, restarts, lost records, and a broker that is killed."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise

import pytest
import structlog
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not in its __all__
    AdminClient,
    ConfigResource,
)

from monitor.config import families, services
from monitor.errors import SourceError
from monitor.records import batches
from monitor.records.batches import Poll
from monitor.records.streams import StreamIndex
from monitor.sources import kafka_reader
from monitor.sources.formats.json_batch import JsonBatchDecoder
from monitor.sources.formats.json_messages import JsonDecoder
from monitor.sources.kafka import KafkaSource
from monitor.sources.kafka_client import ensure_topic
from monitor.sources.kafka_reader import BATCH
from monitor.sources.kafka_records import Decoders, Message
from tests.integration.broker import KafkaBroker

pytestmark = pytest.mark.kafka
FAMILY = families.Family.model_validate(
    {"topic": "t", "interval": "1s", "recipe": "plain", "window": {"length": 4}, "format": {"time_unit": "s"}}
)


class Ledger:
    """What one worker read, and the offsets that all workers share, as SQL would."""

    def __init__(self, offsets: dict[batches.TopicPartition, int]) -> None:
        self.offsets = offsets
        self.read: list[tuple[int, int]] = []  # (partition, offset)
        self.owned: set[batches.TopicPartition] = set()
        self.events: list[str] = []

    def assigned(self, partitions: Sequence[batches.TopicPartition]) -> Mapping[batches.TopicPartition, int]:
        self.events.append("assigned")
        self.owned.update(partitions)
        return {p: self.offsets[p] for p in partitions if p in self.offsets}

    def revoked(self, partitions: Sequence[batches.TopicPartition]) -> None:
        self.events.append("revoked")
        self.owned.difference_update(partitions)

    def lost(self, partitions: Sequence[batches.TopicPartition]) -> None:
        self.events.append("lost")
        self.owned.difference_update(partitions)

    def take(self, poll: Poll) -> None:
        """Process and commit a poll."""
        self.read += seen([poll])
        assert poll.positions.keys() <= self.owned
        self.offsets |= poll.positions


def seen(polls: Sequence[Poll]) -> list[tuple[int, int]]:
    batches = [poll.readings["f"] for poll in polls if "f" in poll.readings]
    return [pair for b in batches for pair in zip(b.partition.tolist(), b.offset.tolist(), strict=True)]


def decoders(topic: str) -> Decoders:
    return {topic: ("f", JsonDecoder(FAMILY, StreamIndex()))}


def produce(kafka: KafkaBroker, topic: str, count: int, partitions: int = 1, first: int = 0) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "enable.idempotence": True, "linger.ms": 5})
    for number in range(first, first + count):
        body = b'{"time":%d,"value":%d}' % (number, number)
        producer.produce(topic, body, b"m-%d" % (number % 7), number % partitions, timestamp=10_000 + number)
        producer.poll(0)
    assert producer.flush(60) == 0


def delete_before(kafka: KafkaBroker, topic: str, offset: int) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    admin.delete_records([TopicPartition(topic, 0, offset)])[TopicPartition(topic, 0)].result(20)


def expect(partitions: int, each: int) -> list[tuple[int, int]]:
    return [(partition, offset) for partition in range(partitions) for offset in range(each)]


def drain(source: KafkaSource, ledger: Ledger, count: int, timeout: float = 60) -> None:
    """Poll until the worker has read `count` batches."""
    deadline = time.monotonic() + timeout
    while len(ledger.read) < count:
        assert time.monotonic() < deadline, (len(ledger.read), ledger.events)
        ledger.take(source.poll(0.2))


def test_everything_that_was_produced_arrives(kafka: KafkaBroker) -> None:
    topic = kafka.topic(3)
    produce(kafka, topic, 30_000, 3)
    ledger = Ledger({})
    source = KafkaSource(kafka.settings(), decoders(topic), ledger)

    drain(source, ledger, 30_000)
    while not (poll := source.poll(0.2)).at_end:
        ledger.take(poll)
    source.close()

    assert sorted(ledger.read) == expect(3, 10_000)
    assert ledger.offsets == {(topic, partition): 10_000 for partition in range(3)}


def test_messages_of_many_readings_come_in_smaller_polls(kafka: KafkaBroker) -> None:
    """Once it is known how many readings they hold: at the start a poll may bring more."""
    topic, each = kafka.topic(), 1000
    family = families.Family.model_validate(
        {"topic": topic, "interval": "1s", "recipe": "plain", "window": {"length": 4}, "format": {"kind": "json-batch"}}
    )
    source = KafkaSource(kafka.settings(), {topic: ("f", JsonBatchDecoder(family, StreamIndex()))})
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    counts: list[int] = []
    for messages in (10, 490):
        body = b'{"start":1700000000,"interval":1,"values":[%s]}' % b",".join([b"1"] * each)
        for _ in range(messages):
            producer.produce(topic, body, b"m")
        assert producer.flush(60) == 0
        deadline = time.monotonic() + 60
        while sum(counts) < (messages if messages == 10 else 500):
            assert time.monotonic() < deadline
            if brought := source.poll(0.2).records:
                counts.append(brought)
    source.close()

    assert max(counts) <= BATCH // each


@pytest.mark.parametrize("back", [False, True])
def test_a_partition_is_taken_away_between_two_pieces(
    kafka: KafkaBroker, monkeypatch: pytest.MonkeyPatch, back: bool
) -> None:
    """What the same poll has decoded of it is dropped; given back, it is read again from what is stored."""
    monkeypatch.setattr(kafka_reader, "PIECE", 100)
    topic = kafka.topic(2)
    produce(kafka, topic, 4000, 2)
    ledger = Ledger({})
    source = KafkaSource(kafka.settings(), decoders(topic), ledger)
    read, taken = source._reader.read, list[TopicPartition]()
    pieces: list[list[Message]] = []

    def rebalance(timeout: float, most: int, size: int) -> tuple[list[Message], kafka_reader.Reached]:
        full = len(pieces)
        if full == 4 and not taken:
            taken.append(TopicPartition(topic, pieces[0][0].partition()))
            source._on_revoke(None, taken)
        elif full == 6 and ledger.events == ["assigned", "revoked"] and back:
            source._on_assign(None, taken)
        found = read(timeout, most, size)
        pieces.extend([found[0]] * (len(found[0]) == most))
        return found

    monkeypatch.setattr(source._reader, "read", rebalance)
    while len(set(ledger.read)) < (4000 if back else 2000):
        ledger.take(source.poll(0.2))
    source.close()

    read_of = {number: [offset for at, offset in ledger.read if at == number] for number in (0, 1)}
    assert ledger.events == ["assigned", "revoked", "assigned"][: 2 + back]
    assert read_of[1 - taken[0].partition] == list(range(2000))
    assert read_of[taken[0].partition] == list(range(2000 if back else 0))


def test_a_restart_goes_on_where_the_listener_says(kafka: KafkaBroker) -> None:
    topic, group = kafka.topic(), kafka.settings()
    produce(kafka, topic, 1000)
    first = Ledger({})
    source = KafkaSource(group, decoders(topic), first)
    drain(source, first, 1000)
    source.commit({(topic, 0): 1000})
    source.close()
    produce(kafka, topic, 500, first=1000)

    second = Ledger({(topic, 0): 700})  # SQL is behind the group's own offset, and right
    source = KafkaSource(group, decoders(topic), second)
    drain(source, second, 800)
    source.close()

    assert second.read == [(0, offset) for offset in range(700, 1500)]


def test_two_workers_share_partitions_without_gap_or_repeat(kafka: KafkaBroker) -> None:
    topic, group = kafka.topic(6), kafka.settings()
    offsets: dict[batches.TopicPartition, int] = {}
    one, two = Ledger(offsets), Ledger(offsets)
    produce(kafka, topic, 6000, 6)
    first = KafkaSource(group, decoders(topic), one)
    drain(first, one, 6000)
    second = KafkaSource(group, decoders(topic), two)

    produced, deadline = 6000, time.monotonic() + 60
    while len(one.owned) != 3 or len(two.owned) != 3:
        assert time.monotonic() < deadline, (one.events, two.events)
        produce(kafka, topic, 60, 6, first=produced)
        produced += 60
        one.take(first.poll(0.05))
        two.take(second.poll(0.05))
    produce(kafka, topic, 600, 6, first=produced)
    produced += 600
    while len(one.read) + len(two.read) < produced:
        assert time.monotonic() < deadline
        one.take(first.poll(0.05))
        two.take(second.poll(0.05))
    first.close()
    produce(kafka, topic, 600, 6, first=produced)
    drain(second, two, produced + 600 - len(one.read))
    second.close()

    assert "revoked" in one.events
    assert len(two.owned) == 6
    assert max(Counter(one.read + two.read).values()) == 1
    assert sorted(one.read + two.read) == expect(6, (produced + 600) // 6)
    for ledger in (one, two):
        order: defaultdict[int, list[int]] = defaultdict(list)
        for partition, offset in ledger.read:
            order[partition].append(offset)
        assert all(a + 1 == b for offsets in order.values() for a, b in pairwise(offsets))


def test_records_deleted_before_they_were_read_are_counted(kafka: KafkaBroker) -> None:
    topic = kafka.topic()
    produce(kafka, topic, 100)
    delete_before(kafka, topic, 60)
    words = rf"topic {topic}, partition 0: 45 records were lost: offsets 15 to 59 were deleted by the broker"

    source = KafkaSource(kafka.settings(), decoders(topic), Ledger({(topic, 0): 15}))
    with pytest.raises(SourceError, match=words):
        drain(source, Ledger({}), 1)
    source.close()

    fresh = Ledger({})
    source = KafkaSource(kafka.settings(), decoders(topic), fresh)
    drain(source, fresh, 40)
    source.close()
    assert fresh.read == [(0, offset) for offset in range(60, 100)]


def test_the_broker_of_these_tests_keeps_records_whatever_their_timestamps_say(kafka: KafkaBroker) -> None:
    """Those of `produce` are from 1970: half a minute after its start a broker would delete them beside a test."""
    topic = ConfigResource(ConfigResource.Type.TOPIC, kafka.topic())
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})

    found = admin.describe_configs([topic])[topic].result(20)

    assert found["retention.ms"].value == "-1"


class Overtaken(KafkaSource):
    """Records are written and deleted again while it holds: its hold does not end before that is done."""

    overtake: Callable[[], None] | None = None

    def _arrivals(self, timeout: float) -> Iterator[list[Message]]:
        yield from super()._arrivals(min(timeout, 2))  # until fetches that were under way are over
        if self._holding and self.overtake is not None:
            self.overtake()
            self.overtake = None


def test_records_deleted_under_a_reader_that_holds(kafka: KafkaBroker) -> None:
    topic = kafka.topic()
    produce(kafka, topic, 10)
    ledger = Ledger({})
    source = Overtaken(kafka.settings(**{"fetch.wait.max.ms": 100}), decoders(topic), ledger)
    drain(source, ledger, 10)

    def overtake() -> None:
        produce(kafka, topic, 50, first=10)
        delete_before(kafka, topic, 30)
        overtaken.append(True)

    overtaken: list[bool] = []
    source.overtake = overtake
    source.hold(3)
    assert overtaken
    with pytest.raises(SourceError, match=r"20 records were lost: offsets 10 to 29 "):
        drain(source, ledger, 60)
    source.close()
    assert ledger.read == expect(1, 10)


def test_the_broker_is_killed_and_comes_back(kafka: KafkaBroker) -> None:
    topic = kafka.topic(2)
    produce(kafka, topic, 2000, 2)
    ledger = Ledger({})
    source = KafkaSource(kafka.settings(), decoders(topic), ledger)
    drain(source, ledger, 2000)

    with structlog.testing.capture_logs() as logs:
        kafka.kill()
        down = time.monotonic() + 3
        while time.monotonic() < down:
            ledger.take(source.poll(0.2))
    kafka.restart()
    produce(kafka, topic, 2000, 2, first=2000)
    drain(source, ledger, 4000)
    source.close()

    assert sorted(ledger.read) == expect(2, 2000)
    assert {line["event"] for line in logs} == {"kafka_trouble"}
    assert len(logs) <= 4


def test_holding_keeps_the_place_in_the_group(kafka: KafkaBroker) -> None:
    topic = kafka.topic(2)
    produce(kafka, topic, 100, 2)
    ledger = Ledger({})
    source = KafkaSource(kafka.settings(**{"max.poll.interval.ms": 6000}), decoders(topic), ledger)
    drain(source, ledger, 100)

    produce(kafka, topic, 1000, 2, first=100)
    source.hold(9)
    drain(source, ledger, 1100)
    source.close()

    assert ledger.events == ["assigned"]
    assert sorted(ledger.read) == expect(2, 550)


def test_a_worker_that_did_not_poll_in_time_has_lost_its_partitions(kafka: KafkaBroker) -> None:
    topic = kafka.topic()
    produce(kafka, topic, 10)
    ledger = Ledger({})
    source = KafkaSource(kafka.settings(**{"max.poll.interval.ms": 3000}), decoders(topic), ledger)
    drain(source, ledger, 10)

    time.sleep(5)
    produce(kafka, topic, 10, first=10)
    drain(source, ledger, 20)
    source.close()

    assert ledger.events == ["assigned", "lost", "assigned"]
    assert ledger.read == [(0, offset) for offset in range(20)]


def test_a_topic_that_is_created_later(kafka: KafkaBroker) -> None:
    topic = f"{kafka.topic()}-later"
    ledger = Ledger({})
    source = KafkaSource(kafka.settings(), decoders(topic), ledger)
    with structlog.testing.capture_logs() as logs:
        for _ in range(15):
            assert source.poll(0.1) == Poll({})
    ensure_topic(services.Kafka(bootstrap_servers=kafka.bootstrap_servers), topic, 1)
    produce(kafka, topic, 10)
    drain(source, ledger, 10)
    source.close()

    assert [(line["event"], line["topic"]) for line in logs] == [("kafka_topic_missing", topic)]


def test_partitions_that_are_added(kafka: KafkaBroker) -> None:
    topic = kafka.topic()
    produce(kafka, topic, 10)
    assert ensure_topic(services.Kafka(bootstrap_servers=kafka.bootstrap_servers), topic, 9) == 1  # it was there
    ledger = Ledger({})
    source = KafkaSource(kafka.settings(), decoders(topic), ledger)
    drain(source, ledger, 10)

    kafka.add_partitions(topic, 3)
    produce(kafka, topic, 20, 3, first=10)
    drain(source, ledger, 30)
    source.close()

    assert ledger.owned == {(topic, partition) for partition in range(3)}
