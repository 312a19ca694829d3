"""The head of a file: its encoding, lines above the names, the delimiter, and what its columns are called."""

from __future__ import annotations

import csv
import difflib
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from monitor.config.notations import is_encoding
from monitor.errors import SettingsError, SourceError
from monitor.sources.files.lines import Lines, check_columns

DELIMITERS = (",", ";", "\t", "|")
UTF8 = "utf-8-sig"
_MARKS = {  # the first bytes of a file
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
_TWO_BYTES = (
    (re.compile(rb"(?:[\x09-\x7e]\x00){2}"), "utf-16-le"),
    (re.compile(rb"(?:\x00[\x09-\x7e]){2}"), "utf-16-be"),
)
_SEPARATOR = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
_PLACE = re.compile(r"#(\d+)")


@dataclass(frozen=True, slots=True)
class Head:
    """What is known of a file's head beforehand; the delimiter and the encoding are found in the file by default.

    `skip_rows` counts the lines above the names of the columns. `rename` has pairs of a column's name in the file, or
    its place as in "#3", and the name that it is to have.
    """

    delimiter: str | None = None
    encoding: str | None = None
    skip_rows: int = 0
    rename: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '"\r\n'):
            raise SettingsError(f"delimiter = {self.delimiter!r}; give one character, such as ; or | (a tab is $'\\t')")
        if self.encoding is not None and not is_encoding(self.encoding):
            raise SettingsError(f"--encoding {self.encoding} is not known; give cp1252, latin-1, utf-16, ...")


class TextHead(NamedTuple):
    """A text file behind the line of its names."""

    text: io.TextIOWrapper
    lines: Lines
    delimiter: str
    names: list[str]


def read_head(path: Path, stream: Any, head: Head) -> TextHead:
    """Read the bytes of `stream` up to the names of the columns.

    A line `sep=;`, as Excel reads it, says the delimiter, and is not one of the names. Raises SourceError for a file
    that has no names, and SettingsError where `head` does not fit it.
    """
    buffered = io.BufferedReader(stream)
    encoding = head.encoding or _encoding(buffered.peek(4)[:4])
    # bytes that are no UTF-8 survive, so that they can be written out as they came
    errors = "strict" if encoding.startswith(("utf-16", "utf-32")) else "surrogateescape"
    text = io.TextIOWrapper(buffered, encoding, errors=errors, newline="")
    lines = Lines(path, text)
    delimiter, left = head.delimiter, head.skip_rows
    try:
        line = lines.head().removeprefix("\ufeff")  # where `head` names an encoding that leaves it
        while left > 0 or _SEPARATOR.fullmatch(line):
            if found := _SEPARATOR.fullmatch(line):
                delimiter = delimiter or found[1]
            left -= 1
            line = lines.head()
            if not line:
                break
    except UnicodeError as error:
        raise SourceError(f"{path} is not {encoding}: {error}; give its --encoding") from None
    if not line.strip():
        which = f"the line after the first {head.skip_rows}" if head.skip_rows else "its first line"
        raise SourceError(f"{path} is empty; {which} must name the columns")
    delimiter = delimiter or _delimiter(line)
    names = next(csv.reader([line], delimiter=delimiter))
    check_columns(path, len(names))
    return TextHead(text, lines, delimiter, renamed(path, names, head.rename))


def renamed(path: Path, names: Sequence[str], rename: Sequence[tuple[str, str]]) -> list[str]:
    """The names of the columns after renaming. Raises SettingsError for a column that the file does not have."""
    found = list(names)
    for old, new in rename:
        place = _PLACE.fullmatch(old)
        if old in names:
            at = _places(names, old)
            if len(at) > 1:
                raise SettingsError(f'{path}: {_repeated(old, at)}; say which one is meant, --rename "#{at[-1]}={new}"')
        elif place and 0 < int(place[1]) <= len(names):
            at = [int(place[1])]
        else:
            raise SettingsError(f"{path} has no column {old}{_near(old, names)}; --rename cannot find it")
        found[at[0] - 1] = new
    return found


def check_names(path: Path, wanted: Sequence[str], names: Sequence[str]) -> None:
    """Raise SettingsError unless the file has every wanted column, once."""
    if any(map(_foreign, names)) and any(name not in names or _foreign(name) for name in wanted):
        raise SettingsError(
            f"{path}: the names of its columns are not all UTF-8: {', '.join(map(_legible, names))}; "
            "say what they are, such as --encoding cp1252 (Windows, western Europe)"
        )
    for name in wanted:
        if name not in names:
            near = _near(name, names) or " (are the names further down? --skip-rows)"
            raise SettingsError(f"{path} has no column {name}{near}; its columns are: {', '.join(names)}")
        if len(at := _places(names, name)) > 1:
            raise SettingsError(
                f"{path}: {_repeated(name, at)}, and which one is meant is not known; "
                f'give one of them another name: --rename "#{at[-1]}={name}-{at[-1]}"'
            )


def once(names: Sequence[str]) -> list[str]:
    """The names that only one column has."""
    return [name for name, count in Counter(names).items() if name and count == 1]


def _encoding(first: bytes) -> str:
    """The encoding that the first bytes show."""
    for mark, encoding in _MARKS.items():
        if first.startswith(mark):
            return encoding
    return next((encoding for shape, encoding in _TWO_BYTES if shape.fullmatch(first)), UTF8)


def _delimiter(line: str) -> str:
    """The delimiter that makes the most columns of the line of names."""

    def columns(delimiter: str) -> int:
        try:
            return len(next(csv.reader([line], delimiter=delimiter)))
        except csv.Error:  # all of a long line is one name
            return 0

    return max(DELIMITERS, key=columns)


def _near(name: str, names: Sequence[str]) -> str:
    """The likeliest of `names`, as part of a sentence."""
    lower = {other.casefold(): other for other in names}
    near = difflib.get_close_matches(name.casefold(), lower, n=1, cutoff=0.4)
    return f" (did you mean {lower[near[0]]}?)" if near else ""


def _places(names: Sequence[str], name: str) -> list[int]:
    """Which columns have this name, from 1."""
    return [place for place, other in enumerate(names, 1) if other == name]


def _repeated(name: str, places: Sequence[int]) -> str:
    return f"columns {', '.join(map(str, places[:-1]))} and {places[-1]} are both called {name}"


def _foreign(name: str) -> bool:
    """Whether it holds bytes that are no UTF-8."""
    return any("\ud800" <= char <= "\udfff" for char in name)


def _legible(name: str) -> str:
    """Such bytes as in Ger\\xe4t."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
