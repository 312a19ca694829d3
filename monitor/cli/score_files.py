"""The files of `watchkeeper score`: what is read, learned from and written, and which of a file's streams."""

from __future__ import annotations

from dataclasses import dataclass
from glob import has_magic
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.errors import SettingsError
from monitor.outputs.replacing import refuse_inputs

if TYPE_CHECKING:
    from monitor.sources.files.head import Head
    from monitor.sources.files.source import FileColumns

SHARE, FEWEST, MOST = 0.15, 100, 50_000  # rows to learn from by default
EARLY = 750  # rows at most where companions know the stream besides: the sooner its detector joins them, the better
SHOWN = 20  # streams that an error lists


@dataclass(frozen=True, slots=True)
class Files:
    """`read` is scored and written to `written`; the model learns from the first `rows` of it, or of `learned`."""

    read: Path
    written: Path
    learned: Path | None = None
    rows: int | None = None  # None = a share, see `training_rows`
    most: int = MOST  # rows of that share
    after: int | None = None  # rows to learn from where there are more than these

    def check(self, columns: FileColumns) -> None:
        """Raise SettingsError where the output would replace an input, or has a column of these names already."""
        from monitor.replay.row_judge import COLUMNS
        from monitor.sources.files.chain import files_of

        refuse_inputs("--output", self.written, files_of(self.read) + (files_of(self.learned) if self.learned else []))
        own = {"timestamp", *COLUMNS} if columns.time is None else set(COLUMNS)
        reserved = sorted({columns.time or "", *columns.values} & own)
        if reserved:
            name = reserved[0]
            raise SettingsError(
                f"--values: the output has a column {', '.join(reserved)} already; "
                f"give it another name, --rename {name}=my_{name}"
            )

    def training_rows(self, columns: FileColumns) -> tuple[int, int | None]:
        """How many rows to learn from, and how many are scored, where that is known."""
        from monitor.sources.files.chain import count_rows

        if self.learned is not None:
            return self.rows or MOST, None
        if self.rows is not None:
            return self.rows, None
        counted = max(round(MOST / SHARE), self.after or 0)
        rows = count_rows(self.read, columns.head, counted, columns.only)
        known = rows if rows <= counted else None
        if self.after is not None and self.after < rows:
            return self.after, known
        return min(max(int(SHARE * rows), FEWEST), self.most), known


def beside(file: Path) -> Path:
    """Where the output goes by default: never into a folder that is read."""
    if file.is_dir():
        return file.resolve().with_name(f"{file.resolve().name}.scored.csv")
    if has_magic(str(file)) and not file.exists():
        raise SettingsError(f"--output: name the file that the rows of {file} are written to")
    return file.with_suffix(".scored.csv")


def chosen_stream(file: Path, head: Head, column: str | None, key: str | None) -> tuple[str, str] | None:
    """The column with the names of streams and the one that is scored; None where the file holds one stream.

    Raises SettingsError where it holds several and `key` names none of them.
    """
    from monitor.sources.files.chain import texts_of

    if column is None:
        if key is not None:
            raise SettingsError("--key names a stream of --key-column, which is missing")
        return None
    found = texts_of(file, head, column)
    if key is None and len(found) == 1:
        (key,) = found
    if not found:
        raise SettingsError(f"{file} has no rows, so that no stream is named in {column} (--key-column)")
    if key not in found:
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise SettingsError(
            f"--key: {column} names the streams {', '.join(found[:SHOWN])}{more}; "
            + ("score judges one of them: choose it" if key is None else f"{key} is not among them")
        )
    return column, key
