"""Structured logs: every line has a stable `event` name and named values, so that tools match names and not prose.

Modules log with `structlog.get_logger()`; the command line calls `configure` once. Nothing happens at import.
What libraries log and warn of comes through the same lines, as `library_log` and `library_warning`.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, MutableMapping
from io import StringIO
from typing import Any, TextIO

import structlog
from structlog.typing import ExcInfo, Processor

from monitor.observability.libraries import capture
from monitor.records.escapes import dumps, visible


def configure(json: bool, level: int = logging.INFO, stream: TextIO | None = None) -> None:
    """Send log lines to `stream` (stderr by default), as JSON or as `key=value` text for a person.

    Text is coloured on a terminal only. Lines below `level` (of `logging`) are dropped before they cost anything.
    No value steers a terminal, wherever it comes from: see `monitor.records.escapes`.
    """
    out = stream if stream is not None else sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    ]
    if json:
        shared += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_dumps)]
    else:
        colors = out.isatty()
        shared += [
            _seen,
            structlog.dev.ConsoleRenderer(colors=colors, timestamp_key="time", exception_formatter=_traceback),
        ]
    structlog.configure(
        processors=shared,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=False,  # a logger made before `configure` follows it too
    )
    capture()


def _dumps(values: Mapping[str, Any], **options: Any) -> str:
    return dumps(values, default=options.get("default"))


def _seen(_logger: object, _method: str, values: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Every value as visible text, but for numbers and the exception, which `_traceback` writes."""
    return {visible(name): value if name == "exc_info" else _shown(value) for name, value in values.items()}


def _shown(value: Any) -> Any:
    if isinstance(value, bool | int | float) or value is None:
        return value
    return visible(value if isinstance(value, str) else repr(value))


def _traceback(out: TextIO, info: ExcInfo) -> None:
    """Without the values of local variables, among which are secrets; set in, as no line of it is an entry."""
    text = StringIO()
    structlog.dev.plain_traceback(text, info)
    out.write("".join(f"\n  {visible(line)}" for line in text.getvalue().strip("\n").split("\n")))
