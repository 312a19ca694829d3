"""What the times of a file say about the file as a whole: counted otherwise, several streams in one, newest row first,
local time.

Looked for while it is read, without looking at any row twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from monitor.errors import SettingsError
from monitor.records.batches import Int32, Int64
from monitor.records.clock_shift import hour_blocks, hour_cause
from monitor.records.streams import StreamIndex
from monitor.sources.files.cells import iso
from monitor.sources.timestamps import TimeReader

_JUDGED = 100  # rows by which a file is judged
_HEAD, _TAIL = 50, 64  # times of a stream's start, and of its end so far, that are remembered
_REPEATED = 0.25  # share of rows with the time of the one before that is too much
_BACKWARDS = 0.75  # and of rows with an earlier one


class _Past(NamedTuple):
    """The first and the newest times of a stream, and how many rows came back to the first ones."""

    head: Int64
    tail: Int64
    again: int = 0


class TimeChecks:
    """The times of a file's rows so far: `first` and `last` in ns, None before there is one; `notes` for a person."""

    def __init__(self, column: str, index: StreamIndex) -> None:
        self.first: int | None = None
        self.last: int | None = None
        self.notes: list[str] = []
        self._column, self._index = column, index
        self._rows = self._read = 0
        self._misread: list[str] = []
        self._repeated = self._backwards = 0
        self._past: dict[int, _Past] = {}  # by stream

    def units(self, wrong: Sequence[tuple[int, str]], reader: TimeReader, rows: int, place: str) -> None:
        """Raise SettingsError where most of the first rows hold numbers that are no plausible time.

        `wrong` are those without a time among the next `rows`, as row and cell; `place` is where the first of them is.
        """
        before, self._rows = self._rows, self._rows + rows
        if before >= _JUDGED:
            return
        early = [cell for row, cell in wrong if row < _JUDGED - before]
        self._misread += [
            f"{place}: {self._column} = {cell} {meaning.looks}; say how the times are counted: "
            f"--time-format {meaning.unit}"
            for cell in early
            if (meaning := reader.misread(cell)) is not None
        ]
        if self._rows >= _JUDGED and 2 * len(self._misread) > _JUDGED:
            raise SettingsError(self._misread[0])

    def add(self, stream: Int32, time: Int64) -> None:
        """Take in the readable rows of a poll, with the code of each one's stream.

        Raises SettingsError where so many rows repeat a time of their stream that there must be several in one, or
        where the times run backwards.
        """
        if not len(time):
            return
        low, high = int(time.min()), int(time.max())
        self.first = low if self.first is None else min(self.first, low)
        self.last = high if self.last is None else max(self.last, high)
        step = np.ones(len(time), np.int64)
        order = np.argsort(stream, kind="stable")
        edges = np.flatnonzero(np.diff(stream[order])) + 1
        for rows in np.split(order, edges):
            step[rows] = self._of_stream(int(stream[rows[0]]), time[rows])
        before, self._read = self._read, self._read + len(time)
        early = step[: max(_JUDGED - before, 0)]
        self._repeated += int(np.count_nonzero(early == 0))
        self._backwards += int(np.count_nonzero(early < 0))
        if self._read >= _JUDGED and self._repeated > _REPEATED * _JUDGED:
            raise SettingsError(self._several(self._repeated, _JUDGED))
        if self._read >= _JUDGED and self._backwards > _BACKWARDS * _JUDGED:
            raise SettingsError(
                f"{self._column} runs backwards: {self._backwards:,} of the first {_JUDGED:,} rows are earlier than "
                "the row before; sort the rows by time, the oldest first"
            )

    def _of_stream(self, code: int, time: Int64) -> Int64:
        """Take in the rows of one stream; how much later each is than the one before, ns; 1 for the first."""
        past = self._past.get(code) or _Past(time[:0], time[:0])
        known = np.concatenate([past.tail, time])
        new = len(past.tail)
        head = np.concatenate([past.head, time[: _HEAD - len(past.head)]])
        rest = time[len(head) - len(past.head) :]
        again = past.again
        if len(rest) and rest.min() <= head.max():
            again += int(np.count_nonzero(np.isin(rest, head) & (rest < np.maximum.accumulate(known)[-len(rest) :])))
        if 2 * again > _HEAD:
            raise SettingsError(self._several(again, self._read + len(time)))
        for row, rows in hour_blocks(known):
            if row >= new - 1:  # the others were found before
                (when,) = iso(known[row : row + 1])
                self.notes.append(f"{self._index.name(code)}, from {when[:19]} on: {hour_cause(rows)}")
        self._past[code] = _Past(head, known[-_TAIL:], again)
        return np.diff(known, prepend=known[0] - 1)[new:]

    def _several(self, rows: int, among: int) -> str:
        return (
            f"{rows:,} of the first {among:,} rows have the {self._column} of another row of their stream. Are they of "
            "several machines? name the column that says which one: --key-column. Are the times cut, to the minute for "
            "instance? give the rate of the readings, --rate, in place of the time"
        )
