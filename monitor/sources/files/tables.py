"""CSV and Parquet files as a sequence of tables: so many rows at a time, never the whole file."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from monitor.errors import SourceError
from monitor.sources.files.head import Head, TextHead, read_head, renamed

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

    @property
    def ended(self) -> bool:
        """Whether every row has been taken."""
        ...

    def take(self, rows: int, wanted: Sequence[str]) -> tuple[pd.DataFrame, dict[int, str]]:
        """The next rows, `rows` of them unless the file ends, and what is wrong with the broken ones among them.

        Without any `wanted` the frame has rows but no columns. Raises SourceError when the file cannot be read on.
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
        self._rows = self._read()
        self._taken = 0
        self._next = self._row_after()

    @property
    def ended(self) -> bool:
        """Whether every row has been taken."""
        return self._next is None

    def take(self, rows: int, wanted: Sequence[str]) -> tuple[pd.DataFrame, dict[int, str]]:
        """See `Table`."""
        width = len(self.names)
        cells: list[list[str]] = []
        broken: dict[int, str] = {}
        while self._next is not None and len(cells) < rows:
            row = self._next
            if len(row) != width:
                broken[len(cells)] = f"{len(row)} fields where the line of names has {width}"
                row = (row + [""] * width)[:width]
            cells.append(row)
            self._taken += 1
            self._next = self._row_after()
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
        reader = csv.reader(self._text, delimiter=self._delimiter)
        while True:
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                row = [str(error)]  # a field without end; the reader goes on behind it
            if row:
                yield row


class ParquetTable:
    """Cells with their types, as Arrow holds them."""

    def __init__(self, path: Path, head: Head) -> None:
        self._path = path
        self._file: Any = pq.ParquetFile(path, pre_buffer=False, buffer_size=2**20)  # else a whole row group is held
        self._columns: list[str] = self._file.schema_arrow.names
        self.names = renamed(path, self._columns, head.rename)
        self._left: int = self._file.metadata.num_rows
        self._batches: Iterator[Any] | None = None
        self._waiting: Any = None

    @property
    def ended(self) -> bool:
        """Whether every row has been taken."""
        return self._left == 0

    def take(self, rows: int, wanted: Sequence[str]) -> tuple[pd.DataFrame, dict[int, str]]:
        """See `Table`."""
        rows = min(rows, self._left)
        read = list(dict.fromkeys(wanted)) or self.names[:1]
        try:
            if self._batches is None:
                self._batches = self._tables(read)
                self._waiting = self._file.schema_arrow.empty_table().rename_columns(self.names).select(read)
            while len(self._waiting) < rows:
                self._waiting = pa.concat_tables([self._waiting, next(self._batches)])
        except (OSError, pa.ArrowException) as error:
            raise SourceError(f"{self._path} is damaged: {error}") from None
        taken, self._waiting = self._waiting[:rows], self._waiting[rows:]
        self._left -= rows
        frame = taken.to_pandas(types_mapper=pd.ArrowDtype, ignore_metadata=True)
        return (frame if wanted else frame[[]]), {}

    def _tables(self, read: Sequence[str]) -> Iterator[Any]:
        """The columns `read`, batch by batch; Arrow finds them by their names in the file, where these are unique."""
        unique = len(set(self._columns)) == len(self._columns)
        names = dict(zip(self._columns, self.names, strict=True))
        wanted = [column for column in self._columns if names[column] in read] if unique else None
        for batch in self._file.iter_batches(batch_size=65_536, columns=wanted):
            table = pa.Table.from_batches([batch])
            found = [names[column] for column in table.column_names] if unique else self.names
            yield table.rename_columns(found).select(list(read))

    def close(self) -> None:
        """Close the file."""
        self._file.close()
