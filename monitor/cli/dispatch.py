"""`watchkeeper dispatch`: a process that only delivers notifications."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import structlog
import typer

from monitor import bootstrap
from monitor.cli.parameters.common import ConfigFile
from monitor.cli.run_process import drain, logged_end, refuse_undelivered, stopping
from monitor.config.settings import Settings, load
from monitor.errors import StoreError
from monitor.observability import logs
from monitor.ports.notifier import Backlog

if TYPE_CHECKING:
    from monitor.notify.dispatcher import Dispatcher

_LOOK_S = 0.5
log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


def dispatch(
    config: ConfigFile,
    *,
    until_empty: Annotated[
        bool, typer.Option(help="Stop when nothing waits that can be delivered within half a minute.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Log lines as JSON.")] = False,
) -> None:
    """Deliver notifications until stopped (SIGINT, SIGTERM). No Kafka is needed; workers run with --no-dispatch.

    Any number of dispatchers, and of workers that deliver, may share one database.
    """
    logs.configure(json=as_json or not sys.stderr.isatty())
    with logged_end(as_json=as_json):
        _dispatch(load(config), until_empty=until_empty)


def _dispatch(settings: Settings, *, until_empty: bool) -> None:
    with stopping() as stop, bootstrap.dispatching(settings) as process:
        log.info("dispatch_started", channels=sorted(settings.notify))
        began, left = time.monotonic(), Backlog()
        try:
            if until_empty:
                left = drain(process.dispatcher, stop)
            while not until_empty and not stop.wait(_LOOK_S):
                process.beating.check()
        finally:
            _say_end(process.dispatcher, began)
        refuse_undelivered(left, by="watchkeeper dispatch")


def _say_end(dispatcher: Dispatcher, began: float) -> None:
    """Log what was done and what waits; not the latter where SQL is away."""
    waits: dict[str, int] = {}
    with suppress(StoreError):
        left = dispatcher.backlog()
        waits = {"waiting": left.waiting, "held": left.waiting - left.failing}
    took = round(time.monotonic() - began, 1)
    log.info("dispatch_ended", **dispatcher.tally._asdict(), **waits, took_s=took)
