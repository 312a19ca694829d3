"""What a worker reports about itself: that it is alive, what it owns, and how far behind it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from monitor.records.scalars import TopicPartition

BEAT_S = 10.0  # between two reports of a worker
DEAD_AFTER = 30 * 10**9  # ns without a report: three were due
STUCK_AFTER = 120 * 10**9  # ns in which a living worker has neither read nor waited for a training

DISPATCH = "dispatch"  # in place of a run, of processes that only deliver

State = Literal["living", "stuck", "cut off", "lost", "ended", "failed"]


@dataclass(frozen=True, slots=True)
class Lag:
    """What is left to read of a partition: how many records, and ns since the oldest of them was written.

    `behind` goes by Kafka timestamps and is accurate to a few percent; 0 where nothing is left, None = not known.
    """

    records: int
    behind: int | None = None


@dataclass(frozen=True, slots=True)
class OwnedPartition:
    """A partition under one ownership: its fence, and the next offset to process, None where nothing was read yet."""

    topic: str
    partition: int
    epoch: int
    next_offset: int | None = None
    lag: Lag | None = None  # None = not known


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerReport:
    """A worker as it was `at` one of its beats. Times are wall clock of the worker's machine, ns.

    `idle` is how many ns ago its loop last came round, `committed` when its newest commit became durable. `families`
    has the topic of each; `trainings` names those for which a training runs. `broker_away` and `lag_grows`: since when.
    `delivers` has the channels whose notifications the process delivers. `elsewhere`: partitions of its topics that its
    group has given, `elsewhere_since`, to a process which does not report to this database.
    """

    id: str
    run: str
    host: str
    pid: int
    version: str
    started: int
    at: int = 0
    idle: int = 0
    committed: int | None = None
    families: Mapping[str, str] = field(default_factory=dict)
    partitions: tuple[OwnedPartition, ...] = ()
    trainings: tuple[str, ...] = ()
    broker_away: int | None = None
    lag_grows: int | None = None
    delivers: tuple[str, ...] = ()
    elsewhere: int = 0
    elsewhere_since: int | None = None

    @property
    def lag(self) -> int:
        """Records left to read in all its partitions, as far as that is known."""
        return sum(owned.lag.records for owned in self.partitions if owned.lag is not None)

    @property
    def behind(self) -> int | None:
        """ns since the oldest record was written that it has not read; None = not known."""
        known = [owned.lag.behind for owned in self.partitions if owned.lag is not None]
        return None if not known or None in known else max(filter(None, known), default=0)


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The newest report of a worker as the database has it.

    `age` is how many ns ago it was made, by one clock: the database server's where there is one. `ended` is how many ns
    ago the worker stopped and said so, None = it has not; `error` says why, "" = it was asked to.
    """

    report: WorkerReport
    age: int
    ended: int | None = None
    error: str = ""

    @property
    def alive(self) -> bool:
        """It reported a short time ago and has not ended."""
        return self.ended is None and self.age < DEAD_AFTER

    @property
    def state(self) -> State:
        """What it is, for a person."""
        if self.ended is not None:
            return "failed" if self.error else "ended"
        if not self.alive:
            return "lost"
        return "cut off" if self.report.broker_away is not None else "stuck" if self.stuck else "living"

    def since(self, at: int | None) -> int | None:
        """ns since a time of the report."""
        return None if at is None else max(0, self.age + self.report.at - at)

    @property
    def stuck(self) -> bool:
        """It is alive, but its loop has not come round for a long time: for example SQL does not answer."""
        return self.alive and self.report.idle > STUCK_AFTER


def owners(heartbeats: Iterable[Heartbeat]) -> dict[TopicPartition, tuple[int, Heartbeat]]:
    """The worker that took each partition last, living or not, with its epoch."""
    found: dict[TopicPartition, tuple[int, Heartbeat]] = {}
    for heartbeat in heartbeats:
        for owned in heartbeat.report.partitions:
            partition = owned.topic, owned.partition
            if partition not in found or owned.epoch > found[partition][0]:
                found[partition] = owned.epoch, heartbeat
    return found
