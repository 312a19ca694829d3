"""Messages whose decoder needs more time: their partitions are paused, and the others are read on."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence

from confluent_kafka import Consumer, TopicPartition

from monitor.records import batches
from monitor.sources.kafka_records import Decoded, Message
from monitor.sources.unfinished import RETRY_S


class Waiting:
    """Keeps messages in order, and pauses their partitions so that no more of these are fetched."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._messages: list[Message] = []
        self._retry = 0.0  # monotonic seconds
        self.partitions: set[batches.TopicPartition] = set()

    def at_most(self, timeout: float) -> float:
        """Seconds that a poll may wait for other messages."""
        return min(timeout, max(0.0, self._retry - time.monotonic())) if self._messages else timeout

    def before(self, messages: Sequence[Message]) -> list[Message]:
        """What is to be decoded now, of these messages and those that wait."""
        if not self._messages:
            return list(messages)
        if time.monotonic() >= self._retry:
            found, self._messages = [*self._messages, *messages], []
            return found
        self._messages += [message for message in messages if _of(message) in self.partitions]  # fetched before a pause
        return [message for message in messages if _of(message) not in self.partitions]

    def keep(self, found: Decoded) -> None:
        """What was decoded: keep what waits, and read on where nothing does any more."""
        if found.waiting:
            self._messages += found.waiting
            self._retry = time.monotonic() + (0.0 if found.positions else RETRY_S)
        elif not self._messages and not self.partitions:
            return
        partitions = set(map(_of, self._messages))
        if fresh := partitions - self.partitions:
            self._consumer.pause([TopicPartition(*p) for p in fresh])
        if freed := self.partitions - partitions:
            self._consumer.resume([TopicPartition(*p) for p in freed])
        self.partitions = partitions

    def drop(self, partitions: Collection[batches.TopicPartition]) -> None:
        """Forget what another worker reads now."""
        self._messages = [message for message in self._messages if _of(message) not in partitions]
        self.partitions.difference_update(partitions)


def _of(message: Message) -> batches.TopicPartition:
    return message.topic(), message.partition()
