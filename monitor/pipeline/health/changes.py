"""Change points: an alert of kind `change` where the level of a channel has just moved, beside those of anomalies.

An alert opens at a window whose shift is beyond its limit and clears `LASTS` windows later, whatever comes: it says
that something has changed, not that the new level is wrong. While the level goes on moving, the next one follows. Ids
and times come from the data, so the same readings give the same facts in every process and however they are cut.
"""

from __future__ import annotations

import numpy as np

from monitor.pipeline.alerting.health_alerts import CHANGE, Episode, HealthFacts
from monitor.pipeline.state.codec import Section, signature
from monitor.pipeline.state.columns import Columns
from monitor.records.batches import NEVER, Bool, Windows
from monitor.records.shifts import Shifts
from monitor.records.streams import StreamIndex

LASTS = 20


class ChangeAlerts:
    """The open change of every stream."""

    def __init__(self, channels: tuple[str, ...], index: StreamIndex, *, watches: bool) -> None:
        self._channels, self._index, self._watches = channels, index, watches
        self.columns = Columns(
            {
                "opened": (np.int64, (), NEVER),  # NEVER = none is open
                "left": (np.int32, (), 0),  # windows until it clears
                "ratio": (np.float32, (), np.nan),
                "channel": (np.int32, (), 0),
                "before": (np.float32, (), np.nan),
                "after": (np.float32, (), np.nan),
            }
        )
        self.sections = {"changes": Section(self.columns, signature("changes", LASTS))} if watches else {}

    def take(self, windows: Windows, shifts: Shifts | None, facts: HealthFacts, off: Bool | None = None) -> None:
        """Follow windows, sorted by stream and time, with the shift at each; no-op where none are looked for.

        Those that are `off` (n,) are not looked at.
        """
        if shifts is None:
            return
        if off is not None:
            windows, shifts = windows.take(~off), shifts.take(np.flatnonzero(~off))
        stream = windows.stream
        busy = (shifts.ratio > 1) | (self.columns["opened"][stream] != NEVER)
        if not busy.any():
            return
        for row in np.flatnonzero(np.isin(stream, np.unique(stream[busy]))).tolist():
            code, at = int(stream[row]), int(windows.end[row])
            if self.columns["opened"][code] != NEVER:
                self.columns["left"][code] -= 1
                if self.columns["left"][code] == 0:
                    self.close(code, at, facts)
            elif shifts.ratio[row] > 1:
                self.columns["opened"][code], self.columns["left"][code] = at, LASTS
                for name in Shifts._fields:
                    self.columns[name][code] = getattr(shifts, name)[row]
                facts.opened(self._episode(code))

    def close(self, code: int, at: int, facts: HealthFacts) -> None:
        """Resolve the stream's alert at `at`, ns; no-op where there is none."""
        if not self._watches:
            return
        opened = int(self.columns["opened"][code])
        if opened != NEVER:
            facts.cleared(self._episode(code), max(at, opened), float(self.columns["ratio"][code]))
            self.columns["opened"][code] = NEVER

    def _episode(self, code: int) -> Episode:
        opened = int(self.columns["opened"][code])
        ratio, before, after = (self.columns[name][code].item() for name in ("ratio", "before", "after"))
        channel = self._channels[int(self.columns["channel"][code])]
        cause = f"{channel} has moved from {before:.6g} to {after:.6g}"
        return Episode(CHANGE, self._index.name(code), opened, opened, opened, ratio, opened, 0, cause, channel)
