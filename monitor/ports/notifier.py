"""The seam to notification channels, and the outbox that the dispatcher drains.

Called by the dispatcher only, on a thread with an SQL connection that scoring does not use: both ports may block.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from monitor.records.alerts import Delivery


@dataclass(frozen=True, slots=True)
class Backlog:
    """What has not been delivered: how many wait, since when the oldest does, and when the next one is due.

    `given_up` counts what will not be tried again; `error` is the newest failure of what waits, "" = none. Times are
    wall clock, ns, and None where nothing waits.
    """

    waiting: int = 0
    oldest: int | None = None
    next_at: int | None = None
    given_up: int = 0
    error: str = ""


class Outbox(Protocol):
    """Notifications that are due. Rows appear when a commit that holds them is durable.

    Each method is one transaction and raises StoreError when it fails; nothing is changed then, and the dispatcher asks
    again later. Several dispatchers may share one outbox.
    """

    def due(self, now: int, limit: int, skip: Collection[str] = ()) -> list[Delivery]:
        """Lease what is due at `now` (ns) to the caller, oldest first; called before each delivery.

        At most one per (alert, channel), so that the order within an alert is kept. Rows of the channels in `skip` are
        left out and do not count, so that a dead channel cannot starve the others. A lease that runs out before
        `delivered` or `failed` makes the row due again: a receiver may get a message twice, with the same id.
        """
        ...

    def delivered(self, delivery: Delivery, at: int) -> None:
        """Record the attempt and never offer the row again; called when the receiver has accepted it. `at` in ns."""
        ...

    def failed(self, delivery: Delivery, at: int, error: str, retry_at: int | None) -> None:
        """Record the attempt and offer the row again from `retry_at` on, or never when it is None. Times in ns."""
        ...

    def backlog(self) -> Backlog:
        """What waits and what was given up; called when a worker ends, and to show it."""
        ...


class Notifier(Protocol):
    """A channel that notifications are sent to: slow and unreliable by nature."""

    def send(self, delivery: Delivery) -> None:
        """Deliver one notification; done when the receiver has confirmed that it keeps it.

        May block for the channel's timeout, a few seconds; the other channels wait meanwhile. Raises NotifyError:
        `permanent` where a repeat cannot help, `retry_after` where the receiver asked for a pause. A repeat carries the
        same transition id, so that receivers can drop it.
        """
        ...
