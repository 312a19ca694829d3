"""How often a worker resumes after a model has failed while scoring, before it ends with that error."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

DELAYS_S = (5.0, 10.0, 20.0)  # before each retry: a better model may be promoted, or another worker take over
FORGOTTEN_S = 600.0  # after so long without a failure the next one is the first again
STOP_CHECK_S = 0.1  # between looks whether the worker is to stop, while it waits to resume


class ScoringRetries:
    """Counts the failures of models while scoring, and waits before the next try.

    `clock` gives monotonic seconds, `sleep` waits for so many of them.
    """

    def __init__(self, clock: Callable[[], float], sleep: Callable[[float], None] = time.sleep) -> None:
        self._clock, self._sleep = clock, sleep
        self._failures = 0
        self._last = -math.inf
        self._resume_at: float | None = None

    @property
    def pending(self) -> bool:
        """A failure has not been followed by a retry yet."""
        return self._resume_at is not None

    def failed(self) -> float | None:
        """A model has failed now: seconds until the retry, None when it is better to end."""
        now = self._clock()
        if now - self._last > FORGOTTEN_S:
            self._failures = 0
        self._last = now
        self._failures += 1
        if self._failures > len(DELAYS_S):
            return None
        delay = DELAYS_S[self._failures - 1]
        self._resume_at = now + delay
        return delay

    def wait(self, stop: Callable[[], bool]) -> None:
        """Block until the retry is due, or until `stop`."""
        while self._resume_at is not None and self._clock() < self._resume_at and not stop():
            self._sleep(STOP_CHECK_S)
        self._resume_at = None
