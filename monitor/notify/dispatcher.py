"""Drains the outbox: takes what is due, calls the channel's notifier, records how it went.

SQL is the queue, so nothing is lost when the process ends, and a message may arrive twice but always with the same id.
It runs beside scoring, on a separate thread and SQL connection; no receiver can slow down or stop the monitor.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from monitor.errors import NotifyError, StoreError
from monitor.notify.retry_schedule import wait
from monitor.ports.notifier import Backlog, Notifier, Outbox
from monitor.records.alerts import Delivery

_TURN = 100  # messages, after which paused channels are checked again
_IDLE = 0.5  # seconds between polls of an empty outbox
_BROKEN = 5.0  # seconds between polls of an outbox that cannot be read
_TRIP = 5  # failures in a row after which a channel is only probed
_PROBE = 60 * 10**9

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Channel:
    """A channel's circuit breaker. Not saved: after a restart the first try decides."""

    failures: int = 0  # in a row
    paused_until: int = 0  # not called before this time, ns

    def succeeded(self) -> None:
        self.failures = 0

    def failed(self, now: int, retry_after: int) -> None:
        self.failures += 1
        pause = max(retry_after, _PROBE if self.failures >= _TRIP else 0)
        self.paused_until = now + pause


class Dispatcher:
    """Delivers with retries, one message of a channel at a time and in order within each alert.

    - A failed message waits as `monitor.notify.retry_schedule` says, and never less than the receiver's Retry-After.
    - After five failures in a row, or while a Retry-After runs, the whole channel pauses; a broken one is probed with
      one message a minute until it answers. Other channels go on.
    - A message is given up, and its row kept with the reason, after the last try, on a permanent failure, or when its
      channel is no longer configured.

    `clock` gives wall time in ns, `chance` numbers in [0, 1) for the jitter.
    """

    def __init__(
        self,
        outbox: Outbox,
        notifiers: Mapping[str, Notifier],
        clock: Callable[[], int] = time.time_ns,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._outbox = outbox
        self._notifiers = notifiers
        self._clock = clock
        self._chance = chance
        self._channels = {name: _Channel() for name in notifiers}
        self._stopping = threading.Event()
        self._quiet = threading.Event()  # a look at the outbox has found nothing due
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Deliver in the background until `stop`. Does nothing while that is going on already."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="dispatcher", daemon=True)
            self._thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """End after the message in hand, or after `timeout` seconds; what is left stays due. May be called twice."""
        if self._thread is None:
            return
        self._stopping.set()
        self._thread.join(timeout)
        if self._thread.is_alive():  # it ends when the receiver answers or times out
            log.warning("dispatcher_abandoned", seconds=timeout, reason="a receiver has not answered yet")
            return
        self._thread = None
        self._stopping.clear()

    def drain(self, seconds: float) -> Backlog:
        """Block until nothing is left that can be delivered within so many seconds; returns what waits then.

        It must have been started. Raises StoreError.
        """
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._quiet.clear()
            self._quiet.wait(left)
            found = self._outbox.backlog()
            if found.next_at is None or found.next_at > self._clock() + _nanoseconds(left):
                break
        return self._outbox.backlog()

    def run_once(self, now: int) -> int:
        """Try what is due at `now` (ns) and return how many messages were tried. Raises StoreError.

        A channel's first failure ends its turn: so one slow receiver costs the others one timeout at most.
        """
        paused = {name for name, channel in self._channels.items() if channel.paused_until > now}
        tried = 0
        while tried < _TURN and not self._stopping.is_set():
            due = self._outbox.due(now, 1, paused)  # one: a leased message is kept from other dispatchers
            if not due:
                break
            tried += 1
            if not self._deliver(due[0]):
                paused.add(due[0].channel)
        return tried

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                pause = 0.0 if self.run_once(self._clock()) else _IDLE
                if pause:
                    self._quiet.set()
            except StoreError as error:  # its message says everything
                log.warning("dispatcher_failed", error=str(error), retry_in_s=_BROKEN)
                pause = _BROKEN
            except Exception as error:  # the next poll may succeed, and alerts must not stop
                log.exception("dispatcher_failed", error=str(error), retry_in_s=_BROKEN)
                pause = _BROKEN
            self._stopping.wait(pause)

    def _deliver(self, delivery: Delivery) -> bool:
        error = self._send(delivery)
        now = self._clock()
        if error is None:
            self._outbox.delivered(delivery, now)
            return True
        retry_at = self._retry_at(delivery, error, now)
        self._outbox.failed(delivery, now, str(error), retry_at)
        log.warning(
            "notification_not_delivered",
            channel=delivery.channel,
            transition=str(delivery.transition),
            attempt=delivery.attempts + 1,
            error=str(error),
            retry_in_s=None if retry_at is None else round((retry_at - now) / 1e9, 1),
        )
        return False

    def _send(self, delivery: Delivery) -> NotifyError | None:
        """One try; whatever a notifier raises comes back as the error to record."""
        notifier = self._notifiers.get(delivery.channel)
        if notifier is None:
            return NotifyError(f"no channel is named {delivery.channel} in the configuration any more", permanent=True)
        channel = self._channels[delivery.channel]
        try:
            notifier.send(delivery)
        except NotifyError as error:
            failure = error
        except Exception as error:
            log.exception("notifier_failed", channel=delivery.channel)
            failure = NotifyError(f"{type(error).__name__}: {error}")
        else:
            channel.succeeded()
            return None
        channel.failed(self._clock(), _nanoseconds(failure.retry_after))
        return failure

    def _retry_at(self, delivery: Delivery, error: NotifyError, now: int) -> int | None:
        delay = wait(delivery.attempts + 1, self._chance())
        if delay is None or error.permanent:
            return None
        return now + max(delay, _nanoseconds(error.retry_after))


def _nanoseconds(seconds: float | None) -> int:
    return round((seconds or 0) * 1e9)
