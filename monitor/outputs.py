"""Files that a person names as an output: whole or not at all, and never in the place of what they are made from."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from monitor.errors import OutputError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file beside `path` to write to, which takes its place when the block ends, and is removed on any error.

    Until then `path` holds what it held. A link is followed, the permissions of a file that is there are kept. What is
    no file, a pipe or a device, is written to directly. Raises OutputError where the file cannot be put in its place.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        yield path
        return
    draft = target.with_name(f".{uuid4().hex}.part")
    try:
        yield draft
        with explained(path):
            if target.exists():
                draft.chmod(stat.S_IMODE(target.stat().st_mode))
            _synced(draft)
            draft.replace(target)
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Raise OutputError for whatever the system says while `path` is written."""
    try:
        yield
    except OSError as error:
        why = str(error) if error.errno is None else os.strerror(error.errno)
        raise OutputError(f"{path} cannot be written: {why}; what it held before is unchanged") from error


def is_one_of(path: Path, others: Iterable[Path]) -> bool:
    """Whether `path` is one of these files, by whatever name or link."""
    with suppress(OSError):
        return any(other.exists() and path.samefile(other) for other in others)
    return False


def _synced(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
