"""Records that cannot be read from Kafka: those that the client refuses to deliver, and the sentences about them.

The client checks and unpacks whole batches of records. One that it refuses, as its checksum is wrong or as it unpacks
to more than `receive.message.max.bytes`, is fetched twice a second without end, and what comes behind it waits.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaError, TopicPartition

from monitor.records import batches
from monitor.sources.kafka_records import Message

_END = KafkaError._PARTITION_EOF  # noqa: SLF001
TRIES = 10  # of the same records, until they are taken to be refused for good
_APART_S = 600.0  # seconds between two failures after which the tries are counted from the start
_SEARCH_S = 10.0  # for the end of a batch
_OF_RECORDS = {  # every other error is the cluster's, which may get over it, and says nothing about a record
    KafkaError._BAD_MSG, KafkaError._BAD_COMPRESSION, KafkaError._NOT_IMPLEMENTED,  # noqa: SLF001
    KafkaError.INVALID_MSG, KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.UNSUPPORTED_COMPRESSION_TYPE,
}  # fmt: skip


class Failures:
    """Counts how often in a row the client has failed at the same offset of a partition."""

    def __init__(self) -> None:
        self._known: dict[batches.TopicPartition, tuple[int, int, float]] = {}  # offset, tries, when the last one was

    def at_record(self, message: Message, error: KafkaError) -> bool:
        """Note an error about a partition; true when the records at its offset are refused for good."""
        offset: int | None = message.offset()  # none where the error is not about a partition
        if not message.topic() or offset is None or offset < 0 or error.code() not in _OF_RECORDS:
            return False
        return self.note((message.topic(), message.partition()), offset)

    def note(self, partition: batches.TopicPartition, offset: int) -> bool:
        """Note a failure; true when it is one too many."""
        now = time.monotonic()
        at, tries, when = self._known.get(partition, (offset, 0, now))
        tries = tries + 1 if at == offset and now - when < _APART_S else 1
        self._known[partition] = offset, tries, now
        return tries >= TRIES

    def forget(self, partitions: Iterable[batches.TopicPartition]) -> None:
        """Records of these partitions were delivered, or left out."""
        for partition in partitions:
            self._known.pop(partition, None)

    def delivered(self, messages: Iterable[Message]) -> None:
        """The same for the partitions of messages; costs nothing while there are no failures."""
        if self._known:
            self.forget({(message.topic(), message.partition()) for message in messages})


class RefusedBatch:
    """The batch of records of a partition that begins at offset `base`, which the client refuses.

    `options` are those of a consumer: another one looks where the batch ends, so that none of the records behind it is
    left out. The client names the first offset of the batch in its error, wherever in the batch it was sent to.
    """

    def __init__(self, options: Mapping[str, Any], partition: batches.TopicPartition, base: int) -> None:
        self._partition, self._base = partition, base
        self._consumer = Consumer(dict(options) | {"fetch.error.backoff.ms": 0})
        self._deadline = time.monotonic() + _SEARCH_S

    def end(self, start: int, high: int) -> int:
        """The first offset behind the batch; `start` lies in it, and the partition ends at `high`.

        Where the search takes too long it is the first offset of which that is not known: the batch may go on.
        """
        inside, outside, step = start, high, 1
        try:
            while inside + step < outside:
                if self._reaches(inside + step):
                    inside, step = inside + step, 2 * step
                else:
                    outside = inside + step
            while outside - inside > 1:
                middle = (inside + outside) // 2
                inside, outside = (middle, outside) if self._reaches(middle) else (inside, middle)
        except TimeoutError:
            return inside + 1
        finally:
            self._consumer.close()
        return outside

    def _reaches(self, offset: int) -> bool:
        """Whether the batch holds this offset. Raises TimeoutError."""
        self._consumer.assign([TopicPartition(*self._partition, offset)])
        while (left := self._deadline - time.monotonic()) > 0:
            message = self._consumer.poll(left)
            error = None if message is None else message.error()
            if message is None or (error is not None and error.code() not in (*_OF_RECORDS, _END)):
                continue
            return error is not None and error.code() != _END and message.offset() == self._base
        raise TimeoutError


def place(partition: batches.TopicPartition) -> str:
    """A partition, for a person."""
    return f"topic {partition[0]}, partition {partition[1]}"


def lost_reason(offset: int, low: int, high: int) -> str:
    """The sentence for a person about records from `offset` on that are not in [low, high), what the broker has."""
    if offset < low:
        return (
            f"{low - offset} records were lost: offsets {offset} to {low - 1} were deleted by the broker "
            "before they were read; let it keep more (retention.ms, retention.bytes), or read faster"
        )
    return (
        f"the next offset to read is {offset}, but the topic ends at {high}: records were lost by the "
        "broker, or the topic was deleted and recreated"
    )


def refused_reason(start: int, end: int, error: str) -> str:
    """The sentence for a person about the records [start, end), which cannot be read."""
    one = end == start + 1
    what = f"the record at offset {start}" if one else f"{end - start} records, offsets {start} to {end - 1},"
    return (
        f"{what} cannot be read: the Kafka client refused {'it' if one else 'them'} {TRIES} times: {error} "
        f'(kafka.options."receive.message.max.bytes" is the most that a batch may unpack to)'
    )
