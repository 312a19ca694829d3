"""TOML as people save it, to nested tables; what would break the parser, or what comes after it, is refused here."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from monitor.config.sections import KeyPath
from monitor.config.small_files import read_small
from monitor.errors import SettingsError

LARGEST = 4 * 2**20  # bytes of a file
DEEPEST = 16  # tables and lists inside one another; settings take six
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_WORD = r"""(?:[\w-]+|"[^"\n]*"|'[^'\n]*')"""
_LONG_KEY = re.compile(rf"(?<![\w.-])(?:{_WORD}[ \t]*\.[ \t]*){{64}}")  # the time to parse one grows with its square
_DEEP = f"it holds tables or lists more than {DEEPEST} deep, or a key of too many parts"


def read(path: Path) -> dict[str, Any]:
    """The file as nested tables. Raises SettingsError."""
    try:
        return parse(_text(read_small(path, LARGEST)))
    except FileNotFoundError:
        raise SettingsError(f"{path}: no such file") from None
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} cannot be read: byte {error.start} is not UTF-8; save it as UTF-8") from None
    except ValueError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from None


def parse(text: str) -> dict[str, Any]:
    """TOML as nested tables. Raises ValueError."""
    if _LONG_KEY.search(text):
        raise ValueError(_DEEP)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except RecursionError:
        raise ValueError(_DEEP) from None
    except ValueError:  # of `int`, for thousands of digits
        raise ValueError("a number has thousands of digits; 64 bits hold 18") from None


def _text(body: bytes) -> str:
    """UTF-8, with the mark that some editors put in front or without. Raises ValueError."""
    if body.startswith(_UTF16):
        raise ValueError("it is UTF-16; save it as UTF-8")
    if b"\0" in body:
        raise ValueError("it holds NUL bytes; is it UTF-16, or no text at all? save it as UTF-8")
    return body.decode("utf-8-sig")


def value_problems(raw: Mapping[str, Any], variables: Mapping[KeyPath, str]) -> Iterator[str]:
    """Values that no setting can take, wherever they stand. `variables`: which environment variable set a path."""
    waiting: list[tuple[KeyPath, Any]] = [((), raw)]
    while waiting:
        path, value = waiting.pop()
        inner: dict[str, Any] = dict(value) if isinstance(value, Mapping) else {}
        if isinstance(value, list | tuple):
            inner = {str(number): item for number, item in enumerate(value, 1)}
        problem = _DEEP if inner and len(path) >= DEEPEST else _problem(value)
        problem = problem or next((f"the name of a key: {found}" for found in map(_problem, inner) if found), "")
        if problem:
            yield f"{_shown(path, variables)}: {problem}"
        else:
            waiting += [((*path, name), item) for name, item in reversed(inner.items())]


def _problem(value: object) -> str:
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return "the number needs more than 64 bits; write a smaller one"
    if isinstance(value, str):
        if "\0" in value:
            return "it holds a NUL character; remove it"
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            return "it is not UTF-8; write it as UTF-8"
    return ""


def _shown(path: KeyPath, variables: Mapping[KeyPath, str]) -> str:
    found = next((variables[path[:end]] for end in range(len(path), 0, -1) if path[:end] in variables), None)
    return found or ".".join(path[:6]) or "the file"
