"""What options and arguments may hold: the `parser` of each, with the same bounds for every command.

A parser takes what is on the command line, or a default, and raises typer.BadParameter, with which Typer names the
option and ends with exit code 2. What is within the bounds fits 64 bits, the names of files and every database.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import typer

from monitor.config.durations import parse_duration, parse_time

MOST_CHARACTERS: Final = 10_000  # of any text
LONGEST_NAME: Final = 500  # characters; an index of PostgreSQL takes 2,700 bytes
FARTHEST: Final = 2**62  # ns from 1970, either way: what a duration may be added to
_SHOWN = 60  # characters of a value in a message


def whole(least: int, most: int) -> Callable[[str | int], int]:
    """A parser of whole numbers from `least` to `most`."""

    def parse(given: str | int) -> int:
        try:
            number = int(given)
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            raise _refused(given, f"is not a whole number from {least:,} to {most:,}")
        return number

    return parse


def number(least: float, most: float) -> Callable[[str | float], float]:
    """A parser of numbers from `least` to `most`; never NaN or infinite."""

    def parse(given: str | float) -> float:
        try:
            number = float(given)
        except ValueError:
            number = float("nan")
        if not least <= number <= most:
            raise _refused(given, f"is not a number from {least:g} to {most:g}")
        return number

    return parse


def text(given: str) -> str:
    """Text that a file and any database can hold; it may be empty."""
    if problem := _no_text(given, MOST_CHARACTERS):
        raise _refused(given, problem)
    return given


def name(given: str) -> str:
    """What a run, family, topic, column or person is called: not empty, and not too long for an index."""
    if problem := _no_text(given, LONGEST_NAME):
        raise _refused(given, problem)
    if not given.strip():
        raise _refused(given, "is empty; give a name")
    return given


def path(given: str | Path) -> Path:
    """Where a file or a folder is, or is to be: it may be missing, but can be looked for."""
    shown = str(given)
    if problem := _no_text(shown, MOST_CHARACTERS):
        raise _refused(shown, f"{problem}; rename the file")
    if not shown:
        raise _refused(shown, "is empty; name a file")
    try:
        os.stat(shown)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise _refused(shown, f"cannot be used: {error.strerror}") from None
    return Path(given)


def duration(given: str | int) -> int:
    """A length of time such as 90m or 24h, in ns."""
    return given if isinstance(given, int) else _read(parse_duration, given)


def moment(given: str | int) -> int:
    """A time as ISO 8601 says it, UTC unless it names another zone, in ns."""
    time = given if isinstance(given, int) else _read(parse_time, given)
    if abs(time) >= FARTHEST:
        raise _refused(given, "is too far away; times go from 1824 to 2115")
    return time


TIME: Final[dict[str, Any]] = {"parser": moment, "metavar": "<time>"}  # of options, with what help calls it
DURATION: Final[dict[str, Any]] = {"parser": duration, "metavar": "<duration>"}
COUNT = whole(1, 10**9)  # of rows, messages, readings
PARTITION, OFFSET = whole(0, 2**31 - 1), whole(0, 2**63 - 1)
SEED = whole(0, 2**32 - 1)  # as every library takes
N_STD = number(0, 1e6)
RATE = number(1e-6, 1e9)  # Hz: from one in eleven days to one in a nanosecond


def _read(parse: Callable[[str], int], given: str) -> int:
    try:
        return parse(text(given))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def words(given: str) -> str:
    """Text that says something."""
    if not text(given).strip():
        raise _refused(given, "is blank")
    return given


def _no_text(given: str, most: int) -> str:
    """Why it cannot be kept as text of `most` characters; empty where it can."""
    if len(given) > most:
        return f"is too long, {most:,} characters at most"
    if "\0" in given:
        return "holds a NUL character"
    try:
        given.encode()
    except UnicodeEncodeError:
        return "is not text in UTF-8"
    return ""


def _refused(given: object, why: str) -> typer.BadParameter:
    shown = repr(str(given))
    return typer.BadParameter(f"{shown if len(shown) <= _SHOWN else shown[:_SHOWN] + '...'} {why}")
