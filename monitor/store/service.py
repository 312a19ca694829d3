"""What is served and what is not: workers, the partitions that no living worker owns, and the outbox."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from monitor.ports.notifier import Backlog
from monitor.records.scalars import TopicPartition
from monitor.records.workers import DISPATCH, Heartbeat, owners
from monitor.store import outbox, schema, workers


@dataclass(frozen=True, slots=True)
class Service:
    """A run's workers at `now` (ns, by the database's clock), ended and dead ones of the last day too.

    `owners` has every partition that was ever taken, with the worker that took it last: None where that worker has
    left no report. A worker that has ended, or is dead, does not serve it.
    """

    now: int
    workers: list[Heartbeat]
    owners: Mapping[TopicPartition, Heartbeat | None]
    outbox: Backlog
    dispatchers: list[Heartbeat] = field(default_factory=list)  # processes that only deliver

    @property
    def undelivered(self) -> dict[str, int]:
        """How many messages wait for channels that no living process delivers."""
        living = (process for process in (*self.workers, *self.dispatchers) if process.alive)
        delivered = {channel for process in living for channel in process.report.delivers}
        return {name: queue.waiting for name, queue in sorted(self.outbox.queues.items()) if name not in delivered}

    @property
    def living(self) -> list[Heartbeat]:
        """Workers that reported a short time ago."""
        return [worker for worker in self.workers if worker.alive]

    def serves(self, partition: TopicPartition) -> bool:
        """Whether a living worker owns the partition."""
        owner = self.owners.get(partition)
        return owner is not None and owner.alive


def read(connection: Connection, run: str) -> Service:
    """How a run is served."""
    now = workers.clock(connection)
    heartbeats = workers.read(connection, run, now)
    p, taken = schema.positions.c, owners(heartbeats)
    rows = connection.execute(select(p.topic, p.partition, p.epoch).where(p.run == run).order_by(p.topic, p.partition))
    held: dict[TopicPartition, Heartbeat | None] = {}
    for topic, number, epoch in rows:
        epoch_of, owner = taken.get((topic, number), (0, None))
        held[topic, number] = owner if epoch_of >= epoch else None
    return Service(now, heartbeats, held, outbox.backlog(connection), workers.read(connection, DISPATCH, now))
