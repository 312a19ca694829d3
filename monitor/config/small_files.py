"""Files of settings and secrets: small, regular files, read without waiting for a writer and never past a limit."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

_AT_ONCE = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # a pipe without a writer would block for ever


def read_small(path: Path, most: int) -> bytes:
    """The bytes of a regular file of at most so many. Raises OSError, whose `strerror` says why not."""
    if "\0" in str(path):
        raise OSError(errno.EINVAL, "its name holds a NUL character")
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | _AT_ONCE)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is a pipe or a device; save it as a file")
        body = file.read(most + 1)
    if len(body) > most:
        raise OSError(errno.EFBIG, f"it is larger than {most:,} bytes; is it the right file?")
    return body
