"""What the spans of a family come to: its grid in nanoseconds and slots, and the shape of its windows in readings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor.records.batches import Int64


@dataclass(frozen=True, slots=True)
class Grid:
    """The slots on which a family's readings are put: slot n is the time n x `interval` (ns).

    `lateness`, `max_gap` and `max_age` are in slots. Without an interval there is no grid: the slot is the time itself,
    nothing is reordered and nothing is filled.
    """

    interval: int | None
    lateness: int = 0
    max_gap: int = 0
    max_age: int = 0

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
