"""The outbox and people's commands of a `MemoryStore`. Shipped with `monitor.testing`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import UUID

from monitor.alerts.lifecycle import merge
from monitor.errors import SettingsError
from monitor.ports.alert_commands import Answer
from monitor.ports.notifier import Backlog, Outcome, Queue
from monitor.ports.store import Announce, silent
from monitor.records.alerts import Command, CommandKind, Delivery

if TYPE_CHECKING:
    from monitor.store.memory import MemoryStore


@dataclass(slots=True)
class Waiting:
    """An outbox row."""

    delivery: Delivery
    created: int = 0
    next_at: int = 0
    delivered_at: int | None = None
    gave_up_at: int | None = None

    @property
    def pending(self) -> bool:
        """Still to be sent."""
        return self.delivered_at is None and self.gave_up_at is None


class MemoryOutbox:
    """The outbox of a `MemoryStore`. `attempts` holds (outbox id, time, error or None)."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.attempts: list[tuple[int, int, str | None]] = []

    def claim(self, channel: str, now: int, limit: int, lease: int) -> list[Delivery]:
        """Take what is due; see `Outbox`."""
        with self._store.lock:
            heads: dict[UUID, Waiting] = {}
            for _, row in sorted(self._store.outbox.items()):
                if row.pending and row.delivery.channel == channel:
                    heads.setdefault(row.delivery.alert, row)
            due = [row for row in heads.values() if row.next_at <= now]
            taken = sorted(due, key=lambda row: (row.next_at, row.delivery.id))[:limit]
            for row in taken:
                row.next_at = now + lease
            return [row.delivery for row in taken]

    def record(self, outcomes: Sequence[Outcome]) -> None:
        """Keep what came of tries; see `Outbox`."""
        with self._store.lock:
            for delivery, at, error, retry_at in outcomes:
                row = self._tried(delivery.id, at, error)
                row.delivery = replace(row.delivery, attempts=row.delivery.attempts + 1)
                if error is None:
                    row.delivered_at, row.gave_up_at = at, None
                elif row.pending and retry_at is not None:
                    row.next_at = retry_at
                elif row.pending:
                    row.gave_up_at = at

    def release(self, deliveries: Sequence[Delivery]) -> None:
        """Make rows due again; see `Outbox`."""
        with self._store.lock:
            for delivery in deliveries:
                self._store.outbox[delivery.id].next_at = 0

    def wake(self, channel: str, after: int) -> None:
        """Make due what waits for long; see `Outbox`."""
        with self._store.lock:
            for row in self._store.outbox.values():
                if row.pending and row.delivery.channel == channel and row.next_at > after:
                    row.next_at = 0

    def expire(self, before: int, now: int, reason: str, limit: int) -> Mapping[str, int]:
        """Give up what is too old; see `Outbox`."""
        with self._store.lock:
            old = [id_ for id_, row in self._store.outbox.items() if row.pending and row.created < before][:limit]
            for id_ in old:
                self._tried(id_, now, reason).gave_up_at = now
            return Counter(self._store.outbox[id_].delivery.channel for id_ in old)

    def backlog(self) -> Backlog:
        """What waits and what was given up; see `Outbox`."""
        with self._store.lock:
            rows, queues = self._store.outbox, dict[str, Queue]()
            waiting = {number: row for number, row in rows.items() if row.pending}
            for row in waiting.values():
                name, found = row.delivery.channel, queues.get(row.delivery.channel, Queue(0, row.created, row.next_at))
                oldest, next_at = min(found.oldest, row.created), min(found.next_at, row.next_at)
                queues[name] = Queue(found.waiting + 1, oldest, next_at)
            errors = [error for number, _, error in self.attempts if number in waiting and error is not None]
            given_up = sum(row.gave_up_at is not None for row in rows.values())
            return Backlog(queues, given_up, errors[-1] if errors else "")

    def _tried(self, id_: int, at: int, error: str | None) -> Waiting:
        self.attempts.append((id_, at, error))
        return self._store.outbox[id_]


class MemoryAlertCommands:
    """`AlertCommands` over a `MemoryStore`."""

    def __init__(self, store: MemoryStore, announce: Announce = silent) -> None:
        self._store, self._announce = store, announce

    def give(self, command: Command) -> Answer:
        """Merge a command with the stored alert; see `AlertCommands`."""
        store = self._store
        with store.lock:
            alert = store.alerts.get(command.alert)
            if alert is None:
                raise SettingsError(f"there is no alert {command.alert}")
            for earlier, refused in store.commands.values():
                if earlier.id == command.id:
                    return Answer(alert, refused)
            stream = store.streams.get((alert.run, alert.family, alert.stream), 0)
            if command.kind is CommandKind.EXPECT and command.effective is None and stream in store.states:
                command = replace(command, effective=store.states[stream].last_time)
            merged = merge(alert, commands=[command], recorded=store.recorded({alert.id}).get(alert.id))
            if merged.changes:
                store.save([merged], self._announce)
            (answered,) = merged.commands
            store.keep_command(*answered)
            if command.kind is CommandKind.EXPECT and not answered.refused:
                store.versions[stream] += 1
            return Answer(merged.alert, answered.refused)

    def close(self) -> None:
        """Nothing to give back."""
