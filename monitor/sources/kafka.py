"""Kafka as a source: a member of a consumer group whose offsets live in SQL."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, KafkaException, TopicPartition

from monitor.config import services
from monitor.errors import MonitorError
from monitor.ports import source
from monitor.records import batches
from monitor.records.batches import Poll
from monitor.sources.kafka_client import admin_client
from monitor.sources.kafka_end_offsets import Ends
from monitor.sources.kafka_reader import Reader
from monitor.sources.kafka_records import Decoded, Decoders, Message, decode, joined, pairs_of, partitions_of
from monitor.sources.kafka_waiting import Waiting


class KafkaSource:
    """A group member that reads the topics of `decoders`, {topic: (family, decoder)}; partitions come and go.

    `listener` says at which offset a partition starts; by default that is the oldest record. Messages that were
    fetched from a partition in the very poll that took it away are dropped: the next owner reads them again.
    A partition of which messages cannot be decoded yet is paused, and the others are read on; unless it is `patient`,
    that is a SourceError after some tries to have what is needed.
    An offset that the broker no longer has is a SourceError that counts the records lost, or a gap in the next poll.
    """

    def __init__(
        self,
        kafka: services.Kafka,
        decoders: Decoders,
        listener: source.Assignments | None = None,
        *,
        patient: bool = True,
    ) -> None:
        self._decoders, self._listener, self._patient = decoders, listener, patient
        self._reader = Reader(kafka, {"group.id": kafka.group, "partition.assignment.strategy": "cooperative-sticky"})
        self._consumer = self._reader.consumer
        self._position: dict[batches.TopicPartition, int] = {}
        self._ends: dict[batches.TopicPartition, int] = {}
        self._proof = Ends(admin_client(kafka))
        self._assigned: set[batches.TopicPartition] = set()
        self._left: set[batches.TopicPartition] = set()  # taken away while a piece was fetched
        self._gone: set[batches.TopicPartition] = set()  # and not given back since
        self._held: list[Message] = []  # arrived while fetching was held
        self._waiting = Waiting(self._consumer)
        self._holding = False
        self._closed = False
        self._consumer.subscribe(
            list(decoders), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    def poll(self, timeout: float) -> Poll:
        """See `monitor.ports.source.Source`."""
        parts: list[Decoded] = []
        for messages in self._arrivals(self._waiting.at_most(timeout) if not self._held else 0):
            for earlier in parts if self._left else ():
                earlier.drop(self._left, self._decoders)
            parts.append(part := self._decode(messages))
            if part.waiting:
                break
        found = joined(parts)
        positions = found.positions
        gaps = self._settle(positions)
        self._position |= positions
        reached = self._proof.reached(self._position, self._assigned)
        return Poll(
            found.readings, found.dead, positions,
            records=found.records, at_end=self._at_end(), gaps=gaps, caught_up=reached,
        )  # fmt: skip

    def _decode(self, messages: list[Message]) -> Decoded:
        messages, self._held = self._waiting.before(self._held + messages), []
        found = decode(messages, self._decoders)
        self._reader.adapt_fetch_size(found.records, sum(map(len, found.readings.values())))
        if not self._patient:
            found.give_up()
        self._waiting.keep(found)
        return found

    def _settle(self, positions: dict[batches.TopicPartition, int]) -> list[batches.Gap]:
        """Put the ends and gaps that were met into `positions`, but of partitions of which messages wait before them.

        Returns the gaps.
        """
        waiting = self._waiting.partitions
        self._ends = {p: end for p, end in self._ends.items() if p not in waiting}  # nothing is fetched, as in `hold`
        for partition, end in self._ends.items():  # behind transaction markers with no record; or 0, of an empty one
            if end > max(positions.get(partition, -1), self._position.get(partition, -1)):
                positions[partition] = end
        gaps = [gap for gap in self._reader.gaps if (gap.topic, gap.partition) not in waiting]
        self._reader.gaps = [gap for gap in self._reader.gaps if (gap.topic, gap.partition) in waiting]
        positions |= {(gap.topic, gap.partition): gap.end for gap in gaps}
        return gaps

    def commit(self, positions: Mapping[batches.TopicPartition, int]) -> None:
        """See `monitor.ports.source.Source`."""
        offsets = [TopicPartition(*p, offset) for p, offset in positions.items() if p in self._assigned]
        if self._closed or not offsets:
            return
        with suppress(KafkaException):  # the next commit brings lag tools up to date
            self._consumer.commit(offsets=offsets, asynchronous=True)

    def hold(self, seconds: float) -> None:
        """See `monitor.ports.source.Source`. Partitions may come and go meanwhile."""
        deadline = time.monotonic() + seconds
        self._holding = True
        self._consumer.pause(partitions_of(self._assigned))
        self._ends.clear()  # unknown while nothing is fetched; the broker reports them again afterwards
        self._proof.forget(self._assigned)
        while (left := deadline - time.monotonic()) > 0:
            for messages in self._arrivals(left):
                self._held += messages  # fetched before the pause
        self._holding = False
        self._consumer.resume(partitions_of(self._assigned - self._waiting.partitions))

    def rewind(self) -> None:
        """See `monitor.ports.source.Rewindable`."""
        self._drop(here := partitions_of(self._assigned), None)
        self._on_assign(None, here)

    def close(self) -> None:
        """Leave the group. The listener is not called: what should be kept has been committed before."""
        if not self._closed:
            self._closed = True
            self._consumer.close()

    def _arrivals(self, timeout: float) -> Iterator[list[Message]]:
        """Messages that have arrived, piece by piece, without those of partitions that were taken away meanwhile."""
        self._gone.clear()
        self._left.clear()
        for found, ends in self._reader.pieces(timeout):
            messages = found
            if self._left:
                messages = [message for message in found if (message.topic(), message.partition()) not in self._gone]
            self._ends |= {partition: end for partition, end in ends.items() if partition not in self._left}
            yield messages
            self._gone.clear()
            self._left.clear()

    def _at_end(self) -> bool:
        return bool(self._assigned) and all(
            self._ends.get(partition, -1) >= self._position.get(partition, 0) for partition in self._assigned
        )

    def _on_assign(self, _: Any, arrived: Sequence[TopicPartition]) -> None:
        partitions = pairs_of(arrived)
        starts: Mapping[batches.TopicPartition, int] = {}
        if self._listener is not None and not self._closed:
            starts = self._notify(self._listener.assigned, partitions) or {}
        self._assigned.update(partitions)
        self._gone.difference_update(partitions)  # assigned again: keep what is fetched from now on
        self._consumer.incremental_assign([TopicPartition(*p, starts.get(p, OFFSET_BEGINNING)) for p in partitions])
        # The client remembers from an earlier assignment what was paused then: for a hold, or as a schema was awaited.
        (self._consumer.pause if self._holding else self._consumer.resume)(partitions_of(partitions))

    def _on_revoke(self, _: Any, leaving: Sequence[TopicPartition]) -> None:
        self._drop(leaving, self._listener.revoked if self._listener is not None else None)

    def _on_lost(self, _: Any, leaving: Sequence[TopicPartition]) -> None:
        self._drop(leaving, self._listener.lost if self._listener is not None else None)

    def _drop(
        self, leaving: Sequence[TopicPartition], callback: Callable[[Sequence[batches.TopicPartition]], None] | None
    ) -> None:
        partitions = pairs_of(leaving)
        if callback is not None and not self._closed:
            self._notify(callback, partitions)
        for partition in partitions:
            self._position.pop(partition, None)
            self._ends.pop(partition, None)
        self._proof.forget(partitions)
        self._waiting.drop(partitions)
        self._held = [held for held in self._held if (held.topic(), held.partition()) not in partitions]
        self._reader.gaps = [gap for gap in self._reader.gaps if (gap.topic, gap.partition) not in partitions]
        self._assigned.difference_update(partitions)
        self._gone.update(partitions)
        self._left.update(partitions)
        self._consumer.incremental_unassign(list(leaving))

    def _notify(self, callback: Callable[[Sequence[batches.TopicPartition]], Any], partitions: Any) -> Any:
        """Call the listener; librdkafka's callbacks are no place to raise, so an error waits for the poll's end."""
        try:
            return callback(partitions)
        except MonitorError as error:
            self._reader.failure = self._reader.failure or error
            return None
