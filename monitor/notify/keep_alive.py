"""Open alerts posted again to receivers that forget them otherwise, such as Alertmanager.

What is posted is read from SQL each time: it survives a restart, and every dispatcher on the outbox may do it. Alerts
that ended lately are posted again too, so that an end which met a repeat of its alert is the last word all the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable
from uuid import UUID

import structlog

from monitor.errors import NotifyError
from monitor.ports.notifier import DeliveredMessages, Notifier
from monitor.records.alerts import Delivery

_AT_ONCE = 200  # alerts in one post
_PAST = 3  # turns in which an alert that has ended is posted again

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


@runtime_checkable
class KeepsAlive(Notifier, Protocol):
    """A notifier whose receiver forgets an alert that is not repeated every `keep_alive_every` seconds."""

    @property
    def keep_alive_every(self) -> float:
        """Seconds between two posts of an alert."""
        ...

    def keep_alive(self, deliveries: Sequence[Delivery]) -> None:
        """Post the newest messages of alerts again. Raises NotifyError."""
        ...


class KeepAlive:
    """The turns of one channel, `every` so many seconds."""

    def __init__(self, name: str, notifier: KeepsAlive, announced: DeliveredMessages) -> None:
        self.name, self.every = name, notifier.keep_alive_every
        self._notifier, self._announced = notifier, announced
        self._turns: dict[UUID, int] = {}  # in which alerts were not open any more, one after the other
        self._failed = False

    def turn(self) -> int:
        """Post everything again once; returns 0, as the next turn is due after `every` seconds. Raises StoreError."""
        open_ = self._announced.open_alerts()
        ended = {alert: count + 1 for alert, count in self._turns.items() if count < _PAST}
        self._turns = ended | dict.fromkeys(open_, 0)
        alerts = list(self._turns)
        try:
            for first in range(0, len(alerts), _AT_ONCE):
                if newest := self._announced.newest(self.name, alerts[first : first + _AT_ONCE]):
                    self._notifier.keep_alive(newest)
        except NotifyError as error:
            if not self._failed:
                log.warning("alerts_not_kept_alive", channel=self.name, error=str(error), retry_in_s=self.every)
            self._failed = True
        else:
            self._failed = False
        return 0


def keepers(notifiers: Mapping[str, Notifier], announced: DeliveredMessages) -> list[KeepAlive]:
    """One for each channel whose receiver forgets."""
    return [KeepAlive(name, each, announced) for name, each in notifiers.items() if isinstance(each, KeepsAlive)]
