"""The lines of a text file in bounded memory: a packed file of 3 MB may hold one line of 6 GB."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from monitor.errors import SourceError

LONGEST = 2**22  # characters of a row
MOST_COLUMNS = 2**16
HELD = 2**24  # characters, or bytes, of rows that are held at once, but for the last row
_WHAT = (
    "is it a table? A row ends with a line break, and a quotation mark in front of a cell with another one behind it"
)


class Lines:
    """The lines of `text` one after the other, for a `csv.reader`, which makes a row of one or more of them.

    Call `row` when a row begins; a row of more than `LONGEST` characters is a SourceError. `taken` sums up characters.
    """

    def __init__(self, path: Path, text: TextIO) -> None:
        self._path, self._text = path, text
        self._lines, self._end = 0, 0  # `taken` where the row must have ended
        self.taken = 0
        self.row()

    def row(self) -> None:
        """A row begins with the next line."""
        self._end = self.taken + LONGEST

    def head(self) -> str:
        """The next line, read by itself; "" at the end."""
        self.row()
        return next(iter(self), "")

    def __iter__(self) -> Iterator[str]:
        """Raises SourceError, and what reading the text raises."""
        readline = self._text.readline
        while line := readline(LONGEST + 1):
            self._lines += 1
            self.taken += len(line)
            if self.taken > self._end:
                raise SourceError(
                    f"{self._path}, line {self._lines}: a row has more than {LONGEST:,} characters; {_WHAT}"
                )
            yield line


def check_columns(path: Path, count: int) -> None:
    """Raise SourceError for a file of more columns than a table may have."""
    if count > MOST_COLUMNS:
        raise SourceError(f"{path} has {count:,} columns; {MOST_COLUMNS:,} at most are read")
