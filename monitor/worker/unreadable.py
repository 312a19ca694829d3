"""The shares of unreadable records of the partitions that a worker owns: saved with their offsets, in every commit."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from monitor.pipeline.alerting.health_alerts import HealthFacts
from monitor.pipeline.family import Pipeline
from monitor.pipeline.health.closing import SWITCHED_OFF
from monitor.pipeline.health.unreadable import Partition
from monitor.ports.store import Position
from monitor.records.alerts import Fact
from monitor.records.batches import DeadLetter, Poll, Readings, TopicPartition

_INT32, _INT64 = np.zeros(0, np.int32), np.zeros(0, np.int64)
_NOTHING = Readings(_INT32, _INT64, np.zeros((0, 1), np.float32), _INT32, _INT64)


class UnreadableRecords:
    """Judges what each poll brought that could not be read; partitions in which nothing is wrong cost nothing."""

    def __init__(self, run: str, pipelines: Mapping[str, Pipeline]) -> None:
        self._run, self._pipelines = run, pipelines
        self._family_of = {pipeline.family.topic: name for name, pipeline in pipelines.items()}
        self._partitions: dict[TopicPartition, Partition] = {}
        self._settled: set[TopicPartition] = set()
        self._changed: set[TopicPartition] = set()

    def assign(self, positions: Mapping[TopicPartition, Position]) -> None:
        """Resume partitions from what was saved with their positions."""
        for partition, position in positions.items():
            saved = position.unreadable
            self._partitions[partition] = Partition.of(json.loads(saved)) if saved else Partition()
            self._settle(partition)

    def drop(self, partitions: Iterable[TopicPartition]) -> None:
        """Forget partitions that another worker owns now."""
        for partition in partitions:
            self._partitions.pop(partition, None)
            self._settled.discard(partition)
            self._changed.discard(partition)

    def forget(self) -> None:
        """Forget all partitions."""
        self.drop(list(self._partitions))

    def judge(self, poll: Poll, now: int | None) -> list[Fact]:
        """Facts about alerts of what the poll brought; `now` is the wall clock (ns) where it is live."""
        dead: dict[TopicPartition, list[DeadLetter]] = {}
        for letter in poll.dead:
            dead.setdefault((letter.topic, letter.partition), []).append(letter)
        found: list[Fact] = []
        for partition in sorted((poll.positions.keys() - self._settled) | dead.keys()):
            letters = sorted(dead.get(partition, []), key=lambda letter: letter.offset)
            found += self._step(partition, poll, letters, now)
        return found

    def changes(self) -> dict[TopicPartition, str]:
        """What is to be saved of each partition that changed since the last `committed`."""
        return {partition: json.dumps(self._partitions[partition].dump()) for partition in self._changed}

    def committed(self) -> None:
        """A commit with these changes is in flight: begin the next one."""
        self._changed.clear()

    def _step(self, partition: TopicPartition, poll: Poll, dead: Sequence[DeadLetter], now: int | None) -> list[Fact]:
        family = self._family_of.get(partition[0], next(iter(self._pipelines)))  # a file is called otherwise
        readings = poll.readings.get(family)
        read = _NOTHING if readings is None else readings.take(readings.partition == partition[1])
        if not len(read) and not dead:
            return []
        if now is not None:  # no alert of the future, whatever a record says
            read = replace(read, time=np.where(read.time > now, 0, read.time))
            dead = [replace(letter, time=now if letter.time is None else min(letter.time, now)) for letter in dead]
        facts = HealthFacts(self._run, family)
        state, off = self._partitions.setdefault(partition, Partition()), self._pipelines[family].overrides.off_by_name
        if self._pipelines[family].overrides.switches:
            facts.facts += self._closed(state, family, off)
            dead = [replace(letter, stream="") if off(letter.stream) else letter for letter in dead]
        state.step(read, dead, self._pipelines[family].index.codes, facts)
        self._changed.add(partition)
        self._settle(partition)
        return facts.facts

    def _closed(self, state: Partition, family: str, off: Callable[[str], bool]) -> list[Fact]:
        closed = HealthFacts(self._run, family, SWITCHED_OFF)
        state.close(off, closed)
        return closed.facts

    def _settle(self, partition: TopicPartition) -> None:
        (self._settled.add if self._partitions[partition].settled else self._settled.discard)(partition)
