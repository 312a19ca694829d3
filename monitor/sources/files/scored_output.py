"""Writing a file's rows back with what was found out about each: CSV or Parquet, chunk by chunk."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from monitor.errors import SettingsError
from monitor.outputs.replacing import replacing
from monitor.records.batches import NEVER, Int64
from monitor.sources.files import cells
from monitor.sources.files.chain import TEXT, is_table
from monitor.sources.files.source import TIMESTAMP, FileColumns
from monitor.sources.files.tables import PACKED, PARQUET, is_parquet, packing
from monitor.sources.notation import Notation
from monitor.sources.timestamps import Arrivals, TimeReader


class ScoredWriter:
    """Writes the rows a `FileSource` has read, in their order, with more columns beside them.

    The extension of `path` decides: Parquet, or CSV (`.tsv` with tabs; `.gz`, `.zst` and `.bz2` are packed). Text from
    a CSV file stays as it stood there; in Parquet its time becomes a timestamp in UTC and its values float64.
    The file is there when the `with` block has ended; where the block raises, what was there before is untouched.
    Raises SettingsError and OutputError as `replacing` does.
    """

    def __init__(self, path: Path, columns: FileColumns) -> None:
        self._columns, self._notation = columns, Notation(columns.layout)
        self._reader = columns.time_reader()
        self._parquet: Any = None  # the writer needs the first rows to know its schema
        self._names: list[str] | None = None
        self._path = path
        self._stack = ExitStack()
        self._file: Any = None
        _check_extension(path)

    def __enter__(self) -> ScoredWriter:
        with ExitStack() as stack:
            file = stack.enter_context(replacing(self._path))
            if is_parquet(self._path):
                self._file = file
            else:
                packed = pa.output_stream(file, compression=packing(self._path))
                self._file = io.TextIOWrapper(packed, "utf-8", errors="surrogateescape", newline="")
            stack.push(self._end)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def write(self, rows: pd.DataFrame, columns: Mapping[str, NDArray[Any]]) -> None:
        """Write `rows` (see `FileSource.rows`) and `columns`, one array of their length each, the same in every call.

        NaN and None become empty cells; floats have as many digits as it takes to read the same number back.
        """
        if is_parquet(self._path):
            self._write_parquet(rows, columns)
        else:
            self._write_csv(rows, columns)

    def _end(self, kind: type[BaseException] | None, *_: object) -> None:
        """Finish the file; one that is dropped is finished too, as its library would try that later and complain."""
        finish = self._file if self._parquet is None else self._parquet
        if kind is None:
            finish.close()
        else:
            with suppress(Exception):
                finish.close()

    def _write_csv(self, rows: pd.DataFrame, columns: Mapping[str, NDArray[Any]]) -> None:
        tabs = ".tsv" in Path(self._path.name.lower()).suffixes
        writer = csv.writer(self._file, delimiter="\t" if tabs else ",", lineterminator="\n")
        rows = _apart(rows, columns)
        if self._names is None:
            self._names = [*rows.columns, *columns]
            writer.writerow(self._names)
        cellwise = [cells.as_text(rows[name]) for name in rows]
        writer.writerows(zip(*cellwise, *map(_csv_text, columns.values()), strict=True))

    def _write_parquet(self, rows: pd.DataFrame, columns: Mapping[str, NDArray[Any]]) -> None:
        rows = _apart(rows, columns)
        arrays = {str(name): self._typed(str(name), rows[name]) for name in rows}
        arrays |= {name: _arrow(values) for name, values in columns.items()}
        table = pa.table(arrays)
        if self._parquet is None:
            self._parquet = pq.ParquetWriter(self._file, table.schema)
        self._parquet.write_table(table)

    def _typed(self, name: str, column: cells.Column) -> Any:
        if column.dtype != object:
            return pa.array(column)
        if name in self._columns.values:
            return pa.array(cells.numbers(column, self._notation)[0], from_pandas=True)
        if name in (self._columns.time, TIMESTAMP):
            when = self._settled(column)
            return pa.array(when.view("datetime64[ns]"), mask=when == NEVER, type=pa.timestamp("ns", "UTC"))
        return pa.array(column.tolist(), pa.string())

    def _settled(self, column: cells.Column) -> Int64:
        """Times in ns as the source has read them, those of a repeated hour by their order."""
        none, row = np.zeros(len(column), np.int64), column.index.to_numpy(np.int64)
        when = self._reader.settle(cells.times(column, self._reader), lambda: Arrivals(none, none, row))
        if (when == NEVER).any():  # R-peaks have times in ISO 8601 whatever those of their file are
            when = np.where(when == NEVER, cells.times(column, TimeReader("iso")).ns, when)
        return when


def _apart(rows: pd.DataFrame, columns: Mapping[str, NDArray[Any]]) -> pd.DataFrame:
    """The rows with `input_` before the names that `columns` has too."""
    return rows.rename(columns={name: f"input_{name}" for name in rows if name in columns})


def _check_extension(path: Path) -> None:
    if not is_table(path):
        raise SettingsError(
            f"{path} cannot be written: its extension must be one of {', '.join(sorted(TEXT | PARQUET))}; "
            f"behind .csv or .tsv there may be one of {', '.join(sorted(PACKED))}"
        )


def _csv_text(values: NDArray[Any]) -> list[str]:
    if values.dtype == object:
        return ["" if value is None else str(value) for value in values]
    text = values.astype(np.int8).astype(str) if values.dtype == np.bool_ else values.astype(str)
    if values.dtype.kind == "f":
        text[np.isnan(values)] = ""
    return list(text.tolist())


def _arrow(values: NDArray[Any]) -> Any:
    if values.dtype == object:
        return pa.array([None if value is None else str(value) for value in values], pa.string())
    return pa.array(values, from_pandas=True)
