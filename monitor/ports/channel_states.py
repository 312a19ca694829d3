"""What the dispatchers of one channel share beside its messages, so that several act as one."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Allowance(NamedTuple):
    """How many tries a channel was free to make; where that is none, when the next one may be (wall clock, ns)."""

    free: int
    next_at: int


class Beat(NamedTuple):
    """A heartbeat that is to be sent: when, of how many living workers, and their newest commit (wall clock, ns)."""

    at: int
    workers: int
    committed: int


class ChannelStates(Protocol):
    """States of channels, by name. Each method is one transaction and raises StoreError when it fails."""

    def spend(self, channel: str, now: int, per_minute: int, tries: int) -> Allowance:
        """Count `tries` at `now` (ns), as far as `per_minute` in any 60 s allows; how many were free before them."""
        ...

    def failing(self, channel: str, now: int) -> int:
        """A try has failed: since when the channel fails (wall clock, ns), `now` where it did not before."""
        ...

    def answered(self, channel: str) -> None:
        """A try has succeeded: the channel does not fail."""
        ...

    def beat(self, channel: str, period: int, commit_age: int) -> Beat | None:
        """Take the heartbeat that is due now, for this process alone; None where none is.

        None is due within `period` (ns) of the one before, and while no worker has committed for `commit_age` (ns).
        """
        ...
