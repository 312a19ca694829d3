"""Kafka as a source: a member of a consumer group whose offsets live in SQL, and a bounded range for replays."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, KafkaException, TopicPartition

from monitor.config import services
from monitor.errors import MonitorError, SourceError
from monitor.ports import source
from monitor.records import batches
from monitor.records.batches import Poll
from monitor.sources.decode import EARLIEST_MS
from monitor.sources.kafka_client import Reader, admin_client, is_embedded, sentence
from monitor.sources.kafka_end_offsets import Ends
from monitor.sources.kafka_records import Decoders, Message, decode
from monitor.sources.kafka_waiting import Waiting
from monitor.sources.unfinished import RETRY_S

_WAIT = 30.0  # seconds for a broker to answer a question


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
        self._gone: set[batches.TopicPartition] = set()  # taken away during this poll
        self._held: list[Message] = []  # arrived while fetching was held
        self._waiting = Waiting(self._consumer)
        self._holding = False
        self._closed = False
        self._consumer.subscribe(
            list(decoders), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    def poll(self, timeout: float) -> Poll:
        """See `monitor.ports.source.Source`."""
        messages, ends = self._read(self._waiting.at_most(timeout) if not self._held else 0)
        messages, self._held = self._waiting.before(self._held + messages), []
        found = decode(messages, self._decoders)
        if not self._patient:
            found.give_up()
        self._waiting.keep(found)
        count, positions = len(messages) - len(found.waiting), found.positions
        self._reader.adapt_fetch_size(count, sum(map(len, found.readings.values())))
        gaps = self._settle(positions, ends)
        self._position |= positions
        reached = self._proof.reached(self._position, self._assigned)
        return Poll(
            found.readings, found.dead, positions, records=count, at_end=self._at_end(), gaps=gaps, caught_up=reached
        )

    def _settle(
        self, positions: dict[batches.TopicPartition, int], ends: Mapping[batches.TopicPartition, int]
    ) -> list[batches.Gap]:
        """Put the ends and gaps that were met into `positions`, but of partitions of which messages wait before them.

        Returns the gaps.
        """
        waiting = self._waiting.partitions
        self._ends = {p: end for p, end in self._ends.items() if p not in waiting}  # nothing is fetched, as in `hold`
        for partition, end in ends.items():  # behind transaction markers that hold no record; or 0, of an empty one
            if partition not in waiting and end > max(positions.get(partition, -1), self._position.get(partition, -1)):
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
        self._consumer.pause(_partitions(self._assigned))
        self._ends.clear()  # unknown while nothing is fetched; the broker reports them again afterwards
        self._proof.forget(self._assigned)
        while (left := deadline - time.monotonic()) > 0:
            messages, _ = self._read(left)
            self._held += messages  # fetched before the pause
        self._holding = False
        self._consumer.resume(_partitions(self._assigned - self._waiting.partitions))

    def rewind(self) -> None:
        """See `monitor.ports.source.Rewindable`."""
        self._drop(here := _partitions(self._assigned), None)
        self._on_assign(None, here)

    def close(self) -> None:
        """Leave the group. The listener is not called: what should be kept has been committed before."""
        if not self._closed:
            self._closed = True
            self._consumer.close()

    def _read(self, timeout: float) -> tuple[list[Message], dict[batches.TopicPartition, int]]:
        """Messages and ends that have arrived, without those of partitions that were taken away meanwhile."""
        self._gone.clear()
        messages, ends = self._reader.read(timeout)
        if self._gone:
            messages = [message for message in messages if (message.topic(), message.partition()) not in self._gone]
            ends = {partition: end for partition, end in ends.items() if partition not in self._gone}
        self._ends |= ends
        return messages, ends

    def _at_end(self) -> bool:
        return bool(self._assigned) and all(
            self._ends.get(partition, -1) >= self._position.get(partition, 0) for partition in self._assigned
        )

    def _on_assign(self, _: Any, arrived: Sequence[TopicPartition]) -> None:
        partitions = _pairs(arrived)
        starts: Mapping[batches.TopicPartition, int] = {}
        if self._listener is not None and not self._closed:
            starts = self._notify(self._listener.assigned, partitions) or {}
        self._assigned.update(partitions)
        self._gone.difference_update(partitions)  # assigned again: keep what is fetched from now on
        self._consumer.incremental_assign([TopicPartition(*p, starts.get(p, OFFSET_BEGINNING)) for p in partitions])
        # The client remembers from an earlier assignment what was paused then: for a hold, or as a schema was awaited.
        (self._consumer.pause if self._holding else self._consumer.resume)(_partitions(partitions))

    def _on_revoke(self, _: Any, leaving: Sequence[TopicPartition]) -> None:
        self._drop(leaving, self._listener.revoked if self._listener is not None else None)

    def _on_lost(self, _: Any, leaving: Sequence[TopicPartition]) -> None:
        self._drop(leaving, self._listener.lost if self._listener is not None else None)

    def _drop(
        self, leaving: Sequence[TopicPartition], callback: Callable[[Sequence[batches.TopicPartition]], None] | None
    ) -> None:
        partitions = _pairs(leaving)
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
        self._consumer.incremental_unassign(list(leaving))

    def _notify(self, callback: Callable[[Sequence[batches.TopicPartition]], Any], partitions: Any) -> Any:
        """Call the listener; librdkafka's callbacks are no place to raise, so an error waits for the poll's end."""
        try:
            return callback(partitions)
        except MonitorError as error:
            self._reader.failure = self._reader.failure or error
            return None


class KafkaRange:
    """The records that some topics hold now, in order, outside of any group; `Poll.finished` ends them.

    `written_ns`: without records before the first one of its partition that was written then or later, by Kafka's
    timestamps. What comes after it is all read, in whatever order its timestamps are. Nothing is left out where
    timestamps are missing or before 2000, or the broker cannot look them up.
    `oldest` and `newest`: at most so many records at the beginning, or at the end, of each partition.
    Raises SourceError where a topic is missing or no broker answers.
    """

    def __init__(
        self,
        kafka: services.Kafka,
        decoders: Decoders,
        written_ns: int | None = None,
        *,
        oldest: int | None = None,
        newest: int | None = None,
    ) -> None:
        self._decoders = decoders
        self._reader = Reader(kafka, {"group.id": f"{kafka.group}-range"}, exact=True)  # never joined or committed to
        self._consumer = self._reader.consumer
        self._waiting: list[Message] = []  # for their decoder; nothing is fetched meanwhile
        self._closed = False
        try:
            marks = self._marks()
            starts = self._starts(written_ns, marks)
            if newest is not None:
                starts = {p: max(start, marks[p][1] - newest) for p, start in starts.items()}
            ends = {p: high if oldest is None else min(high, low + oldest) for p, (low, high) in marks.items()}
            self._end = {p: end for p, end in ends.items() if end > starts[p]}  # partitions not yet through
            self._consumer.assign([TopicPartition(*p, starts[p]) for p in self._end])
        except KafkaException as error:
            self.close()
            raise SourceError(f"Kafka at {kafka.bootstrap_servers}: {sentence(error)}") from None
        except SourceError:
            self.close()
            raise

    def poll(self, timeout: float) -> Poll:
        """See `monitor.ports.source.Source`."""
        if not self._end and not self._waiting:
            return Poll({}, at_end=True, finished=True)
        wanted = self._waiting or self._fetch(timeout)
        found = decode(wanted, self._decoders)
        self._waiting = found.waiting
        found.give_up()
        if wanted and not found.positions:
            time.sleep(min(timeout, RETRY_S))
        gaps: list[batches.Gap] = []
        if not self._waiting:
            gaps, self._reader.gaps = self._reader.gaps, gaps
        positions = found.positions | {(gap.topic, gap.partition): gap.end for gap in gaps}
        over, count = not self._end and not self._waiting, len(wanted) - len(self._waiting)
        self._reader.adapt_fetch_size(count, sum(map(len, found.readings.values())))
        return Poll(found.readings, found.dead, positions, records=count, at_end=over, finished=over, gaps=gaps)

    def _fetch(self, timeout: float) -> list[Message]:
        """Messages of the range that have arrived; reads no further in partitions whose last one is among them."""
        messages, ends = self._reader.read(timeout)
        wanted = [m for m in messages if m.offset() < self._end.get((m.topic(), m.partition()), 0)]
        skipped = {(gap.topic, gap.partition): gap.end for gap in self._reader.gaps}
        reached = {(m.topic(), m.partition()): m.offset() + 1 for m in messages} | ends | skipped
        through = [p for p, offset in reached.items() if offset >= self._end.get(p, offset + 1)]
        for partition in through:
            del self._end[partition]
        self._consumer.incremental_unassign(_partitions(through))
        return wanted

    def commit(self, positions: Mapping[batches.TopicPartition, int]) -> None:
        """No-op: a range has no group."""

    def hold(self, seconds: float) -> None:
        """Wait; there is no group to stay in."""
        time.sleep(seconds)

    def close(self) -> None:
        """Free everything."""
        if not self._closed:
            self._closed = True
            self._consumer.close()

    def _marks(self) -> dict[batches.TopicPartition, tuple[int, int]]:
        """First offset of each partition, and the one after the last."""
        known = self._consumer.list_topics(timeout=_WAIT).topics
        if missing := sorted(set(self._decoders) - set(known)):
            raise SourceError(f"there is no topic {', '.join(missing)}; it has {', '.join(sorted(known)) or 'none'}")
        partitions = [(topic, partition) for topic in self._decoders for partition in known[topic].partitions]
        return {p: self._consumer.get_watermark_offsets(TopicPartition(*p), timeout=_WAIT) for p in partitions}

    def _starts(
        self, written_ns: int | None, marks: Mapping[batches.TopicPartition, tuple[int, int]]
    ) -> dict[batches.TopicPartition, int]:
        """First offset to read of each partition."""
        oldest = {p: low for p, (low, _) in marks.items()}
        if written_ns is None or is_embedded(self._consumer.list_topics(timeout=_WAIT)):
            return oldest
        plausible = self._offsets_at(EARLIEST_MS, list(marks))
        written = self._offsets_at(-(-written_ns // 10**6), list(marks))
        end = {p: marks[p][1] if offset == OFFSET_END else offset for p, offset in written.items()}
        return {p: end[p] if plausible[p] == low else low for p, low in oldest.items()}

    def _offsets_at(
        self, milliseconds: int, partitions: Sequence[batches.TopicPartition]
    ) -> dict[batches.TopicPartition, int]:
        """Offset of the first record at or after a time, or OFFSET_END where all are older."""
        found = self._consumer.offsets_for_times([TopicPartition(*p, milliseconds) for p in partitions], timeout=_WAIT)
        return {(item.topic, item.partition): item.offset for item in found}


def _partitions(pairs: Iterable[batches.TopicPartition]) -> list[TopicPartition]:
    return [TopicPartition(*pair) for pair in pairs]


def _pairs(partitions: Sequence[TopicPartition]) -> list[batches.TopicPartition]:
    return [(partition.topic, partition.partition) for partition in partitions]
