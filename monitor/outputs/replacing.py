"""Files that may replace an earlier result: the whole new one, or the old one as it was."""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from monitor.errors import OutputError, SettingsError
from monitor.outputs import scratch

_ADVICE = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EFBIG: "see `ulimit -f`, or choose another disk",
    errno.ENAMETOOLONG: "choose a shorter one",
    errno.ENOENT: "make its folder first",
    errno.EISDIR: "name a file",
}
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


def why(error: OSError) -> str:
    """What keeps a file from being written, as the system says it."""
    return str(error) if error.errno is None else os.strerror(error.errno)


def refuse_inputs(option: str, output: Path, inputs: Iterable[Path]) -> None:
    """Raise SettingsError where the output is a file that is read: by its name, a symbolic link or a hard link."""
    for read in inputs:
        with suppress(OSError):  # one of them is not there
            if output.samefile(read):
                raise SettingsError(f"{option}: {output} is a file that is read ({read}); choose another one")


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write; what was written becomes `path` when the block ends.

    Where the block raises, `path` stays as it was. It is written beside `path`, keeps the mode of a file that is
    replaced, and follows a symbolic link. A pipe, a terminal or a device is written to at once.
    Raises SettingsError where `path` cannot be written to, and OutputError where the system fails later.
    """
    with _explained(path, SettingsError):
        known = _stat(path)
        if known is not None and (stat.S_ISDIR(known.st_mode) or not os.access(path, os.W_OK)):
            raise OSError(errno.EISDIR if stat.S_ISDIR(known.st_mode) else errno.EACCES, "")
        direct = known is not None and (not stat.S_ISREG(known.st_mode) or _is_open_file(path))
        opened = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC) if direct else None
    if opened is not None:
        with io.BufferedWriter(_Raw(path, opened)) as file:
            yield file
        return
    target = Path(os.path.realpath(path))
    with ExitStack() as stack:
        with _explained(path, SettingsError):
            made = stack.enter_context(scratch.file(target.parent))
            if known is not None:
                _like(made.descriptor, known)
        with io.BufferedWriter(_Raw(path, os.dup(made.descriptor))) as file:
            yield file
        with _explained(path, OutputError):
            os.fsync(made.descriptor)
            made.path.replace(target)
            scratch.sync_names(target.parent)


def write_files(folder: Path, bodies: Mapping[str, bytes]) -> list[Path]:
    """Write files of these names into a folder, all of them before any replaces an earlier one; returns their paths.

    Raises what `replacing` raises.
    """
    paths = [folder / name for name in bodies]
    with _explained(folder, SettingsError):
        folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        for path, body in zip(paths, bodies.values(), strict=True):
            file = stack.enter_context(replacing(path))
            file.write(body)
            file.flush()
    return paths


class _Raw(io.FileIO):
    """A descriptor whose errors say which output could not be written, and why."""

    def __init__(self, path: Path, descriptor: int) -> None:
        super().__init__(descriptor, "wb")
        self._path = path

    def write(self, data: Any, /) -> int | None:  # type: ignore[override]  # any buffer
        with _explained(self._path, OutputError):
            return super().write(data)


@contextmanager
def _explained(path: Path, kind: type[SettingsError | OutputError]) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0, "choose another place")
        kind = OutputError if error.errno in _NO_ROOM else kind
        raise kind(f"{path} cannot be written: {why(error)}; what it held before is unchanged; {advice}") from None


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _is_open_file(path: Path) -> bool:
    """Whether it names a file that this process has open, as /dev/stdout does: its name is not to be replaced."""
    while path.is_symlink():
        folder = Path(os.path.realpath(path.parent))
        if folder.is_relative_to("/proc"):
            return True
        path = folder / path.readlink()
    return False


def _like(descriptor: int, known: os.stat_result) -> None:
    """Give a new file the owner and the mode of the one it replaces, as far as this user may."""
    with suppress(OSError):
        os.fchown(descriptor, known.st_uid, known.st_gid)
    with suppress(OSError):
        os.fchmod(descriptor, stat.S_IMODE(known.st_mode))
