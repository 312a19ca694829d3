"""Messages that bring one channel each: which one, and where its value goes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from monitor.records.batches import Float32, Int64
from monitor.sources.decode import Assembly
from monitor.sources.faults import Fault

_LONGEST = 60  # characters of a name from outside that are shown


class ChannelNames:
    """Which channel each message brings, where it is one: the text of a field, compared with the family's channels."""

    def __init__(self, channels: Sequence[str]) -> None:
        self._places = {name: place for place, name in enumerate(channels)}
        self._names = ", ".join(channels)

    def place(self, name: str | int) -> int | Fault:
        """The column of a channel, or why there is none."""
        found = self._places.get(str(name))
        if found is not None:
            return found
        shown = name if len(str(name)) <= _LONGEST else f"{str(name)[:_LONGEST]}…"
        return Fault("unknown-channel", f"there is no channel {shown}, only {self._names}")

    def spread(self, assembly: Assembly, names: Sequence[str | int], rows: Int64, values: Float32) -> Float32:
        """`values` (n, 1), each in the column of its channel, (n, channels); NaN in the others."""
        known = {name: self.place(name) for name in dict.fromkeys(names)}
        for name, row in zip(names, rows.tolist(), strict=True):
            if isinstance(fault := known[name], Fault):
                assembly.faults.setdefault(row, fault)
        places = {name: place for name, place in known.items() if isinstance(place, int)}
        spread: Float32 = np.full((len(rows), len(self._places)), np.nan, np.float32)
        column = np.fromiter((places.get(name, 0) for name in names), np.int64, len(names))
        spread[np.arange(len(rows)), column] = values[:, 0]
        return spread
