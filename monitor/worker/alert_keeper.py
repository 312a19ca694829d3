"""Carries out the timers of alerts, on a thread and SQL connections that scoring does not use.

Every process that runs one may do so: what is due is carried out once, by whichever locks the alert first.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog

from monitor.errors import StoreError
from monitor.ports.alert_timers import AlertTimers

_PAUSE = 1.0  # seconds between looks at what is due
_BROKEN = 5.0  # seconds until the next look where SQL has failed

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


class AlertKeeper:
    """Turns `timers` until `stop`, which closes them; `clock` gives wall time in ns."""

    def __init__(self, timers: AlertTimers, clock: Callable[[], int] = time.time_ns) -> None:
        self._timers, self._clock = timers, clock
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="alert-keeper", daemon=True)
        self._failing = False  # since the last look that succeeded, which is logged once

    def start(self) -> None:
        """Look for what is due in the background."""
        self._thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """End after the look in hand, or after `timeout` seconds; what is due stays due."""
        self._stopping.set()
        self._thread.join(timeout)
        if not self._thread.is_alive():
            self._timers.close()

    def turn(self) -> int:
        """Carry out what is due now; how many alerts changed. Raises StoreError."""
        return self._timers.elapse(self._clock())

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._stopping.wait(self._try_turn())

    def _try_turn(self) -> float:
        """Seconds until the next look."""
        try:
            changed = self.turn()
        except StoreError as error:  # its message says everything
            if not self._failing:
                log.warning("alert_timers_failed", error=str(error), retry_in_s=_BROKEN)
            self._failing = True
            return _BROKEN
        except Exception as error:  # the next look may succeed, and timers must not stop
            log.exception("alert_timers_failed", error=str(error), retry_in_s=_BROKEN)
            return _BROKEN
        self._failing = False
        if changed:
            log.info("alert_timers_elapsed", alerts=changed)
        return 0.0 if changed else _PAUSE
