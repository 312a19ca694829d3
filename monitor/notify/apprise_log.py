"""Apprise says in its log only why a message was not taken, and may name the address there.

So its log, and that of the libraries below it, goes nowhere else: warnings and errors are kept for the thread that
caused them.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_LOGGERS = ("apprise", "urllib3", "requests_oauthlib", "oauthlib")


class _Keeper(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: dict[int, list[str]] = {}  # by thread

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the text; other threads' records are not looked at."""
        kept = self.said.get(threading.get_ident())
        if kept is not None:
            kept.append(record.getMessage())


_keeper = _Keeper()


@contextmanager
def said_by_this_thread() -> Iterator[list[str]]:
    """What Apprise warns of in this thread meanwhile."""
    for logger in map(logging.getLogger, _LOGGERS):
        if _keeper not in logger.handlers:
            logger.handlers[:] = [_keeper]
            logger.propagate = False
            logger.setLevel(logging.WARNING)
    said = _keeper.said[threading.get_ident()] = []
    try:
        yield said
    finally:
        del _keeper.said[threading.get_ident()]
