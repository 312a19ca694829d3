"""What becomes of a batch of readings: some are left out, others change places or come in from what was held."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitor.records.batches import Int64, Readings


class Plan:
    """A place is twice a reading's rank in order of arrival; one less is just before it, one more just after it."""

    def __init__(self, readings: Readings, rank: Int64) -> None:
        self.readings = readings
        self._kept = np.ones(len(readings), bool)
        self._place, self._own = 2 * rank, 2 * rank
        self._more: list[tuple[Int64, Readings]] = []

    def leave_out(self, rows: int | NDArray[np.integer]) -> None:
        """Without these rows."""
        self._kept[rows] = False

    def beside(self, rows: Int64, since: Int64) -> Int64:
        """Places beside these rows, in order of time, for readings that they confirm: `since` slots earlier."""
        return self._own[rows] + np.where(since < 0, 1, -1)

    def move(self, rows: Int64, places: Int64) -> None:
        """These rows to other places."""
        self._place = self._place.copy()
        self._place[rows] = places

    def put_in(self, places: Int64, readings: Readings) -> None:
        """These readings too."""
        self._more.append((places, readings))

    def carried_out(self) -> tuple[Readings, Int64]:
        """The readings in order of place, and their places."""
        parts = [self.readings.take(self._kept), *(readings for _, readings in self._more)]
        place = np.concatenate([self._place[self._kept], *(places for places, _ in self._more)])
        names = ("stream", "time", "values", "partition", "offset")
        columns = (np.concatenate([getattr(part, name) for part in parts]) for name in names)
        order = np.argsort(place, kind="stable")
        return Readings(*columns).take(order), place[order]
