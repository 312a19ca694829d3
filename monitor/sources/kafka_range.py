"""The records that topics hold now, in order and outside of any group: what a replay reads."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from confluent_kafka import OFFSET_END, KafkaException, TopicPartition

from monitor.config import services
from monitor.errors import SourceError
from monitor.records import batches
from monitor.records.batches import Poll
from monitor.sources.decode import EARLIEST_MS
from monitor.sources.kafka_client import is_embedded, sentence
from monitor.sources.kafka_reader import Reached, Reader
from monitor.sources.kafka_records import Decoded, Decoders, Message, decode, joined, partitions_of
from monitor.sources.unfinished import RETRY_S

_WAIT = 30.0  # seconds for a broker to answer a question


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
        waited = self._waiting
        parts: list[Decoded] = []
        for wanted in [waited] if waited else map(self._wanted, self._reader.pieces(timeout)):
            parts.append(part := decode(wanted, self._decoders))
            part.give_up()
            self._reader.adapt_fetch_size(part.records, sum(map(len, part.readings.values())))
            if part.waiting:
                break
        found = joined(parts)
        self._waiting = found.waiting
        if found.waiting and not found.positions:
            time.sleep(min(timeout, RETRY_S))
        gaps: list[batches.Gap] = []
        if not self._waiting:
            gaps, self._reader.gaps = self._reader.gaps, gaps
        positions = found.positions | {(gap.topic, gap.partition): gap.end for gap in gaps}
        over = not self._end and not self._waiting
        return Poll(found.readings, found.dead, positions, records=found.records, at_end=over, finished=over, gaps=gaps)

    def _wanted(self, arrived: tuple[list[Message], Reached]) -> list[Message]:
        """Those of the range; reads no further in partitions whose last one is among them."""
        messages, ends = arrived
        wanted = [m for m in messages if m.offset() < self._end.get((m.topic(), m.partition()), 0)]
        skipped = {(gap.topic, gap.partition): gap.end for gap in self._reader.gaps}
        reached = {(m.topic(), m.partition()): m.offset() + 1 for m in messages} | ends | skipped
        through = [p for p, offset in reached.items() if offset >= self._end.get(p, offset + 1)]
        for partition in through:
            del self._end[partition]
        self._consumer.incremental_unassign(partitions_of(through))
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
