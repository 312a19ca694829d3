"""What the spans of a family come to: its grid in nanoseconds and slots, and the shape of its windows in readings."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from monitor.records.batches import Int64

_DAY = 24 * 3600 * 10**9
_CONFIRMING = 30 * _DAY


@dataclass(frozen=True, slots=True)
class Grid:
    """The slots on which a family's readings are put: slot n is the time n x `interval` (ns).

    `lateness`, `max_gap` and `max_age` are in slots. Without an interval there is no grid: the slot is the time itself,
    nothing is reordered and nothing is filled. `max_jump` is in ns; 0: as far as `jump` says.
    """

    interval: int | None
    lateness: int = 0
    max_gap: int = 0
    max_age: int = 0
    max_jump: int = field(default=0, repr=False)  # no part of what a saved state means

    @property
    def jump(self) -> int:
        """How many slots ahead of its stream's clock a reading may be to be believed at once.

        By default, and at least, what is in order after readings that are late and a gap that is filled in; a day where
        there is no grid.
        """
        if self.interval is None:
            return self.max_jump or _DAY
        return max(-(-self.max_jump // self.interval), self.lateness + self.max_gap + 1)

    @property
    def confirming(self) -> int:
        """How many slots after a reading that jumped ahead the next one may be to confirm it."""
        return max(self.jump, _CONFIRMING // (self.interval or 1))

    def slots(self, time: Int64) -> Int64:
        """The slot nearest to each time."""
        if self.interval is None:
            return time
        return np.asarray((time + self.interval // 2) // self.interval, dtype=np.int64)

    def times(self, slot: Int64) -> Int64:
        """Time of each slot, ns."""
        return slot if self.interval is None else slot * self.interval


@dataclass(frozen=True, slots=True)
class Shape:
    """Windows of `length` readings, one every `hop` readings; `width` is the count of numbers in one message's reading.

    `width` is the number of channels, or length x channels where each message is a whole window.
    """

    length: int
    hop: int
    channels: int
    width: int

    @property
    def window(self) -> tuple[int, int]:
        """(length, channels)."""
        return self.length, self.channels

    @property
    def numbers(self) -> int:
        """Numbers in one window."""
        return self.length * self.channels
