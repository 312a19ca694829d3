"""When a family is trained again: each time its history has doubled, and from then on every so often.

Pure, and counted in readings of a stream: the same readings give the same trainings, live, in a file and in a replay.

>>> schedule = Schedule(first=100, every=300)
>>> [schedule.due_at(last) for last in (0, 100, 200, 400, 700)]
[100, 200, 400, 700, 1000]
"""

from __future__ import annotations

from typing import NamedTuple

from monitor.config.families import Family

DOUBLED, REGULAR = "doubled", "every"  # causes of a training


class Schedule(NamedTuple):
    """Readings of a stream before its family's first training, and between two later ones at most; 0 = no later one."""

    first: int
    every: int

    @classmethod
    def of(cls, family: Family) -> Schedule:
        """That of a family. Raises SettingsError."""
        return cls(family.train_after, family.train_every)

    def due_at(self, last: int) -> int | None:
        """How many readings a stream has at the next training, if it had `last` at the last one; None = never."""
        if last < self.first:
            return self.first
        return last + min(last, self.every) if self.every else None

    def cause(self, last: int, seen: int) -> str:
        """Why a training is due after `seen` readings, "" where none is; `last` were there at the last one."""
        due = self.due_at(last)
        if due is None or seen < due:
            return ""
        return DOUBLED if due >= 2 * last else REGULAR
