"""A few threads that call receivers: daemons, so that a receiver which does not answer holds no process at its end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Generic, TypeVar

Given = TypeVar("Given")
Found = TypeVar("Found")


class Senders(Generic[Given, Found]):
    """Up to `count` threads that call `work`, which must not raise; started as they are needed, and kept."""

    def __init__(self, name: str, count: int, work: Callable[[Given], Found]) -> None:
        self._name, self._count, self._work = name, count, work
        self._waiting: SimpleQueue[tuple[Given, Future[Found]]] = SimpleQueue()
        self._started = 0
        self._busy = 0  # of the futures handed out, those that are not done

    def submit(self, given: Given) -> Future[Found]:
        """Have `work` called with it. Called by one thread only."""
        future: Future[Found] = Future()
        self._busy += 1
        if self._busy > self._started and self._started < self._count:
            self._started += 1
            threading.Thread(target=self._serve, name=f"{self._name}-{self._started}", daemon=True).start()
        self._waiting.put((given, future))
        return future

    def done(self) -> None:
        """The caller has taken the result of one of its futures."""
        self._busy -= 1

    def _serve(self) -> None:
        while True:
            given, future = self._waiting.get()
            future.set_result(self._work(given))
