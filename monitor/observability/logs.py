"""Structured logs: every line has a stable `event` name and named values, so that tools match names and not prose.

Modules log with `structlog.get_logger()`; the command line calls `configure` once. Nothing happens at import.
"""

from __future__ import annotations

import logging
import sys
from typing import TextIO

import structlog
from structlog.typing import Processor


def configure(json: bool, level: int = logging.INFO, stream: TextIO | None = None) -> None:
    """Send log lines to `stream` (stderr by default), as JSON or as `key=value` text for a person.

    Text is coloured on a terminal only. Lines below `level` (of `logging`) are dropped before they cost anything.
    """
    out = stream if stream is not None else sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    ]
    if json:
        shared += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
    else:
        plain = structlog.dev.plain_traceback  # the pretty one prints local variables, secrets among them
        shared.append(
            structlog.dev.ConsoleRenderer(colors=out.isatty(), timestamp_key="time", exception_formatter=plain)
        )
    structlog.configure(
        processors=shared,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=False,  # a logger made before `configure` follows it too
    )
