"""The rule of `clocks` for one stream: what becomes of its readings that jump ahead, one after the other.

A stream on a grid whose readings may be 5 slots ahead. The one at 1000 has jumped, and the next one goes on as before:

>>> grid = Grid(interval=10**10, lateness=1, max_gap=3)
>>> jumps = Jumps(grid, clock=7, held=None)
>>> [(row, fate.name) for row, fate in jumps.walk(np.array([8, 1000, 9, 10]), np.array([1]))]
[(1, 'HELD'), (2, 'SET_ASIDE')]
>>> [(row, fate.name) for row, fate in jumps.walk(np.array([1000, 1001, 1002]), np.array([0]))]
[(0, 'HELD'), (1, 'BEFORE')]
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto

import numpy as np

from monitor.config.resolved import Grid
from monitor.records.batches import NEVER, Int64


class Fate(Enum):
    """What happens at a reading. `HELD` and `JOINED` are about itself, the others about the one that is held."""

    HELD = auto()
    JOINED = auto()  # it belongs to the slot of the held one
    SET_ASIDE = auto()
    BEFORE = auto()  # believed, in place before this one
    AFTER = auto()  # believed, in place after this one


Fates = Iterator[tuple[int, Fate]]


class Jumps:
    """`clock` is the stream's (NEVER: none yet), `held` the slot of the reading it holds. It moves on with the walk."""

    def __init__(self, grid: Grid, clock: int, held: int | None) -> None:
        self._jump, self._confirming = grid.jump, grid.confirming
        self.clock, self._held = clock, held

    def walk(self, slots: Int64, doubtful: Int64) -> Fates:
        """Fates at the readings (n,); `doubtful` are those that may be too far after the one before, in order."""
        at, end = 0, len(slots)
        while at < end:
            if self._held is None:
                rest = np.searchsorted(doubtful, at)
                sure = int(doubtful[rest]) if rest < len(doubtful) else end
                self.clock = max(self.clock, int(slots[at:sure].max(initial=NEVER)))
                at = sure
            if at < end:
                for fate in self._decide(int(slots[at])):
                    yield at, fate
                at += 1

    def _decide(self, slot: int) -> Iterator[Fate]:
        held = self._held
        if held is None:
            yield from self._meet(slot)
        elif slot == held:
            yield Fate.JOINED
        elif self.clock == NEVER and slot < held - self._jump:
            self.clock = slot
        elif self.clock != NEVER and slot <= self.clock + self._jump:
            yield from self._move(held, slot)
        elif self.clock == NEVER or held - self._jump <= slot <= held + self._confirming:
            self.clock, self._held = max(self.clock, held), None
            yield Fate.AFTER if slot < held else Fate.BEFORE
            yield from self._meet(slot)
        else:
            yield Fate.SET_ASIDE
            yield from self._hold(slot)

    def _meet(self, slot: int) -> Iterator[Fate]:
        """A reading while nothing is held."""
        if self.clock == NEVER or slot > self.clock + self._jump:
            yield from self._hold(slot)
        else:
            self.clock = max(self.clock, slot)

    def _move(self, held: int, slot: int) -> Iterator[Fate]:
        """A reading near the old clock: one that moves it decides about the held one."""
        if slot <= self.clock:
            return
        self.clock, self._held = slot, None
        if held <= slot + self._jump:
            self.clock = max(slot, held)
            yield Fate.AFTER
        else:
            yield Fate.SET_ASIDE

    def _hold(self, slot: int) -> Iterator[Fate]:
        self._held = slot
        yield Fate.HELD
