"""Which windows count as judged when it is asked whether a stream is scored."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from monitor.config.families import Family
from monitor.records.batches import Bool, Int32, Scores, Windows


class Counted:
    """For one family; `has_model` says of streams (n,) which of them a model scores."""

    def __init__(self, family: Family, has_model: Callable[[Int32], Bool]) -> None:
        self._most, self._parts, self._has_model = family.align.max_imputed, family.judges_parts, has_model

    def judged(self, scores: Scores, windows: Windows, off: Bool | None) -> Bool:
        """All windows but those without a ratio, and those of streams with a model that companions alone judged.

        Without a model, what nothing can score before there is one counts too, if it holds enough readings: that stream
        waits for its training. So does what is `off`, (m,).
        """
        lacks, none = self._lacks(windows), np.isnan(scores.ratio)
        if not (lacks.any() or none.any()):
            return ~none
        waits = np.isnan(scores.score)
        if not self._parts:
            waits &= ~lacks & ~np.isnan(windows.values[:, -1]).all(axis=1)
        counts = np.where(self._has_model(scores.stream), ~(none | lacks), ~none | waits)
        return counts if off is None else counts | off

    def _lacks(self, windows: Windows) -> Bool:
        """Which windows no model scores: too much was filled in, or they begin before the first reading after a gap."""
        lacks = windows.imputed > self._most
        return lacks | np.isnan(windows.values[:, 0]).all(axis=1) if self._parts else lacks
