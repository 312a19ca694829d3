"""The outbox and people's commands of a `MemoryStore`. Shipped with `monitor.testing`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import UUID

from monitor.alerts.lifecycle import merge
from monitor.errors import SettingsError
from monitor.ports.alert_commands import Answer
from monitor.ports.notifier import Backlog
from monitor.ports.store import Announce, silent
from monitor.records.alerts import Command, Delivery

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

    def __init__(self, store: MemoryStore, lease: int = 60 * 10**9) -> None:
        self._store = store
        self._lease = lease
        self.attempts: list[tuple[int, int, str | None]] = []

    def due(self, now: int, limit: int, skip: Collection[str] = ()) -> list[Delivery]:
        """What to send now, oldest first; see `Outbox`."""
        with self._store.lock:
            heads: dict[tuple[UUID, str], Waiting] = {}
            for _, row in sorted(self._store.outbox.items()):
                if row.pending:
                    heads.setdefault((row.delivery.alert, row.delivery.channel), row)
            ready = [row for row in heads.values() if row.next_at <= now and row.delivery.channel not in skip][:limit]
            for row in ready:
                row.next_at = now + self._lease
            return [row.delivery for row in ready]

    def delivered(self, delivery: Delivery, at: int) -> None:
        """The receiver accepted it; see `Outbox`."""
        with self._store.lock:
            row = self._record(delivery, at, None)
            row.delivered_at, row.gave_up_at = at, None

    def failed(self, delivery: Delivery, at: int, error: str, retry_at: int | None) -> None:
        """Record the attempt; try again at `retry_at`, or never when it is None; see `Outbox`."""
        with self._store.lock:
            row = self._record(delivery, at, error)
            if retry_at is None:
                row.gave_up_at = at
            else:
                row.next_at = retry_at

    def backlog(self) -> Backlog:
        """What waits and what was given up; see `Outbox`."""
        with self._store.lock:
            rows = self._store.outbox
            waiting = {number for number, row in rows.items() if row.pending}
            errors = [error for number, _, error in self.attempts if number in waiting and error is not None]
            return Backlog(
                len(waiting), min((rows[number].created for number in waiting), default=None),
                min((rows[number].next_at for number in waiting), default=None),
                sum(row.gave_up_at is not None for row in rows.values()), errors[-1] if errors else "",
            )  # fmt: skip

    def _record(self, delivery: Delivery, at: int, error: str | None) -> Waiting:
        self.attempts.append((delivery.id, at, error))
        row = self._store.outbox[delivery.id]
        row.delivery = replace(row.delivery, attempts=row.delivery.attempts + 1)
        return row


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
            merged = merge(alert, commands=[command], recorded=store.recorded({alert.id}).get(alert.id))
            if merged.changes:
                store.save([merged], self._announce)
            (answered,) = merged.commands
            store.keep_command(*answered)
            return Answer(merged.alert, answered.refused)

    def close(self) -> None:
        """Nothing to give back."""
