"""Temporary files and folders beside a result, each locked by the process that writes it.

The lock (flock) ends with the process, however that ends: what killed processes left behind is found by it and removed.
It is trusted for names of this machine only; what others left is removed when it is a day old.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

OLD_S = 24 * 3600.0  # nothing is written for that long without a change
_HOST = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
_MADE = f"-{_HOST}-"


class Scratch(NamedTuple):
    """A temporary file or folder and the descriptor that holds its lock; a file may be written through it."""

    path: Path
    descriptor: int


@contextmanager
def file(folder: Path, mode: int = 0o666) -> Iterator[Scratch]:
    """A new, empty file in `folder`; deleted at the end, unless it was renamed. May raise OSError."""

    def make(path: Path) -> int:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)

    with _made(folder, ".watchkeeper", ".part", make) as made:
        yield made


@contextmanager
def draft(folder: Path) -> Iterator[Path]:
    """A new, empty folder in `folder`, as `file` is one; `folder` is made too. May raise OSError."""

    def make(path: Path) -> int | None:
        path.mkdir(parents=True)
        with suppress(FileNotFoundError):  # swept already
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        return None

    with _made(folder, ".draft", "", make) as made:
        yield made.path


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One process at a time; where the file system has no locks, all of them. May raise OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def sync(path: Path) -> None:
    """Wait until a file would survive a power cut. May raise OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_names(folder: Path) -> None:
    """Wait until the names in a folder would survive a power cut, where the file system can do that."""
    with suppress(OSError):
        sync(folder)


@contextmanager
def _made(folder: Path, prefix: str, suffix: str, make: Callable[[Path], int | None]) -> Iterator[Scratch]:
    _sweep(folder, f"{prefix}-*{suffix}")
    made = _locked(folder, prefix, suffix, make)
    try:
        yield made
    finally:
        _remove(made.path)
        os.close(made.descriptor)


def _locked(folder: Path, prefix: str, suffix: str, make: Callable[[Path], int | None]) -> Scratch:
    """Make it and lock it; another one where a sweep came in between."""
    while True:
        path = folder / f"{prefix}{_MADE}{uuid4().hex}{suffix}"
        descriptor = make(path)
        if descriptor is None:
            continue
        if _lock(descriptor, otherwise=True) and _is(path, descriptor):
            return Scratch(path, descriptor)
        os.close(descriptor)


def _lock(descriptor: int, *, otherwise: bool) -> bool:
    """Whether the lock could be taken; `otherwise` where the file system has no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return otherwise
    return True


def _is(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _sweep(folder: Path, pattern: str) -> None:
    """Delete what processes that have ended left in a folder; what cannot be deleted stays."""
    with suppress(OSError):
        for path in list(folder.glob(pattern)):
            with suppress(OSError):
                _delete_abandoned(path)


def _delete_abandoned(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        ours = stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)
        old = time.time() - found.st_mtime > OLD_S
        if ours and _lock(descriptor, otherwise=old) and (old or _MADE in path.name):
            _remove(path)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)
