"""A few threads that call receivers: daemons, so that a receiver which does not answer holds no process at its end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

Given = TypeVar("Given")
Found = TypeVar("Found")


class Senders(Generic[Given, Found]):
    """Up to `count` threads that call `work`, which must not raise; started as they are needed, and kept.

    Its methods are called by one thread only.
    """

    def __init__(self, name: str, count: int, work: Callable[[Given], Found]) -> None:
        self._name, self._count, self._work = name, count, work
        self._started = 0
        self._busy = 0  # submitted, and not taken since
        self._waiting: SimpleQueue[tuple[Given, SimpleQueue[tuple[Given, Found]]]] = SimpleQueue()
        self.renew()

    def renew(self) -> None:
        """Forget what is under way: what comes of it is never taken."""
        self.flying = 0  # submitted since, and not taken
        self._found: SimpleQueue[tuple[Given, Found]] = SimpleQueue()

    def submit(self, given: Given) -> None:
        """Have `work` called with it."""
        self._busy, self.flying = self._busy + 1, self.flying + 1
        if self._busy > self._started and self._started < self._count:
            self._started += 1
            threading.Thread(target=self._serve, name=f"{self._name}-{self._started}", daemon=True).start()
        self._waiting.put((given, self._found))

    def taken(self, seconds: float) -> Iterator[tuple[Given, Found]]:
        """What was given with what `work` has found; waits so long for the first one, and not for others."""
        with suppress(Empty):
            found = self._found.get(timeout=seconds)
            while True:
                self._busy, self.flying = self._busy - 1, self.flying - 1
                yield found
                found = self._found.get_nowait()

    def _serve(self) -> None:
        while True:
            given, found = self._waiting.get()
            found.put((given, self._work(given)))
