"""Idle detection: how long each stream has been silent, counted while its partition is known to be read to its end.

Silence alone proves nothing: the worker may lag, wait for SQL or have just been assigned the partition, or the broker
may be unavailable. So the clock of a partition's streams runs only while the broker keeps confirming that everything
sent so far has been read (`Poll.caught_up`); after a gap between confirmations it restarts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from monitor.pipeline.health.silence import Quiet
from monitor.ports.store import Store
from monitor.records.batches import TopicPartition
from monitor.worker.commit_builder import CommitBuilder
from monitor.worker.streams import Streams

MAX_PROOF_GAP_NS = 3 * 10**9  # longer without a proof, or a quarter of `silent_after`: the clock restarts
LOAD_AT_ONCE = 2_000  # streams

Call = Callable[[Callable[[], object]], object]  # calls the store, with retries


@dataclass(slots=True)
class _Clock:
    """One partition under one ownership: read to its end at `proof`, and without a break since `since`, ns."""

    epoch: int
    since: int
    proof: int
    unloaded: list[str] | None = None  # streams that sent nothing since the assignment; None = not listed yet


class IdleDetector:
    """Runs the idle check of a worker's streams each time the broker confirms that partitions are read to their end."""

    def __init__(self, builder: CommitBuilder, store: Store, run: str) -> None:
        self._builder, self._store, self._run = builder, store, run
        self._clocks: dict[TopicPartition, _Clock] = {}

    def check(self, caught_up: Mapping[TopicPartition, int], call: Call) -> None:
        """Idle check after a poll was processed; `caught_up` is the poll's. The next commit includes the result."""
        epochs = self._builder.partitions.epochs
        ours = {partition: at for partition, at in caught_up.items() if partition in epochs}
        if not ours:
            return
        self._clocks = {p: clock for p, clock in self._clocks.items() if epochs.get(p) == clock.epoch}
        for family, streams in self._builder.streams.items():
            topic = streams.pipeline.family.topic
            of_topic = {partition: at for partition, at in ours.items() if partition[0] == topic}
            if of_topic:
                self._update_clocks(streams, of_topic)
                self._load_idle(streams, of_topic, call)
                self._builder.add(family, streams.pipeline.look(self._quiet(streams)))
        if (upkeep := self._builder.upkeep) is not None and upkeep.release_due:
            call(partial(upkeep.release, self._run, self._builder.announce, max(ours.values())))

    def _update_clocks(self, streams: Streams, caught_up: Mapping[TopicPartition, int]) -> None:
        longest = max(MAX_PROOF_GAP_NS, _silent_after(streams) // 4)
        for partition, at in caught_up.items():
            clock = self._clocks.get(partition)
            if clock is None:
                self._clocks[partition] = _Clock(self._builder.partitions.epochs[partition], at, at)
                continue
            if not 0 <= at - clock.proof <= longest:
                clock.since = at
            clock.proof = at

    def _load_idle(self, streams: Streams, caught_up: Iterable[TopicPartition], call: Call) -> None:
        """Load streams that were silent before the partition was assigned, before any of them counts as silent.

        At half of that time: then all of the family is loaded when the gateway check asks whether all are silent. Those
        that are switched off are loaded at once: alerts may be open from when they were not.
        """
        after = _silent_after(streams)
        for partition in caught_up:
            clock = self._clocks[partition]
            if streams.pipeline.overrides.switches and clock.unloaded is None:
                call(partial(self._load_off, clock, streams, partition))
            if after and clock.proof - clock.since >= after // 2 and clock.unloaded != []:
                call(partial(self._load, clock, streams, partition))

    def _load_off(self, clock: _Clock, streams: Streams, partition: TopicPartition) -> None:
        if self._builder.partitions.epochs.get(partition) != clock.epoch:  # taken away while we waited
            return
        names = self._store.stream_names(self._run, streams.pipeline.name, partition[1])
        off = list(filter(streams.pipeline.overrides.off_by_name, names))
        for i in range(0, len(off), LOAD_AT_ONCE):
            streams.load_idle(off[i : i + LOAD_AT_ONCE], partition[1], self._store, self._run)
        clock.unloaded = [name for name in names if name not in set(off)]

    def _load(self, clock: _Clock, streams: Streams, partition: TopicPartition) -> None:
        if self._builder.partitions.epochs.get(partition) != clock.epoch:  # taken away while we waited
            return
        if clock.unloaded is None:
            clock.unloaded = self._store.stream_names(self._run, streams.pipeline.name, partition[1])
        streams.load_idle(clock.unloaded[:LOAD_AT_ONCE], partition[1], self._store, self._run)
        clock.unloaded = clock.unloaded[LOAD_AT_ONCE:]

    def _quiet(self, streams: Streams) -> Quiet:
        """Since when each stream could have been heard, and until when; 0 and 0 where its partition has no proof."""
        topic, codes = streams.pipeline.family.topic, np.flatnonzero(streams.ids >= 0).astype(np.int32)
        numbers = streams.partition[codes]
        since, now = np.zeros((2, int(numbers.max(initial=0)) + 1), np.int64)
        for (name, number), epoch in self._builder.partitions.epochs.items():
            clock = self._clocks.get((name, number))
            if name == topic and number < len(since) and clock is not None and clock.epoch == epoch:
                since[number], now[number] = clock.since, clock.proof
        return Quiet(codes, since[numbers], now[numbers])


def _silent_after(streams: Streams) -> int:
    """Nanoseconds without a reading after which some stream of the family is silent; 0 = none ever is."""
    return streams.pipeline.family.silent_soonest
