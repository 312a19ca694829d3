"""The seam to notification channels, and the outbox that the dispatcher drains.

Called by the dispatcher only, on threads with SQL connections that scoring does not use: both ports may block.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from monitor.records.alerts import Delivery


class Queue(NamedTuple):
    """What waits for one channel: how many messages, since when the oldest does, and when the next one is due.

    Times are wall clock, ns. A message that a dispatcher holds is due when its lease ends.
    """

    waiting: int
    oldest: int
    next_at: int


@dataclass(frozen=True, slots=True)
class Backlog:
    """What has not been delivered, by channel.

    `given_up` counts what will not be tried again; `error` is the newest failure of what waits, "" = none.
    """

    queues: Mapping[str, Queue] = field(default_factory=dict)
    given_up: int = 0
    error: str = ""

    @property
    def waiting(self) -> int:
        """Messages of all channels."""
        return sum(queue.waiting for queue in self.queues.values())

    @property
    def oldest(self) -> int | None:
        """Since when the oldest one waits; None where none does."""
        return min((queue.oldest for queue in self.queues.values()), default=None)


class Outcome(NamedTuple):
    """One try, at `at`: accepted where there is no `error`; else due again at `retry_at`, never where that is None.

    Times are wall clock, ns.
    """

    delivery: Delivery
    at: int
    error: str | None = None
    retry_at: int | None = None


class Outbox(Protocol):
    """Notifications that are due. Rows appear when a commit that holds them is durable.

    Each method is one transaction and raises StoreError when it fails; nothing is changed then, and the dispatcher asks
    again later. Several dispatchers may share one outbox, and each takes the rows of its channels only.
    """

    def claim(self, channel: str, now: int, limit: int, lease: int) -> list[Delivery]:
        """Lease what is due at `now` to the caller for `lease` (ns), what has been due for longest first.

        At most one message of each alert, its oldest, so that the order within an alert is kept. A lease that ends
        before `record` or `release` makes the row due again: a receiver may get a message twice, with the same id.
        Fewer than `limit` does not mean that no more are due; none does.
        """
        ...

    def record(self, outcomes: Sequence[Outcome]) -> None:
        """Keep what came of tries; what is not due again is never offered again. Called after every few tries."""
        ...

    def release(self, deliveries: Sequence[Delivery]) -> None:
        """Make rows due again that were taken and not tried."""
        ...

    def wake(self, channel: str, after: int) -> None:
        """Make due what waits longer than until `after` (ns), later than any lease: the receiver answers again."""
        ...

    def expire(self, before: int, now: int, reason: str, limit: int) -> Mapping[str, int]:
        """Give up what was written before `before`, of whatever channel; how many by channel, `limit` at most.

        Called now and then, so that the outbox is bounded also where nothing reads a channel. Times in ns.
        """
        ...

    def backlog(self) -> Backlog:
        """What waits and what was given up; called when a worker ends, and to show it."""
        ...


class Notifier(Protocol):
    """A channel that notifications are sent to: slow and unreliable by nature."""

    @property
    def timeout(self) -> float:
        """The longest time that `send` blocks, seconds."""
        ...

    def send(self, delivery: Delivery) -> None:
        """Deliver one notification; done when the receiver has confirmed that it keeps it.

        Called by several threads at once, for different alerts; may block for `timeout`. Raises NotifyError:
        `permanent` where a repeat cannot help, `refused` where only this message is not wanted, `retry_after` where the
        receiver asked for a pause. A repeat carries the same transition id, so that receivers can drop it.
        """
        ...
