"""What a command prints has to arrive: a full disk behind standard output is an error, not a silence."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from monitor.errors import OutputError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def printing() -> Iterator[None]:
    """Raise OutputError where a disk had no room for what the block printed or wrote, the rest in the buffer too."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise _no_output(error) from error
        raise
    finally:
        _flush()


def _flush() -> None:
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter complains once more
        if error.errno != errno.EPIPE:
            raise _no_output(error) from None
        sys.exit(1)


def _no_output(error: OSError) -> OutputError:
    what = error.filename or "what the command prints"
    return OutputError(f"{what} cannot be written: {os.strerror(error.errno or 0)}")
