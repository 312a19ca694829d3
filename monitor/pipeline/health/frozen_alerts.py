"""Alerts of channels that have stopped measuring, and for how long a channel never rested while it was learned from."""

from __future__ import annotations

import numpy as np

from monitor.config.durations import format_duration
from monitor.config.families import Family
from monitor.pipeline.alerting.health_alerts import FROZEN, Episode, HealthFacts
from monitor.pipeline.health.open_alerts import OpenAlerts
from monitor.pipeline.scoring.stream_scaling import Profiles
from monitor.records.batches import NEVER, Int32, Int64
from monitor.records.streams import StreamIndex

RESTS = 4  # times the longest rest that was seen
FEWEST = 60  # readings, or a window: less is no rest
FOREVER = 2**62

Cell = tuple[int, int]  # stream and channel


class FrozenAlerts:
    """The open alerts of every stream, by channel. `learned` says that they go by what was learned."""

    def __init__(self, family: Family, index: StreamIndex, *, learned: bool) -> None:
        self._index, self._channels, self._learned = index, family.channels, learned
        each = (len(family.channels),)
        self.columns = OpenAlerts(
            {"opened": (np.int64, each, NEVER), "started": (np.int64, each, NEVER), "value": (np.float32, each, np.nan)}
        )

    def open(self, cell: Cell, times: tuple[int, int], value: float, facts: HealthFacts) -> None:
        """The channel has had this value since the first of `times`, and is frozen since the second; unless known."""
        columns = self.columns
        if columns["opened"][cell] == NEVER:
            columns["started"][cell], columns["opened"][cell] = times
            columns["value"][cell] = value
            facts.opened(self._episode(cell, times[1]))

    def resolve(self, cell: Cell, at: int, facts: HealthFacts) -> None:
        """The value changes again, or detection was switched off; clears the alert if there is one."""
        opened = int(self.columns["opened"][cell])
        if opened != NEVER:
            episode = self._episode(cell, max(at, opened))
            facts.cleared(episode, episode.last, episode.ratio)
            self.columns["opened"][cell] = NEVER

    def close(self, code: int, at: int, facts: HealthFacts) -> None:
        """Resolve the stream's alerts at `at`, ns, though no value changed."""
        for channel in range(len(self._channels)):
            self.resolve((code, channel), at, facts)

    def _episode(self, cell: Cell, last: int) -> Episode:
        opened, started = (int(self.columns[name][cell]) for name in ("opened", "started"))
        ratio, channel = (last - started) / max(opened - started, 1), self._channels[cell[1]]
        value = self.columns["value"][cell].item()
        cause = f"{channel} has stayed at {value:.6g} for {format_duration(last - started)}"
        cause += "; it never rested so long while it was learned from" if self._learned else ""
        return Episode(FROZEN, self._index.name(cell[0]), opened, started, last, ratio, last, 0, cause, channel)


def never_rested(family: Family, profiles: Profiles, stream: Int32, channel: Int64) -> Int64:
    """For how long each of these channels never rested while it was learned from, ns; `FOREVER` = not known."""
    rest = profiles.columns["rest"][stream, channel]
    known = (rest > 0) & (profiles.columns["model"][stream] != b"")
    fewest = max(FEWEST, family.shape.length) * (family.grid.interval or 0)
    return np.where(known, np.maximum(RESTS * rest, fewest), FOREVER)
