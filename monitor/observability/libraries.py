"""What libraries say by the way: their log records and Python's warnings, as entries of the structured log."""

from __future__ import annotations

import logging
import warnings
from typing import TextIO

import structlog

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


def capture() -> None:
    """Let warnings, and the log records of libraries from WARNING on, come through the structured log.

    Each kind of warning comes once: what it warns of and where. Calling it again changes nothing.
    """
    root = logging.getLogger()
    if not any(isinstance(handler, _ToLog) for handler in root.handlers):
        root.addHandler(_ToLog(logging.WARNING))
    warnings.showwarning = _Warned()


class _ToLog(logging.Handler):
    """Logs the records of the standard library's loggers."""

    def emit(self, record: logging.LogRecord) -> None:
        write = log.error if record.levelno >= logging.ERROR else log.warning
        try:
            write("library_log", logger=record.name, message=record.getMessage(), exc_info=record.exc_info)
        except Exception:
            self.handleError(record)


class _Warned:
    """Logs each warning of a category, from a line of code, once."""

    def __init__(self) -> None:
        self._known: set[tuple[type[Warning], str, int]] = set()

    def __call__(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        kind = category, filename, lineno
        if kind not in self._known:
            self._known.add(kind)
            log.warning("library_warning", kind=category.__name__, message=str(message), where=f"{filename}:{lineno}")
