"""The health of a family's streams, as the pipeline sees it: readings in, readings and facts about alerts out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from monitor.config.families import Family
from monitor.pipeline.alerting.health_alerts import Episode, HealthFacts
from monitor.pipeline.alignment.sorted_readings import Sorted
from monitor.pipeline.health import earlier
from monitor.pipeline.health.frozen import Frozen
from monitor.pipeline.health.frozen_alerts import FrozenAlerts
from monitor.pipeline.health.missing import MissingChannels
from monitor.pipeline.health.ranges import Ranges
from monitor.pipeline.health.resting import Resting
from monitor.pipeline.health.silence import Quiet, Silence
from monitor.pipeline.health.stopped import Stopped
from monitor.pipeline.maintenance import Switch
from monitor.pipeline.overrides import Overrides
from monitor.pipeline.scoring.stream_scaling import Profiles
from monitor.pipeline.state.codec import Section, signature
from monitor.pipeline.state.columns import Columns, Spec, layout
from monitor.pipeline.state.segments import Gridded
from monitor.records.batches import NEVER, Bool, Int64, Readings, Windows
from monitor.records.counters import HEALTH
from monitor.records.streams import StreamIndex

_FIRST = -1  # the restart with which a stream begins is no gap
_COUNTERS: dict[str, Spec] = {**dict.fromkeys(HEALTH, (np.int64, (), 0)), "gaps": (np.int64, (), _FIRST)}
_EARLIER = layout({**_COUNTERS, **earlier.SPEC, **Silence.SPEC})


class Health:
    """Ranges, frozen sensors and silence of one family under one run."""

    def __init__(
        self, run: str, name: str, family: Family, index: StreamIndex, profiles: Profiles, overrides: Overrides
    ) -> None:
        self._run, self._name, self._index, self._overrides = run, name, index, overrides
        self._channels, self._grid = family.channels, family.grid
        self.columns = Columns({**_COUNTERS, **Silence.SPEC})
        self.dtype, self.dump = self.columns.dtype, self.columns.dump
        self._ranges = Ranges(family, index, self.columns)
        self.missing = MissingChannels(family, index)
        self.silence = Silence(family.silent_soonest, overrides, index, self.columns)
        self._frozen_alerts = FrozenAlerts(family, index, learned=family.health.frozen_after is None)
        self._frozen = Frozen(family, profiles, self._frozen_alerts)
        self._resting = Resting(family, profiles, self._frozen_alerts)
        self._stopped = Stopped(family, profiles, self._frozen_alerts)
        self.closable = (self.silence, self._ranges, self.missing, self._frozen_alerts)
        self._over: list[tuple[int, Episode]] = []  # alerts of earlier versions, by stream

    @property
    def sections(self) -> dict[str, Section]:
        """What is saved of each stream."""
        channels = signature(self._channels)
        frozen = {"frozen": Section(self._frozen, signature("frozen"), self._frozen.earlier)}
        resting = {"resting": Section(self._resting, channels)}
        stopped = {"stopped": Section(self._stopped, channels)}
        return {
            "health": Section(self, signature("health"), (_EARLIER,)),
            **(frozen if self._frozen.watches else {}),
            **(resting if self._resting.watches else {}),
            **(stopped if self._stopped.watches else {}),
            "frozen.alerts": Section(self._frozen_alerts.columns, channels),
            "ranges": Section(self._ranges.columns, channels),
            "missing": Section(self.missing, channels),
        }

    def facts(self) -> HealthFacts:
        """Of a new batch: none yet, but the end of alerts that an earlier version opened."""
        facts = HealthFacts(self._run, self._name)
        for code, episode in self._over:
            facts.cleared(episode, episode.last, episode.ratio)
            facts.touched.add(code)
        self._over.clear()
        return facts

    def heard(self, readings: Readings, now: int | None, facts: HealthFacts) -> None:
        """Readings have arrived, believed or not; `now` (ns) is the wall clock, if live."""
        if len(readings) and now is not None:
            self.silence.heard(readings.stream, now, facts)

    def arrive(self, readings: Readings, facts: HealthFacts, score: Switch) -> Readings:
        """Check believed readings in order of arrival; returns them without values that are out of range.

        Those at times at which `score` is off, and those of streams that are, are counted, and no alert opens.
        """
        if not len(readings):
            return readings
        off = score.at(readings.stream, readings.time)
        if self._overrides.switches and (always := self._overrides.off(readings.stream)).any():
            off = always if off is None else off | always
        return self._arrive(readings, facts) if off is None else self._arrive_beside(off, readings, facts)

    def _arrive_beside(self, off: Bool, readings: Readings, facts: HealthFacts) -> Readings:
        """As `_arrive`, beside readings that are `off` (n,): those are counted, and no alert opens."""
        values, on = readings.values.copy(), ~off
        values[off] = self._ranges.screen(readings.take(off), None).values
        if on.any():
            values[on] = self._arrive(readings.take(on), facts).values
        return replace(readings, values=values)

    def _arrive(self, readings: Readings, facts: HealthFacts) -> Readings:
        readings = self._ranges.screen(readings, facts)
        if self._frozen.watches:
            self._frozen.watch(readings, facts)
        elif self._frozen_alerts.columns.left and not (self._resting.watches or self._stopped.watches):
            self._resolve_frozen(readings, facts)
        return readings

    def watch(self, released: Sorted, windows: Windows, facts: HealthFacts, score: Switch) -> None:
        """Find channels that are missing in what the aligner has released, and at rest in windows.

        Windows are sorted by stream and time; of what was released, times at which `score` is off say nothing.
        """
        off = score.at(released.stream, self._grid.times(released.slot))
        self.missing.watch(released if off is None else released.take(~off), facts)
        self._resting.watch(windows, facts)
        self._stopped.watch(windows, facts)

    def count_gaps(self, gridded: Gridded) -> None:
        """Count how often the windows of streams restarted."""
        if gridded.restart.any():
            np.add.at(self.columns["gaps"], gridded.stream[gridded.restart], 1)

    def counters(self, codes: NDArray[np.integer]) -> Int64:
        """The counters named `HEALTH` of each stream since its state began, (n, len(HEALTH))."""
        return np.stack([np.maximum(self.columns[name][codes], 0) for name in HEALTH], axis=1)

    def look(self, quiet: Quiet, clock: Int64, facts: HealthFacts, score: Switch) -> None:
        """Find silent streams; see `Silence.look`."""
        if self.silence.soonest:
            self.silence.look(quiet, clock, facts, score.at(quiet.stream, quiet.now))

    def load(self, codes: NDArray[np.integer], rows: NDArray[np.void]) -> None:
        """Put back what `dump` gave, now or in an earlier version."""
        self.columns.load(codes, rows)
        if rows.dtype == _EARLIER:
            names = [self._index.name(code) for code in codes.tolist()]
            self._over += [(int(codes[i]), episode) for i, episode in earlier.open_alerts(rows, names)]
        self.silence.recheck_after_rebalance(codes)

    def clear(self, codes: NDArray[np.integer]) -> None:
        """Make these rows new."""
        for part in (self.columns, self.silence.arrived):
            part.clear(codes)
        gone = set(codes.tolist())
        self.silence.retired -= gone
        self._over = [(code, episode) for code, episode in self._over if code not in gone]
        self.silence.recheck_after_rebalance()

    def grow(self, rows: int) -> None:
        """Make room for `rows` streams."""
        for part in (self.columns, self.silence.arrived):
            part.grow(rows)

    def _resolve_frozen(self, readings: Readings, facts: HealthFacts) -> None:
        """Resolve open frozen alerts after detection was switched off."""
        codes, first = np.unique(readings.stream, return_index=True)
        for i, channel in np.argwhere(self._frozen_alerts.columns["opened"][codes] != NEVER).tolist():
            self._frozen_alerts.resolve((int(codes[i]), channel), int(readings.time[first[i]]), facts)
