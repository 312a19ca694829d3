"""Alerts that stay open although the score is calm again: the level of the stream has not come back.

For recipes whose score follows a new level while an alert is open. An alert that would resolve is *held* while the
readings stay away from what was usual before it. It ends when they come back, when a person expects the new level, or
when the stream's next alert opens: at an anomaly that would open one if this had resolved, away from this level too.

Before it is held, too, an alert gives way to the next one: where the anomaly has grown by `GROWN` since it opened. A
slight sign must not hide the fault that follows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from monitor.pipeline.state.columns import Columns, Spec
from monitor.records.batches import NEVER, Float32, Int64, Windows
from monitor.records.times import iso

HELD: dict[str, Spec] = {
    "held": (np.int64, (), NEVER),  # since when, ns; NEVER = not
    "channel": (np.int16, (), 0),  # which one stays away
    "level": (np.float32, (), 0.0),  # where it was then
    "usual": (np.float32, (), 0.0),  # and where it would have been
}
BEGAN: dict[str, Spec] = {"began": (np.float32, (), np.inf)}  # the ratio at which the alert opened
GROWN = 4 / 3
SUPERSEDED = "the next alert of the stream opened, before its level was back"
OUTGROWN = "the next alert of the stream opened, as the anomaly had grown"


class Level(Protocol):
    """What is usual for each stream; windows are given in time order by stream."""

    def follow(self, windows: Windows, rows: Int64) -> None:
        """Learn from the newest readings of the windows at these rows, whose streams have no alert."""
        ...

    def away(self, windows: Windows, row: int) -> float:
        """How far the readings are from what is usual, in what counts as away: 1 and more; 0 = not known.

        Called for one window after the other of streams that have an alert, or may get one at it.
        """
        ...

    def learn(self, windows: Windows, row: int) -> None:
        """Learn from the window that `away` was asked about: no alert is open at it."""
        ...

    def hold(self, code: int, time: int) -> tuple[int, float, float]:
        """An alert is held from that time on, ns: the channel that is farthest away, its level, and the usual one."""
        ...

    def moved(self, windows: Windows, row: int) -> bool:
        """Whether the readings at this window are away also from where they were when the alert was held."""
        ...

    def accept(self, code: int) -> Float32:
        """The level of now is usual from here on: what is usual by hour of the day (24, channels), NaN = not known."""
        ...


class Holding:
    """Works on columns of `HELD` among those of an alert."""

    BACK = 0.5  # of what counts as away: nearer the level is back

    def __init__(self, levels: Level, channels: Sequence[str]) -> None:
        self.levels, self._channels = levels, channels

    def holds(self, columns: Columns, code: int, away: float) -> bool:
        """Whether an alert that would resolve must stay open."""
        return away > (1.0 if columns["held"][code] == NEVER else self.BACK)

    def begin(self, columns: Columns, code: int, end: int) -> None:
        """The alert is held from the window on that ends then."""
        columns["held"][code] = end
        columns["channel"][code], columns["level"][code], columns["usual"][code] = self.levels.hold(code, end)

    def cause(self, columns: Columns, code: int) -> str:
        """What is wrong, as a sentence; "" where the alert is not held."""
        since = int(columns["held"][code])
        if since == NEVER:
            return ""
        name = self._channels[int(columns["channel"][code])]
        level, usual = float(columns["level"][code]), float(columns["usual"][code])
        return f"the level of {name} has not come back: {level:.5g} at {iso(since)}, where {usual:.5g} was usual"
