"""When a worker commits, how long it polls, and when it checks for new models.

Pure: the clock is an argument, and nothing here waits. A commit is due when its interval is over or an alert is
pending. Under backlog commits are larger and rarer: after one that took t seconds the worker waits 4 t
(`BACKLOG_PAUSE_FACTOR`), only t if an alert is pending (`ALERT_PAUSE_FACTOR`). One that has caught up does not wait.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

from monitor.pipeline.loop import POLL_S

COMMIT_POLL_S = 0.005  # the shortest one, while a commit is due and the one before it is still in flight
MODEL_CHECK_S = 5.0  # between checks for new models while readings never pause
BACKLOG_PAUSE_FACTOR = 4  # after a commit that took t seconds, wait 4 t: commits take at most a fifth of the time
ALERT_PAUSE_FACTOR = 1  # the same if an alert is pending: reading goes on, however many alerts there are
MAX_COMMIT_S = 10.0  # a longer commit counts as this long: the process was probably suspended


class NextCommit(Protocol):
    """The commit that is being built."""

    @property
    def dirty(self) -> bool:
        """There is something to write."""
        ...

    @property
    def full(self) -> bool:
        """It must not grow any more."""
        ...

    @property
    def urgent(self) -> bool:
        """An alert is pending."""
        ...

    @property
    def has_history(self) -> bool:
        """It holds training data that the store does not have yet."""
        ...

    @property
    def has_ready(self) -> bool:
        """Some streams have become ready to be trained on."""
        ...


class InFlight(Protocol):
    """The commit that is being written, and the last one that was."""

    @property
    def busy(self) -> bool:
        """One is in flight."""
        ...

    @property
    def finished(self) -> bool:
        """The one in flight has succeeded or failed."""
        ...

    @property
    def took(self) -> float:
        """Seconds that the last one took to write."""
        ...


class CommitPacer:
    """Decides by the commit being built, the one in flight, and the events reported to it.

    `interval` is in seconds, `clock` gives monotonic seconds.
    """

    def __init__(self, building: NextCommit, in_flight: InFlight, interval: float, clock: Callable[[], float]) -> None:
        self._building, self._in_flight, self._interval, self._clock = building, in_flight, interval, clock
        self._due = 0.0  # end of the interval of the commit being built
        self._durable_at = -math.inf
        self._prepared = 0.0  # seconds that building the last commit took
        self._caught_up = False
        self._model_check_at = -math.inf

    # What happened

    def polled(self, *, caught_up: bool, records: int) -> None:
        """A poll returned and is about to be processed; `caught_up` when it brought everything there is."""
        self._caught_up = caught_up
        if records and not self._building.dirty:
            self._due = self._clock() + self._interval

    def commit_started(self, prepared: float) -> None:
        """A commit, which took `prepared` seconds to build, is in flight."""
        self._prepared = prepared

    def commit_durable(self) -> None:
        """The commit in flight is durable."""
        self._durable_at = self._clock()

    def models_checked(self) -> None:
        """Models are being checked now."""
        self._model_check_at = self._clock() + MODEL_CHECK_S

    def restart(self) -> None:
        """The worker has stepped down: no pause is left from before."""
        self._durable_at = -math.inf

    # What to do

    def poll_timeout(self) -> float:
        """Seconds that the next poll may wait for a record."""
        return min(POLL_S, max(0.0, self._until_commit()))

    def commit_due(self) -> bool:
        """Whether to commit now. While a commit is in flight, only a full one is due."""
        return self._until_commit() <= 0

    def model_check_due(self) -> bool:
        """Whether models were last checked `MODEL_CHECK_S` ago."""
        return self._clock() >= self._model_check_at

    def model_check_possible(self) -> bool:
        """Whether the store is free and holds all training data: at once if nothing is to be written, else when due."""
        if self._in_flight.busy:
            return False
        return not self._building.dirty or (self.model_check_due() and not self._building.has_history)

    def model_check_follows(self) -> bool:
        """True when the model check must follow the commit, because the training data it needs is part of it."""
        return self._building.has_ready or (self.model_check_due() and self._building.has_history)

    def _until_commit(self) -> float:
        """Seconds until the next commit is due, not positive when it is."""
        if not self._building.dirty:
            return POLL_S
        if self._building.full:
            return 0.0
        took = 0.0 if self._caught_up else min(self._prepared + self._in_flight.took, MAX_COMMIT_S)
        if self._building.urgent:
            due = self._durable_at + ALERT_PAUSE_FACTOR * took
        else:
            due = max(self._due, self._durable_at + BACKLOG_PAUSE_FACTOR * took)
        seconds = due - self._clock()
        return max(seconds, COMMIT_POLL_S) if self._in_flight.busy and not self._in_flight.finished else seconds
