"""Parquet files as tables, in bounded memory: a text that stands in a million rows is stored once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from monitor.errors import SourceError
from monitor.records.batches import Int64
from monitor.sources.files.head import Head, renamed
from monitor.sources.files.lines import HELD, LONGEST, check_columns

_ROWS = 65_536  # that are read at once
_MOST_VALUES = 2**27  # of a column of lists in a row group
_LONGEST_MEAN = 2**17  # bytes of a text, of those of a row group: a page holds a thousand of them
_LARGEST, _RATIO = 2**28, 500  # bytes of texts in a row group that may unpack from less than a 500th of that


class ParquetTable:
    """Cells with their types, as Arrow holds them."""

    def __init__(self, path: Path, head: Head) -> None:
        self._path = path
        schema = pq.read_schema(path)
        check_columns(path, len(schema.names))
        texts = [field.name for field in schema if _is_text(field.type)]
        self._file: Any = pq.ParquetFile(  # without the buffer, a whole row group is held
            path, pre_buffer=False, buffer_size=2**20, read_dictionary=texts
        )
        self._schema = schema
        self._columns: list[str] = schema.names
        self.names = renamed(path, self._columns, head.rename)
        plain = [kind.value_type if pa.types.is_dictionary(kind) else kind for kind in schema.types]
        self._types = dict(zip(self.names, plain, strict=True))
        self.size = 0
        self._left: int = self._file.metadata.num_rows
        self._read = 0
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
                self._check(read)
                self._batches = self._tables(read)
                self._waiting = pa.schema([(name, self._types[name]) for name in read]).empty_table()
            while len(self._waiting) < rows and self._waiting.nbytes < HELD:
                self._waiting = pa.concat_tables([self._waiting, next(self._batches)])
        except (OSError, pa.ArrowException) as error:
            raise SourceError(f"{self._path} is damaged: {error}") from None
        taken, self._waiting = self._waiting[:rows], self._waiting[rows:]
        self._left -= len(taken)
        self.size = taken.nbytes
        frame = taken.to_pandas(types_mapper=pd.ArrowDtype, ignore_metadata=True)
        return (frame if wanted else frame[[]]), {}

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _check(self, read: Sequence[str]) -> None:
        """Raise SourceError for columns whose pages may be of any size, or whose rows do not say how many values."""
        metadata = self._file.metadata
        of = {column: name for column, name in zip(self._columns, self.names, strict=True) if name in read}
        for group in map(metadata.row_group, range(metadata.num_row_groups)):
            for column in map(group.column, range(group.num_columns)):
                name = column.path_in_schema.split(".")[0]
                if name in of and (why := _oversized(column, group.num_rows)):
                    raise SourceError(f"{self._path}: column {of[name]} {why}")

    def _tables(self, read: Sequence[str]) -> Iterator[Any]:
        """The columns `read`, piece by piece; Arrow finds them by their names in the file, where these are unique."""
        unique = len(set(self._columns)) == len(self._columns)
        names = dict(zip(self._columns, self.names, strict=True))
        wanted = [column for column in self._columns if names[column] in read] if unique else None
        for batch in self._file.iter_batches(batch_size=_ROWS, columns=wanted):
            table = pa.Table.from_batches([batch])
            found = [names[column] for column in table.column_names] if unique else self.names
            yield from self._plain(table.rename_columns(found).select(list(read)))

    def _plain(self, table: Any) -> Iterator[Any]:
        """The table with texts in place of places in a dictionary, in pieces of about `HELD` bytes."""
        places = [place for place, column in enumerate(table.columns) if pa.types.is_dictionary(column.type)]
        sizes = np.zeros(len(table), np.int64)
        for place in places:
            sizes += _lengths(table.column(place))
        for begin, end in _pieces(sizes, self._too_long):
            piece = table[begin:end]
            for place in places:
                column = piece.column(place)
                kind = self._types[piece.field(place).name]
                piece = piece.set_column(place, piece.field(place).with_type(kind), column.cast(kind))
            yield piece
        self._read += len(table)

    def _too_long(self, row: int) -> SourceError:
        return SourceError(f"{self._path}, row {self._read + row}: its texts have more than {LONGEST:,} bytes")


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind))


def _oversized(column: Any, rows: int) -> str:
    """Why a column of a row group cannot be read in bounded memory; "" where it can."""
    packed, size, values = column.total_compressed_size, column.total_uncompressed_size, column.num_values
    if values > max(_MOST_VALUES, rows):
        return f"has {values:,} values in a row group; {_MOST_VALUES:,} at most are read"
    if column.physical_type != "BYTE_ARRAY" or size <= _LARGEST:
        return ""
    if size > _LONGEST_MEAN * values:
        return f"has {size // values:,} bytes in each text; {_LONGEST_MEAN:,} at most are read"
    if size > _RATIO * packed:
        return f"unpacks from {packed:,} to {size:,} bytes; write it in smaller row groups"
    return ""


def _lengths(column: Any) -> Int64:
    """Bytes of each text (n,) of a column that is held as a dictionary."""
    lengths = [
        pc.fill_null(pc.take(pc.binary_length(chunk.dictionary), chunk.indices), 0).to_numpy(zero_copy_only=False)
        for chunk in column.chunks
    ]
    return np.concatenate([np.zeros(0, np.int64), *lengths]).astype(np.int64)


def _pieces(sizes: Int64, too_long: Any) -> Iterator[tuple[int, int]]:
    """First row, and the one after the last, of pieces of about `HELD` bytes; raises what `too_long` makes of a row."""
    long = np.flatnonzero(sizes > LONGEST)
    ends, begin = np.cumsum(sizes), 0
    last = int(long[0]) if len(long) else len(sizes)
    while begin < last:
        before = int(ends[begin - 1]) if begin else 0
        end = min(last, max(begin + 1, int(np.searchsorted(ends, before + HELD, side="right"))))
        yield begin, end
        begin = end
    if len(long):
        raise too_long(last)
