"""What commands that run a worker share: stop on a signal, deliver what waits at the end, and print the totals."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from threading import Event
from types import FrameType
from typing import TYPE_CHECKING

import structlog
from rich.table import Table
from rich.text import Text

from monitor.cli.rendering.output import terminal
from monitor.errors import MonitorError, NotifyError
from monitor.ports.notifier import Backlog
from monitor.records.escapes import visible
from monitor.records.totals import Totals

if TYPE_CHECKING:
    from monitor.notify.dispatcher import Dispatcher

DRAIN_S = 30.0  # for notifications that wait when a run ends
log: structlog.typing.FilteringBoundLogger = structlog.get_logger()
SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stopping() -> Iterator[Event]:
    """An event that SIGINT and SIGTERM set; a second signal ends the process as usual."""
    stop = Event()

    def ask(number: int, _frame: FrameType | None) -> None:
        stop.set()
        signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, ask) for number in SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def logged_end(*, as_json: bool) -> Iterator[None]:
    """With JSON, an error that ends the command is an entry of the log, so that no line of it is anything else."""
    try:
        yield
    except MonitorError as error:
        if as_json:
            log.error("ended_with_error", error=str(error), exit_code=error.exit_code)  # noqa: TRY400 (it is explained)
            error.logged = True
        raise


def drain(dispatcher: Dispatcher | None, stop: Event) -> Backlog:
    """Deliver the notifications of a run that ends, for `DRAIN_S` at most; what waits then. Not where it is stopped."""
    return Backlog() if dispatcher is None or stop.is_set() else dispatcher.drain(DRAIN_S)


def refuse_undelivered(backlog: Backlog, by: str = "watchkeeper run") -> None:
    """Raise NotifyError where notifications wait that no rule holds, and say which command delivers them."""
    for name, held in backlog.held.items():
        log.info("notifications_held", channel=name, waiting=backlog.queues[name].waiting, reason=held)
    if not backlog.failing:
        return
    why = f"; the newest failure: {backlog.error}" if backlog.error else ""
    raise NotifyError(
        f"{backlog.failing:,} notification{'s'[: backlog.failing != 1]} could not be delivered within {DRAIN_S:g} s"
        f"{why}. They are kept, and the next `{by}` with this database delivers them"
    )


def totals_table(title: str, totals: Totals) -> Table:
    """The numbers of a run, for a person."""
    table = Table(title=visible(title), title_justify="left", title_style="bold", show_header=False)
    for name, value in asdict(totals).items():
        table.add_row(name, f"{value:,}")
    return table


def print_totals(title: str, totals: Totals, more: Mapping[str, str]) -> None:
    """On standard output, with `more` rows below."""
    table = totals_table(title, totals)
    for name, text in more.items():
        table.add_row(name, Text(visible(text)))
    terminal().print(table)
