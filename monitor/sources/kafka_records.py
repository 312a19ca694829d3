"""From messages of confluent-kafka to columnar batches."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import itemgetter
from typing import Any, Protocol

import numpy as np
from confluent_kafka import KafkaError, TopicPartition
from confluent_kafka import Message as KafkaMessage

from monitor.records import batches
from monitor.sources import unfinished
from monitor.sources.decode import Decoder, Records
from monitor.sources.unfinished import UnfinishedError

Decoders = Mapping[str, tuple[str, Decoder]]  # topic -> (family, how its messages are read)


class Message(Protocol):
    """A message of confluent-kafka as it arrives from a consumer: topic, partition and offset are always there."""

    def topic(self) -> str: ...  # noqa: D102
    def partition(self) -> int: ...  # noqa: D102
    def offset(self) -> int: ...  # noqa: D102
    def key(self) -> bytes | None: ...  # noqa: D102
    def value(self) -> bytes | None: ...  # noqa: D102
    def timestamp(self) -> tuple[int, int]: ...  # noqa: D102
    def error(self) -> KafkaError | None: ...  # noqa: D102


@dataclass(slots=True)
class Decoded:
    """Readings by family, dead letters, and of each partition the messages that were read and the next offset.

    `waiting` are messages that could not be read in time, in their order; `unfinished` says why.
    """

    readings: dict[str, batches.Readings] = field(default_factory=dict)
    dead: list[batches.DeadLetter] = field(default_factory=list)
    positions: dict[batches.TopicPartition, int] = field(default_factory=dict)
    counts: dict[batches.TopicPartition, int] = field(default_factory=dict)
    waiting: list[Message] = field(default_factory=list)
    unfinished: list[UnfinishedError] = field(default_factory=list)

    @property
    def records(self) -> int:
        """Messages that were read."""
        return sum(self.counts.values())

    def drop(self, partitions: Collection[batches.TopicPartition], decoders: Decoders) -> None:
        """Forget what was read from these partitions: another worker reads it. What waits is not looked at."""
        gone = set(partitions) & set(self.counts)
        self.dead = [letter for letter in self.dead if (letter.topic, letter.partition) not in gone]
        for topic in {topic for topic, _ in gone}:
            family, _ = decoders[topic]
            if (readings := self.readings.pop(family, None)) is not None:
                numbers = [number for of, number in gone if of == topic]
                kept = readings.take(~np.isin(readings.partition, numbers))
                self.readings |= {family: kept} if len(kept) else {}
        for partition in gone:
            del self.counts[partition], self.positions[partition]

    def give_up(self) -> None:
        """Raise SourceError where something waits for what could not be had in some tries."""
        for rest in self.unfinished:
            rest.give_up()


def joined(parts: Sequence[Decoded]) -> Decoded:
    """What was decoded piece by piece, one behind the other."""
    if len(parts) == 1:
        return parts[0]
    result = Decoded()
    for family in dict.fromkeys(family for part in parts for family in part.readings):
        found: list[unfinished.Found] = [(part.readings[family], []) for part in parts if family in part.readings]
        result.readings[family], _ = unfinished.joined(found)
    for part in parts:
        result.dead += part.dead
        result.positions |= part.positions
        for partition, count in part.counts.items():
            result.counts[partition] = result.counts.get(partition, 0) + count
        result.waiting += part.waiting
        result.unfinished += part.unfinished
    return result


def decode(messages: Sequence[Message], decoders: Decoders) -> Decoded:
    """What becomes of these messages. Raises SourceError."""
    result = Decoded()
    for topic, chosen in _by_topic(messages, decoders):
        family, decoder = decoders[topic]
        batch = _columns(topic, chosen)
        try:
            found, bad = decoder.decode(batch)
        except UnfinishedError as rest:
            found, bad = rest.readings, rest.dead
            result.waiting += [chosen[row] for row in rest.rows]
            result.unfinished.append(rest)
            batch = batch.take(np.setdiff1d(np.arange(len(batch)), rest.rows).tolist())
        if len(found):
            result.readings[family] = found
        result.dead += bad
        counts = np.bincount(batch.partition)
        for number in np.flatnonzero(counts).tolist():
            result.counts[topic, number] = int(counts[number])
            result.positions[topic, number] = int(batch.offset[batch.partition == number][-1]) + 1
    return result


def _by_topic(messages: Sequence[Message], decoders: Decoders) -> Iterator[tuple[str, Sequence[Message]]]:
    if len(decoders) == 1:
        yield from ((topic, messages) for topic in decoders if messages)
        return
    topics = [message.topic() for message in messages]
    for topic in dict.fromkeys(topics):
        yield topic, [message for message, of in zip(messages, topics, strict=True) if of == topic]


def _columns(topic: str, messages: Sequence[Any]) -> Records:
    """No Python code runs per message here: `map` calls straight into confluent-kafka."""
    count = len(messages)
    return Records(
        topic=topic,
        keys=list(map(KafkaMessage.key, messages)),
        values=list(map(KafkaMessage.value, messages)),
        partition=np.fromiter(map(KafkaMessage.partition, messages), np.int32, count),
        offset=np.fromiter(map(KafkaMessage.offset, messages), np.int64, count),
        stamps=partial(_stamps, messages),
    )


def _stamps(messages: Sequence[Any]) -> batches.Int64:
    """Kafka's timestamps in ms; -1 where a message has none, as librdkafka says."""
    return np.fromiter(map(itemgetter(1), map(KafkaMessage.timestamp, messages)), np.int64, len(messages))


def partitions_of(pairs: Iterable[batches.TopicPartition]) -> list[TopicPartition]:
    """As confluent-kafka names them."""
    return [TopicPartition(*pair) for pair in pairs]


def pairs_of(partitions: Sequence[TopicPartition]) -> list[batches.TopicPartition]:
    """The other way round, without offsets."""
    return [(partition.topic, partition.partition) for partition in partitions]
