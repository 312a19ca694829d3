"""The health of a family's streams, as the pipeline sees it: readings in, readings and facts about alerts out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitor.config.families import Family
from monitor.pipeline.alerting.health_alerts import HealthFacts
from monitor.pipeline.health.frozen import Frozen
from monitor.pipeline.health.ranges import Ranges
from monitor.pipeline.health.silence import Quiet, Silence
from monitor.pipeline.state.codec import Section, signature
from monitor.pipeline.state.columns import Columns, Spec
from monitor.pipeline.state.segments import Gridded
from monitor.records.batches import NEVER, Int64, Readings
from monitor.records.counters import HEALTH
from monitor.records.streams import StreamIndex

_FIRST = -1  # the restart with which a stream begins is no gap
_COUNTERS: dict[str, Spec] = {**dict.fromkeys(HEALTH, (np.int64, (), 0)), "gaps": (np.int64, (), _FIRST)}


class Health:
    """Ranges, frozen sensors and silence of one family under one run."""

    def __init__(self, run: str, name: str, family: Family, index: StreamIndex) -> None:
        self._run, self._name, self._index = run, name, index
        self._skew = family.align.max_future_skew
        self.columns = Columns({**_COUNTERS, **Ranges.SPEC, **Frozen.SPEC, **Silence.SPEC})
        self.dtype, self.dump = self.columns.dtype, self.columns.dump
        self._ranges = Ranges(family, index, self.columns)
        self.silence = Silence(family.health.silence(family.interval), index, self.columns)
        after, grid = family.health.frozen_after, family.grid
        pause = (grid.max_gap + 1) * (grid.interval or 0)
        width = family.shape.width if after else 0
        self._frozen = Frozen(after, pause, width, index, self.columns)
        self._watches_frozen = bool(after)
        self._leftover_frozen = False  # a frozen alert is open, but detection was switched off since

    @property
    def sections(self) -> dict[str, Section]:
        """What is saved of each stream."""
        watched = {"frozen": Section(self._frozen, signature("frozen"))} if self._watches_frozen else {}
        return {"health": Section(self, signature("health")), **watched}

    def facts(self) -> HealthFacts:
        """Of a new batch: none yet."""
        return HealthFacts(self._run, self._name)

    def arrive(self, readings: Readings, now: int | None, facts: HealthFacts) -> Readings:
        """Check readings in order of arrival; returns them without values that are out of range."""
        if not len(readings):
            return readings
        if now is not None:
            self.silence.heard(readings.stream, now, facts)
        if not (self._ranges.needed or self._watches_frozen or self._leftover_frozen):
            return readings
        future = None if now is None else readings.time > now + self._skew
        readings = self._ranges.screen(readings, future, facts)
        if self._watches_frozen:
            self._frozen.watch(readings, future, facts)
        elif self._leftover_frozen:
            self._resolve_frozen(readings, facts)
        return readings

    def count_gaps(self, gridded: Gridded) -> None:
        """Count how often the windows of streams restarted."""
        if gridded.restart.any():
            np.add.at(self.columns["gaps"], gridded.stream[gridded.restart], 1)

    def counters(self, codes: NDArray[np.integer]) -> Int64:
        """The counters named `HEALTH` of each stream since its state began, (n, len(HEALTH))."""
        return np.stack([np.maximum(self.columns[name][codes], 0) for name in HEALTH], axis=1)

    def look(self, quiet: Quiet, clock: Int64, facts: HealthFacts) -> None:
        """Find silent streams; see `Silence.look`."""
        if self.silence.after:
            self.silence.look(quiet, clock, facts)

    def load(self, codes: NDArray[np.integer], rows: NDArray[np.void]) -> None:
        """Put back what `dump` gave."""
        self.columns.load(codes, rows)
        self._ranges.needed |= bool((rows["range_opened"] != NEVER).any())
        self._leftover_frozen |= bool((rows["frozen_opened"] != NEVER).any())
        self.silence.recheck_after_rebalance(codes)

    def clear(self, codes: NDArray[np.integer]) -> None:
        """Make these rows new."""
        for part in (self.columns, self._frozen, self.silence.arrived):
            part.clear(codes)
        self.silence.recheck_after_rebalance()

    def grow(self, rows: int) -> None:
        """Make room for `rows` streams."""
        for part in (self.columns, self._frozen, self.silence.arrived):
            part.grow(rows)

    def _resolve_frozen(self, readings: Readings, facts: HealthFacts) -> None:
        """Resolve open frozen alerts after detection was switched off."""
        opened = self.columns["frozen_opened"][readings.stream] != NEVER
        rows = np.flatnonzero(opened)
        codes, first = np.unique(readings.stream[rows], return_index=True)
        for code, row in zip(codes.tolist(), rows[first].tolist(), strict=True):
            self._frozen.resolve(code, int(readings.time[row]), facts)
