"""The in-memory twin of the states of channels."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from monitor.ports.channel_states import Allowance, Beat
from monitor.store.channel_states import allowed, next_beat

if TYPE_CHECKING:
    from monitor.store.memory import MemoryStore


@dataclass(slots=True)
class ChannelState:
    """A row."""

    failing_since: int | None = None
    beat_at: int | None = None
    sent: list[int] = field(default_factory=list)


class MemoryChannelStates:
    """The states of a `MemoryStore`'s channels; `committed` is what workers last reported of their commits, ns."""

    def __init__(self, store: MemoryStore, committed: int | None = None) -> None:
        self._store = store
        self.committed = committed

    def spend(self, channel: str, now: int, per_minute: int, tries: int) -> Allowance:
        """Count tries as far as the rate allows; see `ChannelStates`."""
        with self._store.lock:
            state = self._state(channel)
            found, state.sent = allowed(state.sent, now, per_minute, tries)
            return found

    def failing(self, channel: str, now: int) -> int:
        """Since when the channel fails; see `ChannelStates`."""
        with self._store.lock:
            state = self._state(channel)
            state.failing_since = now if state.failing_since is None else state.failing_since
            return state.failing_since

    def answered(self, channel: str) -> None:
        """The channel does not fail; see `ChannelStates`."""
        with self._store.lock:
            self._state(channel).failing_since = None

    def beat(self, channel: str, period: int, commit_age: int) -> Beat | None:
        """Take the heartbeat that is due; see `ChannelStates`."""
        now = time.time_ns()
        with self._store.lock:
            state = self._state(channel)
            at = next_beat(state.beat_at, now, period)
            if at is None or self.committed is None or now - self.committed > commit_age:
                return None
            state.beat_at = at
            return Beat(now, 1, self.committed)

    def _state(self, channel: str) -> ChannelState:
        return self._store.channels.setdefault(channel, ChannelState())
