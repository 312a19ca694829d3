"""Where partitions end, asked of the broker itself again and again: the proof that everything sent has been read.

librdkafka reports the end of a partition when a reader gets there, and not again: by that alone, a broker that is
unavailable looks like silent streams. So the end offsets are requested in the background, without blocking.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from typing import Any, NamedTuple

from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # not in its __all__

from monitor.records import batches

ASK_S = 0.5  # between two questions
_ANSWER_S = 5.0  # after which a question is given up
_PATIENCE_S = 10.0  # for the reader to get as far as the answer said, before that is forgotten


class _Question(NamedTuple):
    asked: int  # wall clock, ns
    answer: Future[Any]


class Ends:
    """Asks with the help of an AdminClient, made by `admin` when there is something to ask."""

    def __init__(self, admin: AdminClient) -> None:
        self._admin = admin
        self._next = time.monotonic() + ASK_S
        self._open: dict[batches.TopicPartition, _Question] = {}
        self._known: dict[batches.TopicPartition, tuple[int, int]] = {}  # when it was asked, and the end then

    def reached(
        self, position: Mapping[batches.TopicPartition, int], assigned: Iterable[batches.TopicPartition]
    ) -> dict[batches.TopicPartition, int]:
        """Partitions read to where they ended, with the time (wall clock, ns) at which they did; each answer once.

        `position` holds the next offset to read. Also sends the next request, when it is due.
        """
        self._listen()
        partitions = set(assigned)
        self._known = {p: known for p, known in self._known.items() if p in partitions}
        found = {p: asked for p, (asked, end) in self._known.items() if position.get(p, 0) >= end}
        for partition in found:
            del self._known[partition]
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + ASK_S
            self._ask(partitions)
        return found

    def forget(self, partitions: Iterable[batches.TopicPartition]) -> None:
        """Drop what is known of partitions that another worker owns now, or that are not being read for a while."""
        for partition in partitions:
            self._open.pop(partition, None)
            self._known.pop(partition, None)

    def _ask(self, partitions: set[batches.TopicPartition]) -> None:
        now = time.time_ns()
        stale = now - int(_PATIENCE_S * 1e9)
        busy = self._open.keys() | {p for p, (asked, _) in self._known.items() if asked > stale}
        if wanted := partitions - busy:
            end = OffsetSpec.latest()  # type: ignore[no-untyped-call]
            answers = self._admin.list_offsets(
                {TopicPartition(*p): end for p in wanted},
                isolation_level=IsolationLevel.READ_COMMITTED,  # as the reader, who does not see more either
                request_timeout=_ANSWER_S,
            )
            self._open |= {(p.topic, p.partition): _Question(now, answer) for p, answer in answers.items()}

    def _listen(self) -> None:
        for partition, question in list(self._open.items()):
            if question.answer.done():
                del self._open[partition]
                try:
                    self._known[partition] = question.asked, question.answer.result().offset
                except KafkaException:  # no answer is an answer: nothing is known of this partition
                    self._known.pop(partition, None)
