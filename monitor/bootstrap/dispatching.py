"""A process that only delivers, put together from its parts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, NamedTuple

from monitor.bootstrap.channels import alert_keeper, dispatcher
from monitor.bootstrap.checks import check_store
from monitor.config.settings import Settings
from monitor.errors import SettingsError
from monitor.records.workers import DISPATCH

if TYPE_CHECKING:
    from monitor.notify.beating import Beating
    from monitor.notify.dispatcher import Dispatcher


class Dispatching(NamedTuple):
    """A dispatcher that delivers, and what reports that it does."""

    dispatcher: Dispatcher
    beating: Beating


@contextmanager
def dispatching(settings: Settings) -> Iterator[Dispatching]:
    """A dispatcher and the timers of alerts without a worker, over the database alone.

    Raises SettingsError where there is no channel.
    """
    from monitor.notify.beating import Beating
    from monitor.store.workers import open_heartbeats
    from monitor.worker.heartbeat import new_report

    check_store(settings)
    delivering = dispatcher(settings)
    if delivering is None:
        raise SettingsError("no channel is configured, so nothing can be delivered; add a table [notify.NAME]")
    keeper = alert_keeper(settings)  # timers are carried out while no worker runs
    with closing(open_heartbeats(settings.store.url)) as heartbeats, ExitStack() as started:
        beating = Beating(new_report(DISPATCH, {}, tuple(settings.notify)), heartbeats)

        def end(_kind: object, failure: BaseException | None, _traceback: object) -> None:
            beating.stop("" if failure is None else str(failure) or type(failure).__name__)

        beating.start()
        started.push(end)
        delivering.start()
        started.callback(delivering.stop)
        keeper.start()
        started.callback(keeper.stop)
        yield Dispatching(delivering, beating)
