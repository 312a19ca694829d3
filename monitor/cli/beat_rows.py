"""One row of output for each heartbeat."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pandas as pd

from monitor.records import Int64
from monitor.sources import cells
from monitor.sources.files import TIMESTAMP
from monitor.sources.frames import ScoredWriter

if TYPE_CHECKING:
    from monitor.replay.scoring import Columns


def beat_writer(writer: ScoredWriter, advance: Callable[[int], None]) -> Callable[[Int64, Int64, Columns], None]:
    """What writes `sample` and `timestamp` of R-peaks and the columns of `score_beats`; `advance` gets the count."""

    def write(row: Int64, time: Int64, columns: Columns) -> None:
        writer.write(pd.DataFrame({"sample": row, TIMESTAMP: cells.iso(time)}), columns)
        advance(len(row))

    return write
