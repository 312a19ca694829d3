"""The outbox of a `MemoryStore`. Shipped with `monitor.testing`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from monitor.ports.notifier import Backlog, Outcome, Queue, Render
from monitor.records.alerts import Delivery, Severity
from monitor.store.digests import MOST
from monitor.store.fallbacks import marked
from monitor.store.memory_channels import MemoryChannelStates
from monitor.store.outbox_queues import FAR

if TYPE_CHECKING:
    from monitor.store.memory import MemoryStore


@dataclass(slots=True)
class Waiting:
    """An outbox row. `transition` of a digest's delivery is its message."""

    delivery: Delivery
    created: int = 0
    next_at: int = 0
    delivered_at: int | None = None
    gave_up_at: int | None = None
    severity: str = ""
    digest: int | None = None
    origin: int | None = None
    diverted: int | None = None
    redriven: int | None = None

    @property
    def pending(self) -> bool:
        """Still to be sent, or waiting for its digest."""
        return self.delivered_at is None and self.gave_up_at is None

    @property
    def is_digest(self) -> bool:
        """Whether it is a digest."""
        return self.delivery.transition == self.delivery.message


class MemoryOutbox:
    """The outbox of a `MemoryStore`. `attempts` holds (outbox id, time, error or None)."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.channels = MemoryChannelStates(store)
        self.attempts: list[tuple[int, int, str | None]] = []

    def claim(self, channel: str, now: int, limit: int, lease: int, *, urgent: bool = False) -> list[Delivery]:
        """Take what is due; see `Outbox`."""
        with self._store.lock:
            due = [row for row, *_ in self._due(channel, now, urgent=urgent)]
            taken = sorted(due, key=lambda row: (row.next_at, row.delivery.id))[:limit]
            for row in taken:
                row.next_at = now + lease
            return [row.delivery for row in taken]

    def record(self, outcomes: Sequence[Outcome]) -> None:
        """Keep what came of tries; see `Outbox`."""
        with self._store.lock:
            for delivery, at, error, retry_at, fallback in outcomes:
                row = self._tried(delivery.id, at, error)
                row.delivery = replace(row.delivery, attempts=row.delivery.attempts + 1)
                if error is None:
                    self._end([row], delivered_at=at)
                    if fallback is not None:
                        self._follow(row, fallback, at)
                elif row.pending and retry_at is not None:
                    row.next_at = retry_at
                elif row.pending:
                    self._end([row], gave_up_at=at)
                    if fallback is not None:
                        self._divert([row], fallback, at)

    def release(self, deliveries: Sequence[Delivery]) -> None:
        """Make rows due again; see `Outbox`."""
        with self._store.lock:
            for delivery in deliveries:
                row = self._store.outbox[delivery.id]
                if row.pending and row.digest is None:
                    row.next_at = 0

    def wake(self, channel: str, after: int) -> None:
        """Make due what waits for long; see `Outbox`."""
        with self._store.lock:
            for row in self._store.outbox.values():
                if row.pending and row.digest is None and row.delivery.channel == channel and row.next_at > after:
                    row.next_at = 0

    def join(self, channel: str, now: int, before: int, render: Render, *, urgent: bool = False) -> int:
        """Make one digest of what is due; see `Outbox`."""
        with self._store.lock:
            queues = [some for some in self._due(channel, now, urgent=urgent) if not some[0].delivery.attempts]
            waiting = [row for queue in queues for row in queue if row.created < before and not row.is_digest]
            rows = sorted(waiting, key=lambda row: row.delivery.id)[:MOST]
            if len(rows) < 2:
                return 0
            message, id_ = uuid4(), self._store.next_id()
            made = Delivery(
                id=id_, message=message, transition=message, alert=message, channel=channel,
                payload=render([row.delivery for row in rows], message), attempts=0,
            )  # fmt: skip
            critical = any(row.severity == Severity.CRITICAL for row in rows)
            self._store.outbox[id_] = Waiting(made, now, severity="critical" if critical else "warning")
            for row in rows:
                row.digest, row.next_at = id_, FAR
            return len(rows)

    def divert(self, channel: str, to: str, now: int) -> int:
        """Copy what waits to another channel; see `Outbox`."""
        with self._store.lock:
            rows = self._store.outbox.values()
            waiting = [row for row in rows if row.pending and row.digest is None and row.delivery.channel == channel]
            return self._divert(waiting, to, now)

    def redrive(self, since: int, now: int, channel: str | None = None, alert: UUID | None = None) -> Mapping[str, int]:
        """Make due again what was given up; see `Outbox`."""
        with self._store.lock:
            rows = self._store.outbox
            about = {row.digest for row in rows.values() if row.delivery.alert == alert}
            chosen = {
                id_: row
                for id_, row in rows.items()
                if row.gave_up_at is not None and row.gave_up_at >= since and row.digest is None
                if channel in (None, row.delivery.channel)
                if alert in (None, row.delivery.alert) or id_ in about
            }
            for row in chosen.values():
                row.delivery = replace(row.delivery, attempts=0)
                row.gave_up_at, row.next_at, row.redriven = None, 0, now
            for row in rows.values():
                if row.digest in chosen and row.gave_up_at is not None:
                    row.gave_up_at, row.next_at = None, FAR
            return Counter(row.delivery.channel for row in chosen.values())

    def expire(
        self, before: int, now: int, reason: str, limit: int, stand_ins: Mapping[str, str] | None = None
    ) -> Mapping[str, int]:
        """Give up what is too old; see `Outbox`."""
        with self._store.lock:
            waiting = [row for row in self._store.outbox.values() if row.pending and row.digest is None]
            old = [row for row in waiting if max(row.created, row.redriven or 0) < before][:limit]
            for row in old:
                self._tried(row.delivery.id, now, reason)
            self._end(old, gave_up_at=now)
            for channel, to in (stand_ins or {}).items():
                self._divert([row for row in old if row.delivery.channel == channel], to, now)
            return Counter(row.delivery.channel for row in old)

    def backlog(self) -> Backlog:
        """What waits and what was given up; see `Outbox`."""
        with self._store.lock:
            rows, queues = self._store.outbox, dict[str, Queue]()
            waiting = {number: row for number, row in rows.items() if row.pending and row.digest is None}
            for row in waiting.values():
                name, found = row.delivery.channel, queues.get(row.delivery.channel, Queue(0, row.created, row.next_at))
                oldest, next_at = min(found.oldest, row.created), min(found.next_at, row.next_at)
                queues[name] = Queue(found.waiting + 1, oldest, next_at, found.tried + (row.delivery.attempts > 0))
            errors = [error for number, _, error in self.attempts if number in waiting and error is not None]
            dead = [row for row in rows.values() if row.gave_up_at is not None and row.digest is None]
            return Backlog(queues, Counter(row.delivery.channel for row in dead), errors[-1] if errors else "")

    def _due(self, channel: str, now: int, *, urgent: bool) -> list[list[Waiting]]:
        """The queues, by alert, whose head is due."""
        queues: dict[UUID, list[Waiting]] = {}
        for _, row in sorted(self._store.outbox.items()):
            if row.pending and row.delivery.channel == channel:
                queues.setdefault(row.delivery.alert, []).append(row)
        due = [queue for queue in queues.values() if queue[0].next_at <= now]
        return [queue for queue in due if not urgent or any(row.severity == Severity.CRITICAL for row in queue)]

    def _end(self, rows: Collection[Waiting], **values: int) -> None:
        """They are delivered or given up, with what was joined into them."""
        ids = {row.delivery.id for row in rows}
        members = (row for row in self._store.outbox.values() if row.digest in ids and row.delivered_at is None)
        for row in (*rows, *members):
            row.gave_up_at = None
            for name, at in values.items():
                setattr(row, name, at)

    def _follow(self, row: Waiting, to: str, now: int) -> None:
        """Copy what has arrived where an earlier message of its alert was copied."""
        rows = [each for _, each in sorted(self._store.outbox.items())]
        arrived = [row, *(each for each in rows if each.digest == row.delivery.id)]
        known = [each.delivery for each in rows if each.diverted is not None]
        for each in arrived:
            of, channel, id_ = each.delivery.alert, each.delivery.channel, each.delivery.id
            if any((it.alert, it.channel) == (of, channel) and it.id < id_ for it in known):
                self._divert([each], to, now)

    def _divert(self, rows: Iterable[Waiting], to: str, now: int) -> int:
        fresh = [row for row in rows if row.diverted is None]
        known = {(row.delivery.transition, row.delivery.channel) for row in self._store.outbox.values()}
        for row in fresh:
            for each in self._store.outbox.values():
                if row.delivery.id in (each.delivery.id, each.digest) and each.diverted is None:
                    each.diverted = now
            if (row.delivery.transition, to) in known or (row.is_digest and row.origin is not None):
                continue
            id_ = self._store.next_id()
            text = marked(row.delivery.payload, row.delivery.channel)
            copy = replace(row.delivery, id=id_, channel=to, payload=text, attempts=0)
            self._store.outbox[id_] = Waiting(copy, now, severity=row.severity, origin=row.delivery.id)
        return len(fresh)

    def _tried(self, id_: int, at: int, error: str | None) -> Waiting:
        self.attempts.append((id_, at, error))
        return self._store.outbox[id_]
