"""Readings from CSV and Parquet files, read in chunks: memory does not grow with the files."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd

from monitor.config.formats import Format
from monitor.errors import SettingsError
from monitor.ports.source import Assignments
from monitor.records.batches import NEVER, Bool, DeadLetter, Float32, Int64, Poll, Readings, TopicPartition
from monitor.records.streams import StreamIndex
from monitor.sources.faults import TOO_MANY, too_many_streams
from monitor.sources.files import cells
from monitor.sources.files.chain import Chain, files_of, stream_names
from monitor.sources.files.head import Head
from monitor.sources.files.lines import HELD
from monitor.sources.files.time_checks import TimeChecks
from monitor.sources.notation import Notation
from monitor.sources.number_faults import number_fault, option
from monitor.sources.quality import Quality
from monitor.sources.stream_names import name_fault
from monitor.sources.timestamps import Arrivals, TimeReader, Times

CHUNK = 65_536  # rows
FIRST_HELD = 2**28  # characters of the first rows, which are learned from
TIMESTAMP = "timestamp"  # name of the time column that a file without one gets


@dataclass(frozen=True, slots=True)
class FileColumns:
    """Where a file holds what. The time is in column `time`, or is row number / `rate` seconds after 1970.

    `key` names the column that holds the stream's name; without one, all rows belong to `stream`, or, where that is
    empty, to a stream named like their file (see `stream_names`). `head` says how the columns are found, `layout` how
    cells are written, for which the value columns are called `channels` where these are given. With `keep`,
    `FileSource.rows` has every column of the file. `only` names a column and what must stand in it: other rows are
    left out, and not counted.
    """

    values: tuple[str, ...]
    time: str | None = None
    rate: float | None = None  # Hz
    key: str | None = None
    stream: str = ""
    head: Head = field(default_factory=Head)
    layout: Format = field(default_factory=Format)
    channels: tuple[str, ...] = ()
    keep: bool = False
    only: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        if not self.values:
            raise SettingsError("name at least one value column")
        if (self.time is None) == (self.rate is None):
            raise SettingsError("give either the time column or, for a file without one, the rate in Hz")
        if self.rate is not None and (self.rate <= 0 or np.prod(self.ratio, dtype=np.float64) > 9e9):
            raise SettingsError(f"rate = {self.rate} Hz; give a positive number of at most four decimals")

        self.time_reader()

    def time_reader(self) -> TimeReader:
        """Reads the column `time`, from its first row to its last. Raises SettingsError."""
        try:
            return TimeReader(self.layout.time_unit, self.layout.time_zone)
        except ValueError as error:
            raise SettingsError(str(error)) from None

    @property
    def ratio(self) -> tuple[int, int]:
        """The rate as the fraction its decimals say, so that times are exact."""
        return Fraction(str(self.rate)).as_integer_ratio()

    @property
    def wanted(self) -> list[str]:
        """Columns to read, in the order they are written out again."""
        named = (self.time, self.key, *self.values, *self.layout.quality_fields(self.channels or self.values))
        return list(dict.fromkeys(name for name in named if name))


class FileSource:
    """A `Source` over the files that `path` means (see `files_of`), one behind the other.

    Its topic is the last part of the path, its partition 0, an offset is a row number from 0, counted through all
    files. The reasons of its dead letters are those of messages: wrong-length, missing-time, bad-time, missing-key,
    bad-key, utf8 (of a key), bad-value.

    The first poll brings `first_rows` rows, every other `chunk_rows`, or fewer where they are long, the last one fewer.
    `assignments` says where to
    start, as it does for a broker; without it that is row `start`. After each poll `rows` holds the rows it read, bad
    ones included, with their row numbers as index: the time column, the key column, the value columns. `times`
    says what is known of their times so far.
    """

    def __init__(  # noqa: PLR0913 (keywords, each with a default)
        self,
        path: Path,
        columns: FileColumns,
        index: StreamIndex,
        *,
        family: str = "file",
        chunk_rows: int = CHUNK,
        first_rows: int | None = None,
        start: int = 0,
        assignments: Assignments | None = None,
    ) -> None:
        self.rows = pd.DataFrame()
        self._path, self._columns, self._index, self._family = path, columns, index, family
        self._chunk, self._coming = chunk_rows, first_rows or chunk_rows
        self._held = FIRST_HELD if first_rows else HELD
        self._place: TopicPartition = (path.name or path.resolve().name, 0)
        self._start, self._assignments = start, assignments
        self._next = 0
        self._opened = False
        self._known = NEVER  # the last time that could be read, ns
        files = files_of(path)
        self._streams = {} if columns.key or columns.stream else stream_names(files)
        self._reader = columns.time_reader()
        self.times = TimeChecks(columns.time or TIMESTAMP, index)
        self._files = Chain(files, columns.head, columns.wanted, keep=columns.keep, only=columns.only)
        self._notation = Notation(columns.layout)
        self._quality = Quality(columns.layout, columns.channels or columns.values)

    def poll(self, timeout: float) -> Poll:
        """The next rows. Never waits. `finished` on the last rows, and on every poll after them."""
        if not self._opened:
            self._opened = True
            self._skip()
        frame, broken = self._files.take(self._coming, self._held)
        if len(frame) < self._coming and self._held > HELD and not self._files.ended:
            raise SettingsError(
                f"{self._path}: the {self._coming:,} rows to learn from have more than {FIRST_HELD:,} characters; "
                "name fewer: --train-rows"
            )
        self._held = HELD
        first, self._next, self._coming = self._next, self._next + len(frame), self._chunk
        self.rows = frame.set_axis(pd.RangeIndex(first, self._next))
        if self._columns.rate is not None:
            self.rows = self.rows.rename(columns={TIMESTAMP: f"input_{TIMESTAMP}"})
            self.rows.insert(0, TIMESTAMP, cells.iso(cells.row_times(first, len(frame), self._columns.ratio)))
        readings, dead = self._read(first, frame, broken)
        ended = self._files.ended
        positions = {self._place: self._next}
        return Poll({self._family: readings}, dead, positions, records=len(frame), at_end=ended, finished=ended)

    def commit(self, positions: Mapping[TopicPartition, int]) -> None:
        """No-op: a file keeps no offsets."""

    def hold(self, seconds: float) -> None:
        """Wait: there is no group to stay in."""
        time.sleep(seconds)

    def close(self) -> None:
        """Close the open file."""
        self._files.close()

    def _skip(self) -> None:
        start = self._start
        if self._assignments is not None:
            start = self._assignments.assigned([self._place]).get(self._place, start)
        while self._next < start and not self._files.ended:
            self._next += len(self._files.take(min(self._chunk, start - self._next))[0])

    def _read(self, first: int, frame: pd.DataFrame, broken: dict[int, str]) -> tuple[Readings, list[DeadLetter]]:
        reasons = {row: ("wrong-length", error) for row, error in broken.items()}
        times = self._times(first, frame, reasons)
        names = self._names(first, frame, reasons)
        values = self._values(frame, reasons)
        good = np.ones(len(frame), dtype=np.bool_)
        good[list(reasons)] = False
        kept = np.flatnonzero(good)
        if refused := self._index.refused(names[row] for row in kept):
            reasons |= {row: too_many_streams(self._index.most) for row in kept.tolist() if names[row] in refused}
            kept = kept[[names[row] not in refused for row in kept]]
        stream, offset = self._index.intern([names[row] for row in kept]), first + kept
        partition = np.zeros(len(kept), dtype=np.int32)
        time = self._reader.settle(times.at(kept), lambda: Arrivals(stream, partition, offset))
        if self._columns.time is not None:
            self.times.add(stream, time)
        readings = Readings(stream, time, values[kept], partition, offset)
        return readings, self._dead(first, frame, reasons, (names, times.ns))

    def _times(self, first: int, frame: pd.DataFrame, reasons: dict[int, tuple[str, str]]) -> Times:
        if self._columns.time is None:
            return Times(cells.row_times(first, len(frame), self._columns.ratio))
        column = frame[self._columns.time]
        found = cells.times(column, self._reader)
        bad = _bad_cells(column, found.ns == NEVER)
        for row, text in bad:
            reason = ("bad-time", self._reader.explain(text.strip())) if text else ("missing-time", "no time")
            reasons.setdefault(row, reason)
        place = self._files.place(first + bad[0][0]) if bad else ""
        self.times.units(bad, self._reader, len(frame), place)
        return found

    def _names(self, first: int, frame: pd.DataFrame, reasons: dict[int, tuple[str, str]]) -> list[str]:
        if self._columns.key is None:
            origins = self._files.origins(first, len(frame))
            return [name for file, rows in origins for name in [self._streams.get(file, self._columns.stream)] * rows]
        names, _ = cells.names(frame[self._columns.key])
        faults = {name: fault for name in set(names) if (fault := name_fault(name)) is not None}
        for row, name in enumerate(names) if faults else ():
            if name in faults:
                reasons.setdefault(row, faults[name])
        return names

    def _values(self, frame: pd.DataFrame, reasons: dict[int, tuple[str, str]]) -> Float32:
        width = len(self._columns.values)
        values = cast("Float32", np.empty((len(frame), width), dtype=self._notation.kind))
        for number, name in enumerate(self._columns.values):
            found, bad = cells.numbers(frame[name], self._notation)
            values[:, number], _ = self._notation.decoded(found)
            for row, text in _bad_cells(frame[name], bad):
                reasons.setdefault(row, ("bad-value", f"{name}: {number_fault(text, self._notation, option)}"))
        if self._quality.names:
            self._quality.screen(values, [cells.as_text(frame[name]) for name in self._quality.names])
        return values

    def _dead(
        self, first: int, frame: pd.DataFrame, reasons: dict[int, tuple[str, str]], known: tuple[list[str], Int64]
    ) -> list[DeadLetter]:
        rows, (names, time) = sorted(reasons), known
        time, readable = _filled(time, self._known), time[time != NEVER]
        self._known = int(readable[-1]) if len(readable) else self._known
        bodies = zip(*(cells.as_text(frame[name].iloc[rows]) for name in frame), strict=True)
        return [
            DeadLetter(
                topic=self._place[0],
                partition=0,
                offset=first + row,
                reason=reasons[row][0],
                error=f"{self._files.place(first + row)}: {reasons[row][1]}",
                stream="" if reasons[row][0] == TOO_MANY or name_fault(names[row]) else names[row],
                time=int(time[row]),
                body=",".join(body).encode("utf-8", "surrogateescape"),
            )
            for row, body in zip(rows, bodies, strict=True)
        ]


def _bad_cells(column: cells.Column, bad: Bool) -> list[tuple[int, str]]:
    """Row and text of every cell that cannot be read."""
    rows = np.flatnonzero(bad).tolist()
    return list(zip(rows, cells.as_text(column.iloc[rows]), strict=True)) if rows else []


def _filled(time: Int64, before: int) -> Int64:
    """Times; a row without one has that of the row before, also in an earlier poll, or else of the first that has one.

    `before` is the last one of the earlier polls; NEVER where there is none.
    """
    known = np.append(before, time)
    rows = np.flatnonzero(known != NEVER)
    if not len(rows):
        return np.zeros_like(time)
    return known[rows[np.maximum(np.searchsorted(rows, np.arange(1, len(known)), side="right") - 1, 0)]]
