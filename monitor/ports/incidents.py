"""The seam to incidents about which something is to be said: the dispatcher's threads turn them into messages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol
from uuid import UUID

from monitor.records.alerts import Alert
from monitor.records.incidents import Incident


class News(NamedTuple):
    """What is to be said of an incident: `what` is "opened", "updated" or "resolved", `at` the event time of it.

    `alerts` are its members, in any order. `store` is the identity of their store.
    """

    what: str
    at: int
    incident: Incident
    alerts: Sequence[Alert]
    store: UUID


AnnounceIncident = Callable[[News], list[tuple[str, str]]]  # (channel, JSON payload) pairs


class IncidentMessages(Protocol):
    """Messages about incidents, written to the outbox when they are due. Any process may do it; each is made once."""

    def write_due(self, now: int) -> int:
        """Make what is due at `now` (wall clock, ns); returns how many messages. May block. Raises StoreError."""
        ...

    def close(self) -> None:
        """Give connections back."""
        ...
