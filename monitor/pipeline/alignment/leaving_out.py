"""Streams that are switched off: the aligner counts their readings, and nothing behind it sees them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import NDArray

from monitor.pipeline.alignment.aligner import Aligner
from monitor.pipeline.alignment.sorted_readings import Aside, Missing
from monitor.pipeline.overrides import Overrides
from monitor.pipeline.state.segments import Gridded
from monitor.records.batches import Bool, Int32


def leave_out(overrides: Overrides, gridded: Gridded, aligner: Aligner) -> Gridded:
    """The batch without the streams that are switched off, also in what the aligner says about it."""
    if not overrides.switches:
        return gridded
    which = overrides.off
    aligner.released = aligner.released.take(~which(aligner.released.stream))
    aligner.aside = [(name, Aside(*_without(which, aside))) for name, aside in aligner.aside]
    if aligner.missing is not None:
        missing = Missing(*_without(which, aligner.missing))
        aligner.missing = missing if len(missing.stream) else None
    columns = (gridded.stream, gridded.slot, gridded.values, gridded.imputed, gridded.restart)
    return Gridded(*_without(which, columns))


def _without(which: Callable[[Int32], Bool], columns: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """The columns, of which the first is the stream, without the rows of these streams."""
    kept = ~which(columns[0])
    return [column[kept] for column in columns]
