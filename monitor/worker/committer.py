"""The runner's way to the store: commits on a thread of their own, tried again while SQL is away, stopped by the fence.

Writing mostly waits for the disk, the database server or SQLite's own code, none of which holds Python back, so the
next interval is read meanwhile. At most one commit is on its way: they take effect in order, and nothing else uses the
store before it has arrived.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from concurrent import futures
from concurrent.futures import Future
from functools import partial
from itertools import count
from threading import Thread
from typing import TypeVar

import structlog

from monitor.errors import FencedError, StoreError
from monitor.ports.store import Commit, Store
from monitor.records.batches import TopicPartition

log = structlog.get_logger()
T = TypeVar("T")
Wait = Callable[[float], bool]  # waits for that many seconds; false = no further try

QUICK_S = 1.0  # a commit usually arrives within that; after it the wait is one inside the group
STATUS_POLL_S = 0.2
STOP_TIMEOUT_S = 10.0  # for a store that does not answer when the worker is to stop
BACKOFF_S = (0.5, 1.0, 2.0, 5.0)
JITTER = 0.2  # workers that lost SQL together must not return together


class Committer:
    """Everything the runner asks of its store goes through here.

    `fenced` turns true when a newer owner has taken a partition or a wait was given up: then nothing is written any
    more, before `abandon`. `stop` is asked whether to give up instead of trying again.
    """

    def __init__(self, store: Store, stop: Callable[[], bool]) -> None:
        self._store, self._stop = store, stop
        self._commit: Commit | None = None
        self._future: Future[float] | None = None
        self._durable: dict[TopicPartition, int] = {}
        self.fenced = False
        self.commits = 0
        self.took = 0.0  # seconds, of the last commit

    @property
    def busy(self) -> bool:
        """Whether a commit is on its way."""
        return self._commit is not None

    @property
    def finished(self) -> bool:
        """Whether it has come to an end, well or not: `land` will not have to wait for that."""
        return self._future is not None and self._future.done()

    def start(self, commit: Commit) -> None:
        """Send a commit off; none may be on its way."""
        assert self._commit is None  # noqa: S101 (the runner lands one before it launches the next)
        self._commit = commit
        self._future = self._send(commit)

    def drain(self, wait: Wait) -> None:
        """Wait until the commit on its way is durable, and try it again for as long as that may help."""
        if self._commit is not None:
            self._retry(partial(self._await_result, wait), wait)

    def call(self, action: Callable[[], T], wait: Wait) -> T | None:
        """The answer of the store, once the commit in flight is durable; None when fenced."""
        self.drain(wait)
        return self._retry(action, wait)

    def take_durable(self) -> dict[TopicPartition, int]:
        """Next offsets that became durable since this was last asked."""
        durable, self._durable = self._durable, {}
        return durable

    def abandon(self) -> None:
        """Forget the commit on its way, whatever becomes of it, and wait until the store is free.

        When the worker is to stop, a store that does not answer is left alone after a while.
        """
        while self._future is not None and not _over(self._future, STOP_TIMEOUT_S):
            if self._stop():
                break
        self._commit = self._future = None
        self._durable.clear()
        self.fenced = False

    def _send(self, commit: Commit) -> Future[float]:
        future: Future[float] = Future()
        Thread(target=self._write, args=(commit, future), name="commit", daemon=True).start()
        return future

    def _write(self, commit: Commit, future: Future[float]) -> None:
        began = time.monotonic()
        try:
            self._store.commit(commit)
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(time.monotonic() - began)

    def _await_result(self, wait: Wait) -> None:
        """Wait for the end of this try, or send the commit once more after one that failed."""
        if self._commit is None:  # a rebalance has completed it, while we waited to try again
            return
        future = self._future = self._future or self._send(self._commit)
        if not _over(future, QUICK_S):
            self._await_slow(future, wait)
        if self.fenced or self._future is not future:  # given up, or completed by a rebalance meanwhile
            return
        self._future = None  # if it failed, the next try is a new one
        self.took = future.result()
        self._durable |= {partition: offset for partition, (_, offset) in self._commit.positions.items()}
        self._commit = None
        self.commits += 1

    def _await_slow(self, future: Future[float], wait: Wait) -> None:
        """The store is slow, or hangs: stay in the group meanwhile, as long as `wait` has patience."""
        stopped = 0.0
        while not (self.fenced or self._future is not future or _over(future, 0)):
            if not wait(STATUS_POLL_S):
                log.warning("commit_given_up", reason="the store has not answered in time")
                self.fenced = True
            if self._stop():
                stopped = stopped or time.monotonic()
                if time.monotonic() - stopped > STOP_TIMEOUT_S:
                    raise StoreError(
                        f"the store has not answered for {STOP_TIMEOUT_S:g} s; the last commit may be there or not"
                    )

    def _retry(self, action: Callable[[], T], wait: Wait) -> T | None:
        """Try until it works; None when fenced, also because `wait` gave up. Errors that stay are raised."""
        for attempt in count():
            if self.fenced:
                break
            try:
                return action()
            except FencedError as error:
                log.warning("fenced", error=str(error))
                self.fenced = True
            except StoreError as error:
                if not error.transient or self._stop():
                    raise
                delay = BACKOFF_S[min(attempt, len(BACKOFF_S) - 1)] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311
                log.warning("store_unavailable", error=str(error), retry_in_s=round(delay, 1))
                self.fenced = not wait(delay) or self.fenced
        return None


def _over(future: Future[float], seconds: float) -> bool:
    """Whether it ends within that time."""
    return bool(futures.wait([future], seconds).done)
