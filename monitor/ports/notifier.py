"""The seam to notification channels, and the outbox that the dispatcher drains."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from monitor.records.alerts import Delivery


class Outbox(Protocol):
    """Notifications that are due. Used by the dispatcher's thread, with a connection of its own."""

    def due(self, now: int, limit: int, skip: Collection[str] = ()) -> list[Delivery]:
        """Oldest first, at most one per (alert, channel), so that the order within an alert is kept. `now` in ns.

        Rows of the channels in `skip` are left out and do not count, so that a dead channel cannot starve the others.
        """
        ...

    def delivered(self, delivery: Delivery, at: int) -> None:
        """The receiver accepted it: done."""
        ...

    def failed(self, delivery: Delivery, at: int, error: str, retry_at: int | None) -> None:
        """Record the attempt; try again at `retry_at`, or never when it is None."""
        ...


class Notifier(Protocol):
    """A way to tell somebody. Slow and unreliable by nature: called by the dispatcher only."""

    def send(self, delivery: Delivery) -> None:
        """Deliver or raise NotifyError; a repeat carries the same transition id, so that receivers can drop it."""
        ...
