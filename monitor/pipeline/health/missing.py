"""Channels that have no value any more, while their stream goes on: an alert for each of them.

It opens when so many readings of the stream in a row lacked the channel, and resolves after `resolve_after` readings in
a row that have it. What counts are the readings as they are released to the grid, in order of time, so any cut of the
input into batches gives the same alerts. Where a message is a whole window, a channel is missing when all of it is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitor.config.families import Family
from monitor.pipeline.alerting.health_alerts import MISSING, Episode, HealthFacts
from monitor.pipeline.alignment.sorted_readings import Sorted
from monitor.pipeline.state.columns import Columns
from monitor.pipeline.state.segments import segment_starts, segments, streaks
from monitor.records.batches import NEVER, Bool, Int64
from monitor.records.streams import StreamIndex
from monitor.records.times import iso

FEWEST = 10  # readings in a row, or those of
SHORTEST = 60 * 10**9  # ns; or a window, where readings come irregularly
BEATS = 3  # s, where heartbeats are found


def patience(family: Family) -> int:
    """After how many readings in a row without a value a channel is missing; more than are filled in."""
    grid, rules = family.grid, family.window.rules
    if rules.found:
        return max(FEWEST, round(BEATS * family.rate))
    if grid.interval is None:
        return max(FEWEST, family.shape.length if rules.consecutive else 0)
    return max(FEWEST, -(-SHORTEST // grid.interval), grid.max_gap + 1)


class MissingChannels:
    """For how long each channel of every stream has had no value, and its alert."""

    def __init__(self, family: Family, index: StreamIndex) -> None:
        self._index, self._channels, self._grid = index, family.channels, family.grid
        words = bool(family.format.high or family.format.low)
        self._ranged = [words or channel in family.valid_range for channel in family.channels]
        self._after, self._resolve_after = patience(family), family.alerts.resolve_after
        each = (len(family.channels),)
        self._needed = False  # some channel lacks a value, or has an alert
        self.columns = Columns(
            {
                "gone": (np.int32, each, 0),  # readings in a row without a value
                "back": (np.int32, each, 0),  # ... with one, as far as that is asked
                "since": (np.int64, each, NEVER),  # time of the first of those without
                "opened": (np.int64, each, NEVER),  # NEVER = no alert
                "started": (np.int64, each, NEVER),
            }
        )
        self.dtype, self.dump = self.columns.dtype, self.columns.dump
        self.clear, self.grow = self.columns.clear, self.columns.grow

    def load(self, codes: NDArray[np.integer], rows: NDArray[np.void]) -> None:
        """Put back what `dump` gave."""
        self.columns.load(codes, rows)
        self._needed |= bool(((rows["gone"] > 0) | (rows["opened"] != NEVER)).any())

    def watch(self, released: Sorted, facts: HealthFacts) -> None:
        """Take in what the aligner has released."""
        absent = np.isnan(released.values)
        if not (absent.any() or self._needed):
            return
        rows = self._concerned(released, absent)
        if not len(rows):
            return
        released, absent = released.take(rows), absent[rows]
        columns, first = self.columns, segment_starts(released.stream)
        streams = released.stream[first]
        absent = np.asarray(absent.reshape(len(absent), -1, len(self._channels)).all(axis=1))
        gone, columns["gone"][streams] = streaks(released.stream, columns["gone"][streams], absent)
        back, columns["back"][streams] = streaks(released.stream, columns["back"][streams], ~absent)
        since = self._since(released, gone, first)
        opens = gone == self._after
        known = columns["opened"][released.stream] != NEVER
        known[np.isin(released.stream, released.stream[opens.any(axis=1)])] = True
        for row, channel in np.argwhere(opens | ((back == self._resolve_after) & known)).tolist():
            code, at = int(released.stream[row]), int(self._grid.times(released.slot[row]))
            self._event((code, channel), at, int(since[row, channel]), facts, opens=bool(opens[row, channel]))
        self._needed = bool(((columns["gone"] > 0) | (columns["opened"] != NEVER)).any())

    def close(self, code: int, at: int, facts: HealthFacts) -> None:
        """Resolve the stream's alerts at `at`, ns, though no reading did."""
        for channel in np.flatnonzero(self.columns["opened"][code] != NEVER).tolist():
            self._event((code, channel), max(at, int(self.columns["opened"][code, channel])), at, facts, opens=False)
        self.columns.clear(np.array([code]))

    def _concerned(self, released: Sorted, absent: Bool) -> Int64:
        """Rows of the streams that lack something, or did."""
        columns = self.columns
        concerned = ((columns["gone"] > 0) | (columns["opened"] != NEVER)).any(axis=1)
        concerned[released.stream[absent.any(axis=1)]] = True
        return np.flatnonzero(concerned[released.stream])

    def _since(self, released: Sorted, gone: NDArray[np.int32], first: Int64) -> Int64:
        """Time of the first of the readings in a row (n, channels) that lack the channel; remembers it."""
        size = segments(released.stream)[1]
        row = np.arange(len(gone))[:, None]
        begin = row - gone + 1
        before = begin < np.repeat(first, size)[:, None]  # in an earlier batch
        times = np.asarray(self._grid.times(released.slot))
        since = np.where(before, self.columns["since"][released.stream], times[np.clip(begin, 0, len(gone) - 1)])
        last = first + size - 1
        self.columns["since"][released.stream[last]] = np.where(gone[last] > 0, since[last], NEVER)
        return np.asarray(since)

    def _event(self, cell: tuple[int, int], at: int, since: int, facts: HealthFacts, *, opens: bool) -> None:
        opened = int(self.columns["opened"][cell])
        if opens and opened == NEVER:
            self.columns["opened"][cell] = at
            self.columns["started"][cell] = since
            facts.opened(self._episode(cell, at))
        elif not opens and opened != NEVER:
            episode = self._episode(cell, at)
            facts.cleared(episode, at, episode.ratio)
            self.columns["opened"][cell] = NEVER

    def _episode(self, cell: tuple[int, int], last: int) -> Episode:
        opened, started = (int(self.columns[name][cell]) for name in ("opened", "started"))
        channel = self._channels[cell[1]]
        ratio = (last - started) / max(opened - started, 1)
        cause = f"{channel} has had no {'valid ' if self._ranged[cell[1]] else ''}value since {iso(started)}"
        return Episode(
            MISSING, self._index.name(cell[0]), opened, started, last, max(ratio, 1.0), last, 0, cause, channel
        )
