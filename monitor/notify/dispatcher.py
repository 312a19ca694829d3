"""Drains the outbox: a lane for each configured channel, on threads and SQL connections that scoring does not use.

SQL is the queue, so nothing is lost when the process ends, and a message may arrive twice but always with the same id.
No receiver can slow down or stop the monitor, nor the other channels. Rows of channels that are not configured here are
left to others, who may know them; what was not delivered within three days is given up.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

import structlog

from monitor.config.channels import Channel
from monitor.errors import StoreError
from monitor.notify.dead_man import DeadMan
from monitor.notify.keep_alive import KeepAlive
from monitor.notify.lane import Completing, Lane
from monitor.notify.retry_schedule import LONGEST
from monitor.ports.notifier import Backlog, Notifier, Outbox

_IDLE = 0.5  # seconds between polls of an empty queue
_BROKEN = 5.0  # seconds between polls of an outbox that cannot be read
_CARE = 60.0  # seconds between looks at what nothing delivers
_FIRST = 3600 * 10**9  # ns of service before anything is given up by age: what waited while nothing ran is tried first
_EXPIRED = 1000  # rows given up at once

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


class Tally(NamedTuple):
    """What became of tries: messages that arrived, tries that did not, messages that are not tried again."""

    delivered: int
    failed: int
    given_up: int


class Dispatcher:
    """Delivers with retries; see `monitor.notify.lane` for what each channel does, and `docs/notifications.md`.

    `clock` gives wall time in ns, `chance` numbers in [0, 1) for the jitter, `channels` the settings of each channel;
    `keepers` post open alerts again.
    """

    def __init__(
        self,
        outbox: Outbox,
        notifiers: Mapping[str, Notifier],
        clock: Callable[[], int] = time.time_ns,
        chance: Callable[[], float] = random.random,
        channels: Mapping[str, Channel] = MappingProxyType({}),
        keepers: Sequence[KeepAlive] = (),
    ) -> None:
        self._outbox, self._clock, self._keepers = outbox, clock, keepers
        self._lanes = [
            Lane(name, notifier, outbox, clock, chance, channels.get(name)) for name, notifier in notifiers.items()
        ]
        self._dead_men = [
            DeadMan(name, channel, notifiers[name], outbox.channels)
            for name, channel in channels.items()
            if channel.heartbeat is not None
        ]
        self._stand_ins = {name: channel.fallback for name, channel in channels.items() if channel.fallback is not None}
        self._stopping = threading.Event()
        self._quiet: dict[str, int] = {}  # by channel: looks at the outbox that have found nothing due
        self._cared_since: int | None = None  # ns
        self._foreign: set[str] = set()  # channels of which it was logged that nothing here delivers them
        self._threads: list[threading.Thread] = []
        self.closing: list[Callable[[], None]] = []  # gives back what it was made with, once it has stopped
        self.beside: dict[str, tuple[Callable[[], int], float]] = {}  # further turns and the seconds between them

    def start(self) -> None:
        """Deliver in the background until `stop`. Does nothing while that is going on already."""
        if self._threads:
            return
        turns = {f"dispatcher-{lane.name}": (self._turn_of(lane), _IDLE) for lane in self._lanes}
        turns |= {f"dispatcher-{each.name}-heartbeat": (each.turn, each.pause) for each in self._dead_men}
        turns |= {f"dispatcher-{keeper.name}-alive": (keeper.turn, keeper.every) for keeper in self._keepers}
        turns["dispatcher"] = (self.care, _CARE)
        turns |= self.beside
        for name, (turn, pause) in turns.items():
            thread = threading.Thread(target=self._repeat, args=(turn, pause), name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """End after the messages in hand, or after `timeout` seconds; what is left stays due. May be called twice."""
        self._stopping.set()
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        if self._threads:  # they end when their receivers answer or time out
            channels = [thread.name.removeprefix("dispatcher-") for thread in self._threads]
            log.warning("dispatcher_abandoned", seconds=timeout, channels=channels, reason="no answer yet")
            return
        self._stopping.clear()
        for close in self.closing:
            close()

    def drain(self, seconds: float) -> Backlog:
        """Block until nothing is left that can be delivered here within so many seconds; returns what waits then.

        It must have been started. Raises StoreError.
        """
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            before = dict(self._quiet)
            while time.monotonic() < deadline and any(
                self._quiet.get(lane.name, 0) == before.get(lane.name, 0) for lane in self._lanes
            ):
                self._stopping.wait(0.01)
            until, queues = self._clock() + round(left * 1e9), self._outbox.backlog().queues
            ours = [(queues[lane.name], lane) for lane in self._lanes if lane.name in queues]
            if all(max(queue.next_at, lane.paused_until) > until for queue, lane in ours):
                break
        return self.backlog()

    def backlog(self) -> Backlog:
        """What waits, with what the rules of the channels here hold. Raises StoreError."""
        found = self._outbox.backlog()
        held = {lane.name: lane.held(found.queues[lane.name]) for lane in self._lanes if lane.name in found.queues}
        return replace(found, held={name: why for name, why in held.items() if why})

    def complete_with(self, complete: Completing) -> None:
        """Have every message that is claimed completed before it is sent. Called before `start`."""
        for lane in self._lanes:
            lane.complete = complete

    @property
    def tally(self) -> Tally:
        """Of all tries so far."""
        lanes = self._lanes
        delivered, failed = sum(lane.delivered for lane in lanes), sum(lane.failed for lane in lanes)
        return Tally(delivered, failed, sum(lane.given_up for lane in lanes))

    def run_once(self, now: int) -> int:
        """One turn of every lane at `now` (ns), one after the other; returns how many messages were tried.

        Raises StoreError.
        """
        return sum(lane.turn(now, self._stopping) for lane in self._lanes)

    def care(self) -> int:
        """Give up what is too old, and say what nothing here delivers. Raises StoreError."""
        now = self._clock()
        self._cared_since = now if self._cared_since is None else self._cared_since
        before = now - LONGEST if now - self._cared_since >= _FIRST else 0
        reason = "not delivered within three days of its writing"
        for channel, count in self._outbox.expire(before, now, reason, _EXPIRED, self._stand_ins).items():
            log.error("notifications_given_up", channel=channel, messages=count, reason=reason)
        queues = self._outbox.backlog().queues
        foreign = queues.keys() - {lane.name for lane in self._lanes}
        for channel in sorted(foreign - self._foreign):
            log.warning(
                "notifications_of_another_configuration", channel=channel, waiting=queues[channel].waiting,
                reason="no channel has this name here; another worker's configuration may know it",
            )  # fmt: skip
        self._foreign = foreign
        return 0

    def _turn_of(self, lane: Lane) -> Callable[[], int]:
        def turn() -> int:
            tried = lane.turn(self._clock(), self._stopping)
            if not tried:
                self._quiet[lane.name] = self._quiet.get(lane.name, 0) + 1
            return tried

        return turn

    def _repeat(self, turn: Callable[[], int], idle: float) -> None:
        """Take turns until a stop; at once where the last one has found something to do."""
        while not self._stopping.is_set():
            try:
                pause = 0.0 if turn() else idle
            except StoreError as error:  # its message says everything
                log.warning("dispatcher_failed", error=str(error), retry_in_s=_BROKEN)
                pause = _BROKEN
            except Exception as error:  # the next turn may succeed, and alerts must not stop
                log.exception("dispatcher_failed", error=str(error), retry_in_s=_BROKEN)
                pause = _BROKEN
            self._stopping.wait(pause)
