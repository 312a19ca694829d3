"""The seam to notification channels, and the outbox that the dispatcher drains.

Called by the dispatcher only, on threads with SQL connections that scoring does not use: both ports may block.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, runtime_checkable
from uuid import UUID

from monitor.ports.channel_states import ChannelStates
from monitor.records.alerts import Delivery, Evidence

# What waits, in order, and the digest's id, to its payload
Render = Callable[[Sequence[Delivery], UUID], str]


class Queue(NamedTuple):
    """What waits for one channel: how many messages, since when the oldest does, and when the next one is due.

    Times are wall clock, ns. A message that a dispatcher holds is due when its lease ends. `tried` counts those that
    did not arrive before.
    """

    waiting: int
    oldest: int
    next_at: int
    tried: int = 0


@dataclass(frozen=True, slots=True)
class Backlog:
    """What has not been delivered, by channel.

    `dead` counts what will not be tried again, by channel; `error` is the newest failure of what waits, "" = none.
    `held` says of channels until when a rule of theirs keeps what waits back; only a dispatcher knows it.
    """

    queues: Mapping[str, Queue] = field(default_factory=dict)
    dead: Mapping[str, int] = field(default_factory=dict)
    error: str = ""
    held: Mapping[str, str] = field(default_factory=dict)

    @property
    def failing(self) -> int:
        """Messages of channels of which no rule keeps them back."""
        return sum(queue.waiting for name, queue in self.queues.items() if name not in self.held)

    @property
    def given_up(self) -> int:
        """Messages of all channels that will not be tried again."""
        return sum(self.dead.values())

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

    Times are wall clock, ns. What is not due again goes to the channel `fallback` too, and so does what is accepted of
    an alert of which an earlier message was copied to that channel: it gets the end as well.
    """

    delivery: Delivery
    at: int
    error: str | None = None
    retry_at: int | None = None
    fallback: str | None = None


class Outbox(Protocol):
    """Notifications that are due. Rows appear when a commit that holds them is durable.

    Each method is one transaction and raises StoreError when it fails; nothing is changed then, and the dispatcher asks
    again later. Several dispatchers may share one outbox, and each takes the rows of its channels only.
    """

    @property
    def channels(self) -> ChannelStates:
        """What the dispatchers of a channel share beside its messages."""
        ...

    def claim(self, channel: str, now: int, limit: int, lease: int, *, urgent: bool = False) -> list[Delivery]:
        """Lease what is due at `now` to the caller for `lease` (ns), what has been due for longest first.

        At most one message of each alert, its oldest, so that the order within an alert is kept. A lease that ends
        before `record` or `release` makes the row due again: a receiver may get a message twice, with the same id.
        Fewer than `limit` does not mean that no more are due; none does. `urgent`: only of alerts of which a critical
        change waits, and digests that hold one.
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

    def join(self, channel: str, now: int, before: int, render: Render, *, urgent: bool = False) -> int:
        """Make one digest of what is due at `now` and was written before `before` (ns); returns how many messages.

        They wait for the digest, which is due at once, and end as it ends. What follows of their alerts comes after
        it. Fewer than two messages are left as they are: 0. Digests are not joined, nor is a message that was tried
        already, with what follows of its alert: the receiver may know it, by its id.
        """
        ...

    def divert(self, channel: str, to: str, now: int) -> int:
        """Copy what waits for a channel that has failed for long to another one, once each; returns how many.

        A copy has the id of its message and says `fallback_for`; where the other channel has the message already,
        there is no copy.
        """
        ...

    def redrive(self, since: int, now: int, channel: str | None = None, alert: UUID | None = None) -> Mapping[str, int]:
        """Make due again what was given up from `since` on (ns), with its id; how many by channel."""
        ...

    def expire(
        self, before: int, now: int, reason: str, limit: int, stand_ins: Mapping[str, str] | None = None
    ) -> Mapping[str, int]:
        """Give up what was written before `before`, of whatever channel; how many by channel, `limit` at most.

        Called now and then, so that the outbox is bounded also where nothing reads a channel. Times in ns. It goes to
        the channel that stands in for its channel too.
        """
        ...

    def backlog(self) -> Backlog:
        """What waits and what was given up; called when a worker ends, and to show it."""
        ...


class DeliveredMessages(Protocol):
    """What receivers know of alerts, and what a channel may add to a message. Reads only; raises StoreError."""

    def open_alerts(self) -> list[UUID]:
        """The alerts of the live run that are not resolved."""
        ...

    def newest(self, channel: str, alerts: Sequence[UUID]) -> list[Delivery]:
        """The newest message of each of these alerts that the channel has delivered; none of the others."""
        ...

    def evidence(self, alert: UUID) -> Evidence | None:
        """Why an alert opened; None where nothing is kept of it."""
        ...


class Notifier(Protocol):
    """A channel that notifications are sent to: slow and unreliable by nature."""

    @property
    def timeout(self) -> float:
        """The longest time that `send` blocks, seconds."""
        ...

    def send(self, delivery: Delivery) -> str | None:
        """Deliver one notification; done when the receiver has confirmed that it keeps it. Returns what it answered.

        Called by several threads at once, for different alerts; may block for `timeout`. Raises NotifyError:
        `permanent` where a repeat cannot help, `refused` where only this message is not wanted, `retry_after` where the
        receiver asked for a pause. A repeat carries the same transition id, so that receivers can drop it.
        """
        ...


class Previewed(Notifier, Protocol):
    """A notifier of the registry: it shows what it would send."""

    def preview(self, delivery: Delivery) -> str:
        """What `send` would transmit, without secrets. Connects to nothing. Raises NotifyError."""
        ...


@runtime_checkable
class Illustrated(Notifier, Protocol):
    """A notifier whose receiver may get a picture of the evidence."""

    def illustrate(self, evidence: Callable[[UUID], Evidence | None]) -> None:
        """Take the evidence behind an alert from there. Called before the first `send`."""
        ...
