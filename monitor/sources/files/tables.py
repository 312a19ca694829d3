"""CSV and Parquet files as a sequence of tables: so many rows at a time, never the whole file."""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from monitor.errors import SettingsError, SourceError

DELIMITERS = (",", ";", "\t", "|")
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


def open_table(path: Path, delimiter: str | None = None) -> Table:
    """Open by extension: Parquet, or CSV (also .gz, .zst, .bz2), whose delimiter shows in its first line.

    Raises SourceError when there is no such file, or no table in it.
    """
    try:
        return ParquetTable(path) if is_parquet(path) else CsvTable(path, delimiter)
    except FileNotFoundError:
        raise SourceError(f"{path}: no such file") from None
    except (OSError, pa.ArrowException, csv.Error) as error:
        raise SourceError(f"{path} cannot be read: {error}") from None


def check_names(path: Path, wanted: Sequence[str], names: Sequence[str]) -> None:
    """Raise SettingsError unless the file has every wanted column."""
    if any(map(_foreign, names)) and any(name not in names or _foreign(name) for name in wanted):
        raise SettingsError(
            f"{path}: the names of its columns are not all UTF-8: {', '.join(map(_legible, names))}; "
            "convert the file (from Latin 1: iconv -f LATIN1 -t UTF-8 FILE)"
        )
    for name in wanted:
        if name not in names:
            lower = {other.casefold(): other for other in names}
            near = difflib.get_close_matches(name.casefold(), lower, n=1, cutoff=0.4)
            hint = f" (did you mean {lower[near[0]]}?)" if near else ""
            raise SettingsError(f"{path} has no column {name}{hint}; its columns are: {', '.join(names)}")


class CsvTable:
    """Text cells as they stand in the file. The first line names the columns; empty lines are no rows."""

    def __init__(self, path: Path, delimiter: str | None) -> None:
        self._path = path
        # bytes that are no UTF-8 survive, so that they can be written out as they came
        self._text = io.TextIOWrapper(
            pa.input_stream(str(path), compression=packing(path)), "utf-8-sig", errors="surrogateescape", newline=""
        )
        first = self._text.readline()
        if not first.strip():
            raise SourceError(f"{path} is empty; its first line must name the columns")
        self._delimiter = delimiter or _delimiter(first)
        self.names = next(csv.reader([first], delimiter=self._delimiter))
        self._rows = self._read()
        self._next = next(self._rows, None)
        self._taken = 0

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
                broken[len(cells)] = f"{len(row)} fields where the first line has {width}"
                row = (row + [""] * width)[:width]
            cells.append(row)
            try:
                self._next = next(self._rows, None)
            except OSError as error:
                raise SourceError(f"{self._path} is damaged after row {self._taken + len(cells)}: {error}") from None
        self._taken += len(cells)
        columns = {name: self.names.index(name) for name in wanted}
        data = {name: pd.Series([row[at] for row in cells], dtype=object) for name, at in columns.items()}
        return pd.DataFrame(data, index=pd.RangeIndex(len(cells))), broken

    def close(self) -> None:
        """Close the file."""
        self._text.close()

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

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: Any = pq.ParquetFile(path, pre_buffer=False, buffer_size=2**20)  # else a whole row group is held
        self.names: list[str] = self._file.schema_arrow.names
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
        read = list(dict.fromkeys(wanted or self.names[:1]))
        try:
            if self._batches is None:
                self._batches = self._file.iter_batches(batch_size=65_536, columns=read)
                self._waiting = self._file.schema_arrow.empty_table().select(read)
            while len(self._waiting) < rows:
                self._waiting = pa.concat_tables([self._waiting, pa.Table.from_batches([next(self._batches)])])
        except (OSError, pa.ArrowException) as error:
            raise SourceError(f"{self._path} is damaged: {error}") from None
        taken, self._waiting = self._waiting[:rows], self._waiting[rows:]
        self._left -= rows
        frame = taken.to_pandas(types_mapper=pd.ArrowDtype, ignore_metadata=True)
        return (frame if wanted else frame[[]]), {}

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _delimiter(line: str) -> str:
    """The delimiter that makes the most columns of the first line."""
    return max(DELIMITERS, key=lambda delimiter: len(next(csv.reader([line], delimiter=delimiter))))


def _foreign(name: str) -> bool:
    """Whether it holds bytes that are no UTF-8."""
    return any("\ud800" <= char <= "\udfff" for char in name)


def _legible(name: str) -> str:
    """Such bytes as in Ger\\xe4t."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
