"""Several files as one table: a folder's or a pattern's files, one behind the other."""

from __future__ import annotations

import glob
import os
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from monitor.errors import SettingsError, SourceError
from monitor.sources.files import cells
from monitor.sources.files.head import Head, check_names, once
from monitor.sources.files.lines import HELD
from monitor.sources.files.selection import RowsOf
from monitor.sources.files.tables import PACKED, Table, is_parquet, open_table

TEXT = {".csv", ".tsv"}
_DIGITS = re.compile(r"(\d+)")


def files_of(path: Path) -> list[Path]:
    """The files that `path` means: itself, those of a folder, or those that a pattern such as `2026-*/*.csv` matches.

    Of a folder these are its CSV and Parquet files, not those in folders below; hidden files are never meant. They
    come in the order of their paths, in which numbers count as numbers: 2.csv, 10.csv. Raises SourceError for none.
    """
    found = _found(path)
    for file in found:
        if not _is_utf8(str(file)):
            raise SourceError(f"{file}: the name of this file is not UTF-8; rename it")
    return found


def _found(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if path.is_dir():
        found = [file for file in path.iterdir() if file.is_file() and is_table(file) and file.name[0] != "."]
    else:
        found = [file for file in map(Path, glob.glob(str(path), recursive=True)) if file.is_file()]
    if not found:
        what = "holds no CSV or Parquet file" if path.is_dir() else "no such file"
        raise SourceError(f"{path}: {what}")
    return sorted(found, key=_natural)


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_table(path: Path) -> bool:
    """Whether the name is one of a CSV (also packed) or Parquet file."""
    return is_parquet(path) or _unpacked(path).suffix.lower() in TEXT


def stream_names(files: Sequence[Path]) -> dict[Path, str]:
    """What the stream of each file is called: as the file, without the extensions that say what kind of file it is.

    Files that would have one name get their folders before it, as far as these differ: site-a/m1, site-b/m1.
    Raises SettingsError where that is not enough.
    """
    bare = {file: _bare(file).name for file in files}
    count = Counter(bare.values())
    twice = [file for file in files if count[bare[file]] > 1]
    root = os.path.commonpath([file.parent for file in twice]) if twice else ""
    named = {file: Path(os.path.relpath(_bare(file), root)).as_posix() for file in twice}
    taken = {name: file for file, name in named.items()}
    for file, name in named.items():
        if taken[name] != file:
            raise SettingsError(
                f"{file} and {taken[name]} would both be stream {name}; rename one, or name the stream "
                "with --key or --key-column"
            )
    return bare | named


def count_rows(path: Path, head: Head, most: int, only: tuple[str, str] | None = None) -> int:
    """How many rows there are; beyond `most` it stops counting, and the number returned is larger than that."""
    chain = Chain(files_of(path), head, (), only=only)
    count = 0
    try:
        while not chain.ended and count <= most:
            count += len(chain.take(65_536)[0])
    finally:
        chain.close()
    return count


def texts_of(path: Path, head: Head, column: str) -> list[str]:
    """The texts that stand in a column, each once, in the order in which they come."""
    chain = Chain(files_of(path), head, (column,))
    found: dict[str, None] = {}
    try:
        while not chain.ended:
            found |= dict.fromkeys(cells.as_text(chain.take(65_536)[0][column]))
    finally:
        chain.close()
    return list(found)


class Chain:
    """The columns `wanted` of all rows of `files`, in that order; one file is open at a time.

    Every file is looked at first, so that one without these columns is an error before anything is read. With `keep`
    the other columns of the first file come too, behind these, where a later file lacks one as empty cells. `only`
    names a column and what must stand in it: other rows do not come, and are not counted.
    Raises SourceError when a file cannot be read, and SettingsError when it lacks a column.
    """

    def __init__(
        self,
        files: Sequence[Path],
        head: Head,
        wanted: Sequence[str],
        *,
        keep: bool = False,
        only: tuple[str, str] | None = None,
    ) -> None:
        self._files, self._head, self._wanted, self._only = files, head, list(wanted), only
        for file in files if len(files) > 1 else ():
            self._open(file).close()
        self._starts = [0]  # row number of the first row of each file that was opened
        self._table = self._open(files[0])
        self._others = [name for name in once(self._table.names) if keep and name not in wanted]
        self._rows = 0
        self._go_on()

    @property
    def ended(self) -> bool:
        """Whether every row has been taken."""
        return self._table.ended

    def take(self, rows: int, held: int = HELD) -> tuple[pd.DataFrame, dict[int, str]]:
        """The next rows, and what is wrong with the broken ones among them.

        There are `rows` of them, unless the last file ends or they have about `held` characters together. A column
        whose type changes from file to file comes as text. Raises SourceError when a file cannot be read on.
        """
        frames: list[pd.DataFrame] = []
        broken: dict[int, str] = {}
        taken = size = 0
        while not frames or (taken < rows and size < held and not self.ended):
            frame, bad = self._table.take(rows - taken, self._columns_here())
            if len(frame.columns) < len(self._wanted) + len(self._others):
                frame = frame.reindex(columns=[*self._wanted, *self._others], fill_value="")
            broken |= {taken + row: error for row, error in bad.items()}
            frames.append(frame)
            taken += len(frame)
            size += self._table.size
            self._rows += len(frame)
            self._go_on()
        return frames[0] if len(frames) == 1 else _joined(frames), broken

    def origins(self, first: int, rows: int) -> list[tuple[Path, int]]:
        """Which files rows `first` to `first` + `rows` of those taken are from, and how many from each."""
        begin, end = bisect_right(self._starts, first) - 1, bisect_right(self._starts, first + rows - 1)
        edges = [first, *self._starts[begin + 1 : end], first + rows]
        return [(self._files[begin + i], edges[i + 1] - edges[i]) for i in range(len(edges) - 1)]

    def place(self, row: int) -> str:
        """Where a row that was taken stands, for a person."""
        file = bisect_right(self._starts, row) - 1
        return f"{self._files[file].name}, row {row - self._starts[file]}" + (
            f" of {self._only[1]}" if self._only else ""
        )

    def close(self) -> None:
        """Close the open file. May be called twice."""
        self._table.close()

    def _columns_here(self) -> list[str]:
        """Those to read of the open file."""
        here = once(self._table.names)
        return [*self._wanted, *(name for name in self._others if name in here)]

    def _open(self, file: Path) -> Table:
        table = open_table(file, self._head)
        try:
            check_names(file, self._wanted, table.names)
            if self._only is not None:
                check_names(file, self._only[:1], table.names)
                return RowsOf(table, *self._only)
        except BaseException:
            table.close()
            raise
        return table

    def _go_on(self) -> None:
        """Open the next file that has rows when this one has ended."""
        while self._table.ended and len(self._starts) < len(self._files):
            self._table.close()
            self._table = self._open(self._files[len(self._starts)])
            self._starts.append(self._rows)


def _unpacked(path: Path) -> Path:
    return path.with_suffix("") if path.suffix.lower() in PACKED else path


def _bare(path: Path) -> Path:
    """Without the extensions of a table."""
    return _unpacked(path).with_suffix("") if is_table(path) else path


def _natural(path: Path) -> list[tuple[str, int, str]]:
    """Sorts by text, and by value where both have digits; the digits themselves distinguish 01 from 1."""
    parts = _DIGITS.split(str(path))
    digits = [*parts[1::2], ""]
    return [(text, int(number or -1), number) for text, number in zip(parts[::2], digits, strict=True)]


def _joined(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """One below the other."""
    columns = {}
    for name in frames[0]:
        parts = [frame[name] for frame in frames]
        if len({part.dtype for part in parts}) > 1:
            parts = [pd.Series(cells.as_text(part), dtype=object) for part in parts]
        columns[name] = pd.concat(parts, ignore_index=True)
    return pd.DataFrame(columns, index=pd.RangeIndex(sum(map(len, frames))))
