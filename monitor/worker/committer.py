"""Background committer: one commit in flight, retried with backoff while SQL is unavailable; stops when fenced.

A commit mostly waits for the disk, the database server or SQLite's own code, none of which hold Python's lock, so it is
written on a thread while the worker reads on. One commit at most is in flight: commits take effect in order, and the
store is free for other calls only after it.
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

from monitor.errors import FencedError, StoreError, StreamsChangedError
from monitor.ports.store import Commit, Store
from monitor.records.batches import TopicPartition
from monitor.records.totals import Totals
from monitor.worker.withheld_log import WithheldLog

log = structlog.get_logger()
T = TypeVar("T")
Wait = Callable[[float], bool]  # waits for that many seconds; false = time is up: give up

QUICK_S = 1.0  # most commits finish within this; after it, wait in the group
STATUS_POLL_S = 0.2  # between looks at a slow commit
STOP_TIMEOUT_S = 10.0  # for a store that does not answer while the worker stops
BACKOFF_S = (0.5, 1.0, 2.0, 5.0)
JITTER = 0.2  # so that workers that lost SQL at the same time do not retry at the same time


class Committer:
    """All calls of the runner to its store go through here.

    `fenced` turns true when a newer owner has taken a partition, a command has changed a stream, which is `outdated`
    then, or a wait has run out of time: nothing is written until `abandon`. `stop` says whether to give up instead of
    retrying. `totals` counts what is committed or in flight.
    """

    def __init__(self, store: Store, stop: Callable[[], bool], clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._stop, self._clock = store, stop, clock
        self._commit: Commit | None = None
        self._future: Future[float] | None = None
        self._durable: dict[TopicPartition, int] | None = None
        self._committed, self._started = Totals(), Totals()  # in all commits, and in the one in flight
        self._withheld = WithheldLog(clock)
        self.fenced = self.outdated = False
        self.took = 0.0  # seconds, of the last commit

    @property
    def totals(self) -> Totals:
        """Counts of everything committed or in flight."""
        return self._committed + self._started

    @property
    def busy(self) -> bool:
        """A commit is in flight."""
        return self._commit is not None

    @property
    def finished(self) -> bool:
        """The commit in flight has succeeded or failed, or one has succeeded whose offsets are still to be taken."""
        return self._durable is not None or (self._future is not None and self._future.done())

    def start(self, commit: Commit, totals: Totals) -> None:
        """Write a commit in the background; `totals` counts what is in it. None may be in flight."""
        assert self._commit is None  # noqa: S101 (the runner drains one before it starts the next)
        self._commit, self._started = commit, totals
        self._future = self._send(commit)

    def drain(self, wait: Wait) -> None:
        """Block until the commit in flight is durable; retry it while that may help. Raises permanent StoreErrors."""
        if self._commit is not None:
            self._retry(partial(self._await_result, wait), wait)

    def call(self, action: Callable[[], T], wait: Wait) -> T | None:
        """Call the store after `drain`, with the same retries; None when fenced."""
        self.drain(wait)
        return self._retry(action, wait)

    def take_durable(self) -> dict[TopicPartition, int] | None:
        """Next offsets that became durable since the last call; None where no commit did."""
        durable, self._durable = self._durable, None
        return durable

    def abandon(self) -> bool:
        """Give up the commit in flight: its attempt ends, none follows. True if there was none or it has succeeded.

        A store that does not answer is waited for; while the worker stops, only for `STOP_TIMEOUT_S`.
        """
        while self._future is not None and not _over(self._future, STOP_TIMEOUT_S):
            if self._stop():
                break
        future, commit, self._future = self._future, self._commit, None
        if commit is not None and future is not None and future.done() and future.exception() is None:
            self._succeeded(commit)
        given_up, self._commit, self._started = self._commit is not None, None, Totals()
        self._durable, self.fenced, self.outdated = None, False, False
        return not given_up

    def _send(self, commit: Commit) -> Future[float]:
        future: Future[float] = Future()
        Thread(target=self._write, args=(commit, future), name="commit", daemon=True).start()
        return future

    def _write(self, commit: Commit, future: Future[float]) -> None:
        began = self._clock()
        try:
            self._store.commit(commit)
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(self._clock() - began)

    def _await_result(self, wait: Wait) -> None:
        """Wait for the result of this attempt; begin another one after one that failed."""
        if self._commit is None:  # completed within a rebalance, while we waited to retry
            return
        future = self._future = self._future or self._send(self._commit)
        if not _over(future, QUICK_S):
            self._await_slow(future, wait)
        if self.fenced or self._future is not future:  # given up, or completed within a rebalance
            return
        self._future = None  # where it failed, the next attempt is a new one
        self.took = future.result()
        self._succeeded(self._commit)

    def _succeeded(self, commit: Commit) -> None:
        offsets = {partition: offset for partition, (_, offset) in commit.positions.items()}
        self._durable = (self._durable or {}) | offsets
        self._committed += self._started
        self._committed.commits += 1
        self._committed.withheld += commit.withheld.total() + commit.muted.total()
        self._withheld.note(commit.withheld, commit.facts, time.time_ns())
        self._withheld.note_muted(commit.muted)
        self._commit, self._started = None, Totals()

    def _await_slow(self, future: Future[float], wait: Wait) -> None:
        """The store is slow or hangs: wait in the group, until `wait` runs out of time."""
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
        """Retry transient errors; None when fenced, also because `wait` ran out of time. Other errors are raised."""
        for attempt in count():
            if self.fenced:
                break
            try:
                return action()
            except FencedError as error:
                log.warning("fenced", error=str(error))
                self.fenced, self.outdated = True, isinstance(error, StreamsChangedError)
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


def given_up(*, outdated: bool) -> str:
    """Why the last commit of a worker that ends is not stored; `outdated` as of its `Committer`."""
    others = "another worker has taken over its partitions and"
    who = "a person has changed its streams, and the next start" if outdated else others
    return f"the last commit was given up: {who} does that part again; everything before it is committed"
