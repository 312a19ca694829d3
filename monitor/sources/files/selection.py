"""The rows of a table that belong to one stream."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from monitor.sources.files import cells
from monitor.sources.files.tables import Table

CHUNK = 65_536  # rows


class RowsOf:
    """A `Table` of the rows of another one in whose `column` `name` stands. Always take the same columns."""

    def __init__(self, table: Table, column: str, name: str) -> None:
        self.names, self.size = table.names, 0
        self._table, self._column, self._name = table, column, name
        self._waiting: list[tuple[pd.DataFrame, dict[int, str]]] = []

    @property
    def ended(self) -> bool:
        """Whether every row has been taken."""
        return self._table.ended and not self._waiting

    def take(self, rows: int, wanted: Sequence[str]) -> tuple[pd.DataFrame, dict[int, str]]:
        """The next rows, at most `rows` of them; see `Table`."""
        self._fill(wanted)
        frame, broken = self._waiting.pop() if self._waiting else (pd.DataFrame(columns=list(wanted), dtype=object), {})
        if len(frame) > rows:
            left = {row - rows: error for row, error in broken.items() if row >= rows}
            self._waiting.append((frame[rows:].reset_index(drop=True), left))
            frame, broken = frame[:rows], {row: error for row, error in broken.items() if row < rows}
        self._fill(wanted)  # so that `ended` is known
        return frame, broken

    def close(self) -> None:
        """Close the file."""
        self._table.close()

    def _fill(self, wanted: Sequence[str]) -> None:
        """Read until rows of the stream wait, or the table ends."""
        while not self._waiting and not self._table.ended:
            frame, broken = self._table.take(CHUNK, list(dict.fromkeys((*wanted, self._column))))
            names = np.array(cells.as_text(frame[self._column]), dtype=object)
            rows = np.flatnonzero(names == self._name)
            if len(rows):
                places = {row: place for place, row in enumerate(rows.tolist())}
                kept = {places[row]: error for row, error in broken.items() if row in places}
                self.size = self._table.size * len(rows) // len(frame)
                self._waiting.append((frame[list(wanted)].iloc[rows].reset_index(drop=True), kept))
