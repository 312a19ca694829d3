"""Settings of single streams as columns by code: the factor of the limit, the time to silence, and who is switched off.

They follow from the configuration and the stream's name alone, so nothing of them is saved, and they are filled in when
a stream gets its code. Where a family has no overrides this costs nothing.
"""

from __future__ import annotations

import numpy as np

from monitor.config.families import Family
from monitor.config.health import NEVER_SILENT
from monitor.pipeline.state.codec import Codes
from monitor.pipeline.state.columns import Columns
from monitor.records.batches import Bool, Float32, Int64
from monitor.records.streams import StreamIndex


class Overrides:
    """What `families.NAME.overrides` say about each stream of the family; of those that match, the later one wins."""

    def __init__(self, family: Family, index: StreamIndex) -> None:
        self._rules, self._index = family.overrides, index
        self._limits = any(rule.limit is not None for rule in family.overrides)
        self.switches = any(rule.off for rule in family.overrides)  # some streams may be off
        silence = family.health.silence(family.interval)
        self._columns = Columns(
            {
                "known": (np.bool_, (), False),  # filled in
                "limit": (np.float32, (), 1.0),
                "silent_after": (np.int64, (), silence),
                "off": (np.bool_, (), False),
            }
        )

    def follow(self) -> None:
        """Fill in the streams that got a code since."""
        self._columns.grow(len(self._index))
        known = self._columns["known"]
        if not self._rules or np.count_nonzero(known) == len(self._index.codes):
            return
        codes = np.fromiter(self._index.codes.values(), np.int64, len(self._index.codes))
        for code in codes[~known[codes]].tolist():
            self._fill(code, self._index.name(code))

    def forget(self, codes: Codes) -> None:
        """These codes will be given to other streams."""
        self._columns.clear(codes)

    def limits(self, stream: Codes) -> Float32 | None:
        """The factor (n,) of each one's limit; None where all are 1."""
        return self._columns["limit"][stream] if self._limits else None

    def silent_after(self, stream: Codes) -> Int64:
        """The time (n,) without a reading after which each is silent, ns; 0 = never."""
        return np.asarray(self._columns["silent_after"][stream])

    def off(self, stream: Codes) -> Bool:
        """Which of these streams (n,) are switched off."""
        return np.asarray(self._columns["off"][stream])

    def off_by_name(self, name: str) -> bool:
        """Whether a stream is switched off, which may have no code."""
        said = [rule.off for rule in self._rules if rule.off is not None and rule.matches(name)]
        return bool(said and said[-1])

    def _fill(self, code: int, name: str) -> None:
        columns = self._columns
        columns["known"][code] = True
        for rule in self._rules:
            if not rule.matches(name):
                continue
            for column in ("limit", "silent_after", "off"):
                if (value := getattr(rule, column)) is not None:
                    columns[column][code] = value
        if columns["off"][code]:
            columns["silent_after"][code] = NEVER_SILENT
