"""Change points, as recipes find them: where the level of a channel has just moved."""

from __future__ import annotations

from typing import NamedTuple

from monitor.records.batches import Float32, Int32, Int64


class Shifts(NamedTuple):
    """The largest shift at each reading or window, (n,): its size, 1 = at its limit, its channel, from where to where.

    NaN and -1 where too little is known.
    """

    ratio: Float32
    channel: Int32
    before: Float32
    after: Float32

    def take(self, rows: Int64) -> Shifts:
        """Those at `rows`."""
        return Shifts(self.ratio[rows], self.channel[rows], self.before[rows], self.after[rows])
