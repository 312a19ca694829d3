"""How far a worker is behind, asked of the broker itself: records left to read, and how old the oldest of them is.

Called on the thread of the heartbeats with a separate client, so a broker that does not answer delays no reading.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]  # not in its __all__

from monitor.config import services
from monitor.errors import SourceError
from monitor.records import batches
from monitor.records.workers import Lag
from monitor.sources.kafka_client import admin_client, sentence

_ANSWER_S = 3.0
_YOUNGEST, _OLDEST = 1.0, 4.0**14  # seconds; eight years
_GROWTH = 4.0  # by how much each question about an age goes further back
_CLOSER = 5  # questions after that: each halves the ratio of the bounds, 4^(1/32) = 1.04 at the end

_SILENT = {
    KafkaError._TIMED_OUT,  # noqa: SLF001 (public codes of librdkafka's own begin with an underscore)
    KafkaError._TRANSPORT,  # noqa: SLF001
    KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
    KafkaError._RESOLVE,  # noqa: SLF001
}

Positions = Mapping[batches.TopicPartition, int | None]


class KafkaLag:
    """Lag of partitions. `clock` gives wall time in seconds."""

    def __init__(self, kafka: services.Kafka, clock: Callable[[], float] = time.time) -> None:
        self._servers = kafka.bootstrap_servers
        self._admin = admin_client(kafka)
        self._clock = clock

    def __call__(self, positions: Positions) -> dict[batches.TopicPartition, Lag]:
        """Lag of each partition that the broker knows; the next offset to process is given, None = the oldest.

        Blocks for up to a few seconds a question. Raises SourceError when no broker answers, also without partitions.
        """
        try:
            if not positions:
                self._admin.list_topics(timeout=_ANSWER_S)
                return {}
            ends = self._ask(dict.fromkeys(positions, OffsetSpec.latest()))  # type: ignore[no-untyped-call]
            oldest = [p for p, at in positions.items() if at is None and p in ends]
            first = self._ask(dict.fromkeys(oldest, OffsetSpec.earliest()))  # type: ignore[no-untyped-call]
            at = {p: first.get(p) if at is None else at for p, at in positions.items()}
            left = {p: max(0, end - at[p]) for p, end in ends.items() if at[p] is not None}  # type: ignore[operator]
            ages = self._ages({p: int(at[p] or 0) for p, records in left.items() if records})
        except KafkaException as error:
            raise SourceError(f"no Kafka broker answers at {self._servers}: {sentence(error)}") from None
        return {p: Lag(records, ages.get(p) if records else 0) for p, records in left.items()}

    def partitions(self, topics: Collection[str]) -> dict[str, int]:
        """How many partitions each of these topics has, as far as they exist. Raises SourceError as a call does."""
        try:
            found = self._admin.list_topics(timeout=_ANSWER_S).topics  # of all: a question about one may create it
        except KafkaException as error:
            raise SourceError(f"no Kafka broker answers at {self._servers}: {sentence(error)}") from None
        return {topic: len(found[topic].partitions) for topic in topics if topic in found and found[topic].partitions}

    def _ages(self, positions: Mapping[batches.TopicPartition, int]) -> dict[batches.TopicPartition, int]:
        """ns since the record at each position was written, where the broker can say; it is asked by time.

        For a time it gives the first record at or after it: where that is behind the position, the record there is
        older. So the age is first bounded, then narrowed.
        """
        now, age = self._clock(), _YOUNGEST
        low, high, open_ = dict.fromkeys(positions, 0.0), dict[batches.TopicPartition, float](), dict(positions)
        while open_ and age <= _OLDEST:
            younger = self._younger(open_, dict.fromkeys(open_, now - age))
            high |= dict.fromkeys(younger, age)
            open_ = {p: at for p, at in open_.items() if p not in younger}
            low |= dict.fromkeys(open_, age)
            age *= _GROWTH
        for _ in range(_CLOSER):
            middle = {p: (low[p] * high[p]) ** 0.5 or high[p] / 2 for p in high}
            younger = self._younger({p: positions[p] for p in high}, {p: now - age for p, age in middle.items()})
            high |= {p: middle[p] for p in younger}
            low |= {p: middle[p] for p in high if p not in younger}
        return {p: round((low[p] + high[p]) / 2 * 1e9) for p in high}

    def _younger(
        self, positions: Mapping[batches.TopicPartition, int], since: Mapping[batches.TopicPartition, float]
    ) -> set[batches.TopicPartition]:
        """Partitions whose record at the position was written at or after a time, seconds since 1970."""
        found = self._ask({p: _at(seconds) for p, seconds in since.items()})
        return {p for p, offset in found.items() if 0 <= offset <= positions[p]}

    def _ask(self, questions: Mapping[batches.TopicPartition, Any]) -> dict[batches.TopicPartition, int]:
        """Offsets by partition, without those that the broker has no answer for. Raises KafkaException for silence."""
        if not questions:
            return {}
        answers = self._admin.list_offsets(
            {TopicPartition(*p): spec for p, spec in questions.items()},
            isolation_level=IsolationLevel.READ_COMMITTED,  # as the reader, who does not see more either
            request_timeout=_ANSWER_S,
        )
        found, silent = {}, None
        for partition, answer in answers.items():
            try:
                found[partition.topic, partition.partition] = int(answer.result(2 * _ANSWER_S).offset)
            except KafkaException as error:
                silent = error if error.args[0].code() in _SILENT else silent
        if silent is not None and not found:
            raise silent
        return found


def _at(seconds: float) -> Any:
    return OffsetSpec.for_timestamp(max(0, round(seconds * 1e3)))
