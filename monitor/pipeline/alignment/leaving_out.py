"""Streams of which the aligner has put readings on the grid and counted them, but which nothing behind it is to see."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import NDArray

from monitor.pipeline.alignment.aligner import Aligner
from monitor.pipeline.alignment.sorted_readings import Aside, Missing
from monitor.pipeline.state.segments import Gridded
from monitor.records.batches import Bool, Int32


def leave_out(which: Callable[[Int32], Bool], gridded: Gridded, aligner: Aligner) -> Gridded:
    """The batch without these streams, also in what the aligner says about it."""
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
