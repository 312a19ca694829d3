"""Which windows count as judged when it is asked whether a stream is scored."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from monitor.config.families import Family
from monitor.pipeline.state.codec import Section, signature
from monitor.pipeline.state.columns import Columns
from monitor.pipeline.state.segments import segments
from monitor.records.batches import NEVER, Bool, Int32, Scores, Windows

LONG = 20  # lengths of a window, for which companions may go on without the model before that is a fault


class Counted:
    """For one family; `has_model` says of streams (n,) which of them a model scores.

    Columns: `since`, end of the first of the windows in a row that the stream's model could not score; NEVER = none.
    """

    def __init__(self, family: Family, has_model: Callable[[Int32], Bool]) -> None:
        self._most, self._parts, self._has_model = family.align.max_imputed, family.judges_parts, has_model
        self._long = LONG * family.shape.length * (family.grid.interval or 0)  # ns
        self.columns = Columns({"since": (np.int64, (), NEVER)})
        self.sections = {"without_model": Section(self.columns, signature("without_model"))} if self._parts else {}

    def judged(self, scores: Scores, windows: Windows, off: Bool | None) -> Bool:
        """All windows but those without a ratio, and those that companions have judged for long without the model.

        Of a stream that has no model, what nothing can score before there is one counts too, if it holds enough
        readings: it waits for its training. So does what is `off`, (m,).
        """
        lacks, none = self._lacks(windows), np.isnan(scores.ratio)
        if self._parts:
            none |= self._for_long(windows, lacks)
        if not none.any():
            return ~none
        waits = np.isnan(scores.score)
        if not self._parts:
            waits &= ~lacks & ~np.isnan(windows.values[:, -1]).all(axis=1)
        counts = ~none | (waits & ~self._has_model(scores.stream))
        return counts if off is None else counts | off

    def _lacks(self, windows: Windows) -> Bool:
        """Which windows no model scores: too much was filled in, or they begin before the first reading after a gap."""
        lacks = windows.imputed > self._most
        return lacks | np.isnan(windows.values[:, 0]).all(axis=1) if self._parts else lacks

    def _for_long(self, windows: Windows, lacks: Bool) -> Bool:
        """Which of the windows that lack too much follow others of their stream that did, for longer than `LONG`."""
        since = self.columns["since"]
        if not (lacks.any() or (since != NEVER).any()):
            return lacks
        lacks = lacks & self._has_model(windows.stream)
        first, size = segments(windows.stream)
        streams, row = windows.stream[first], np.arange(len(lacks))
        whole = np.maximum.accumulate(np.where(lacks, -1, row))  # row of the newest window that does not, of any stream
        begin = np.repeat(first, size)
        carried = np.repeat(np.where(since[streams] == NEVER, windows.end[first], since[streams]), size)
        began = np.where(whole >= begin, windows.end[np.minimum(whole + 1, row)], carried)
        last = first + size - 1
        since[streams] = np.where(lacks[last], began[last], NEVER)
        return lacks & (windows.end - began > self._long)
