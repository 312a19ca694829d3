"""One row of output for each heartbeat."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pandas as pd

from monitor.records.batches import Int64
from monitor.sources.files import cells
from monitor.sources.files.scored_output import ScoredWriter
from monitor.sources.files.source import TIMESTAMP

if TYPE_CHECKING:
    from monitor.replay.row_judge import Columns


def beat_writer(writer: ScoredWriter, advance: Callable[[int], None]) -> Callable[[Int64, Int64, Columns], None]:
    """What writes `sample` and `timestamp` of R-peaks and the columns of `score_beats`; `advance` gets the count."""

    def write(row: Int64, time: Int64, columns: Columns) -> None:
        writer.write(pd.DataFrame({"sample": row, TIMESTAMP: cells.iso(time)}), columns)
        advance(len(row))

    return write
