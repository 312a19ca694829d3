"""Values that a reading lacks: for how long the last one stands in for them, and from when on they are missing."""

from __future__ import annotations

import numpy as np

from monitor.config.families import Family
from monitor.pipeline.state.columns import Columns, Spec
from monitor.pipeline.state.segments import streaks
from monitor.records.batches import Bool, Float32, Int32, Int64


def patience(family: Family) -> int | None:
    """Readings in a row that a channel of several is filled in for: no more than leave its windows sufficient.

    None, for ever, where there is one channel: such a window is nothing without it.
    """
    if len(family.channels) == 1:
        return None
    if family.window.rules.whole:
        return 0
    most = int(family.align.max_imputed * family.shape.length)
    return most if family.grid.interval is None else min(family.grid.max_gap, most)


class Holding:
    """Fills NaN cells with the last value before them, for `patience` readings in a row; None = for ever."""

    def __init__(self, width: int, patience: int | None) -> None:
        self._patience = patience
        cells = 0 if patience is None else width
        self.spec: dict[str, Spec] = {"missing": (np.int32, (cells,), 0)}  # readings in a row without a value

    def reset(self, streams: Int32, columns: Columns) -> None:
        """Nothing is missing of these streams any more."""
        if columns["missing"][streams].any():
            columns["missing"][streams] = 0

    def fill(self, stream: Int32, values: Float32, first: Int64, columns: Columns) -> tuple[Float32, Bool]:
        """Values (n, width) sorted by stream, whose segments begin at `first`; also which rows (n,) are filled in.

        `columns` has the stream's last values. A cell that is missing for longer stays NaN; its row counts as filled in
        only where nothing else is known of it.
        """
        missing = np.isnan(values)
        held: Bool = np.asarray(missing.any(axis=1))
        given_up = self._given_up(stream, missing, first, columns)
        if not held.any():
            return values, held
        values = values.copy()
        values[first] = np.where(missing[first], columns["last"][stream[first]], values[first])
        source = np.where(np.isnan(values), 0, np.arange(len(values))[:, None])
        source[first] = first[:, None]
        source = np.maximum.accumulate(source, axis=0)  # row of the stream's newest known cell
        values = np.take_along_axis(values, source, axis=0)
        if given_up is not None:
            values[given_up] = np.nan
            held = np.asarray((missing & ~given_up).any(axis=1) | given_up.all(axis=1))
        return values, held

    def _given_up(self, stream: Int32, missing: Bool, first: Int64, columns: Columns) -> Bool | None:
        """Which cells (n, width) have been missing for longer than `patience`; None where none can be."""
        streams = stream[first]
        known = columns["missing"][streams]
        if self._patience is None or not (missing.any() or known.any()):
            return None
        lacking = np.zeros(len(columns["missing"]), bool)
        lacking[streams] = known.any(axis=1)
        lacking[stream[missing.any(axis=1)]] = True
        rows = np.flatnonzero(lacking[stream])
        some = streams[lacking[streams]]
        count, columns["missing"][some] = streaks(stream[rows], columns["missing"][some], missing[rows])
        given_up = np.zeros(missing.shape, bool)
        given_up[rows] = count > self._patience
        return given_up
