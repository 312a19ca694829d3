"""CSV and Parquet files as a sequence of tables: so many rows at a time, never the whole file."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import pandas as pd
import pyarrow as pa

from monitor.errors import SourceError
from monitor.sources.files.head import Head, TextHead, read_head
from monitor.sources.files.lines import HELD
from monitor.sources.files.parquet import ParquetTable

PARQUET = {".parquet", ".pq"}
PACKED = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}


def is_parquet(path: Path) -> bool:
    """Whether the name is one of a Parquet file, in small or capital letters."""
    return path.suffix.lower() in PARQUET


def packing(path: Path) -> str:
    """How Arrow is to (un)pack a text file of this name."""
    return PACKED.get(path.suffix.lower(), "detect")


class Table(Protocol):
    """A file that is read from its first row to its last."""

    names: list[str]
    size: int  # characters, or bytes, of the rows that were taken last

    @property
    def ended(self) -> bool:
        """Whether every row has been taken."""
        ...

    def take(self, rows: int, wanted: Sequence[str]) -> tuple[pd.DataFrame, dict[int, str]]:
        """The next rows, and what is wrong with the broken ones among them.

        There are `rows` of them, unless the file ends or they hold more than `HELD` characters together. Without
        any `wanted` the frame has rows but no columns. Raises SourceError when the file cannot be read on.
        """
        ...

    def close(self) -> None:
        """Close the file. May be called twice."""
        ...


def open_table(path: Path, head: Head = Head()) -> Table:  # noqa: B008 (frozen)
    """Open by extension: Parquet, or CSV (also .gz, .zst, .bz2), whose delimiter shows in the line of names.

    Raises SourceError when there is no such file, or no table in it, and SettingsError where `head` does not fit it.
    """
    try:
        return ParquetTable(path, head) if is_parquet(path) else CsvTable(path, head)
    except FileNotFoundError:
        raise SourceError(f"{path}: no such file") from None
    except (OSError, pa.ArrowException, csv.Error) as error:
        raise SourceError(f"{path} cannot be read: {error}") from None


class CsvTable:
    """Text cells as they stand in the file. A line names the columns (see `head`); empty lines are no rows."""

    def __init__(self, path: Path, head: Head) -> None:
        self._path = path
        found: TextHead = read_head(path, pa.input_stream(str(path), compression=packing(path)), head)
        self._text, self._delimiter, self.names = found.text, found.delimiter, found.names
        self._lines, self.size = found.lines, 0
        self._rows = self._read()
        self._taken = 0
        self._next = self._row_after()

    @property
    def ended(self) -> bool:
        """Whether every row has been taken."""
        return self._next is None

    def take(self, rows: int, wanted: Sequence[str]) -> tuple[pd.DataFrame, dict[int, str]]:
        """See `Table`."""
        width, before = len(self.names), self._lines.taken
        cells: list[list[str]] = []
        broken: dict[int, str] = {}
        while self._next is not None and len(cells) < rows and self._lines.taken - before < HELD:
            row = self._next
            if len(row) != width:
                broken[len(cells)] = f"{len(row)} fields where the line of names has {width}"
                row = (row + [""] * width)[:width]
            cells.append(row)
            self._taken += 1
            self._next = self._row_after()
        self.size = self._lines.taken - before
        columns = {name: self.names.index(name) for name in wanted}
        data = {name: pd.Series([row[at] for row in cells], dtype=object) for name, at in columns.items()}
        return pd.DataFrame(data, index=pd.RangeIndex(len(cells))), broken

    def close(self) -> None:
        """Close the file."""
        self._text.close()

    def _row_after(self) -> list[str] | None:
        try:
            return next(self._rows, None)
        except OSError as error:
            raise SourceError(f"{self._path} is damaged after row {self._taken}: {error}") from None
        except UnicodeError as error:
            raise SourceError(f"{self._path} is not {self._text.encoding} after row {self._taken}: {error}") from None

    def _read(self) -> Iterator[list[str]]:
        reader = csv.reader(self._lines, delimiter=self._delimiter)
        while True:
            self._lines.row()
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                row = [str(error)]  # a field without end; the reader goes on behind it
            if row:
                yield row
