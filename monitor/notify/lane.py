"""One channel's share of the outbox: claims what is due, sends it, records how it went."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from threading import Event

import structlog

from monitor.config.channels import Channel
from monitor.errors import NotifyError
from monitor.notify.gate import Gate
from monitor.notify.retry_schedule import wait
from monitor.notify.senders import Senders
from monitor.ports.notifier import Notifier, Outbox, Outcome, Queue
from monitor.records.alerts import Delivery

AT_ONCE = 8  # messages of different alerts in flight to one receiver
FEWEST, MOST = 8, 128  # messages claimed at once
QUICK, LONG = 1.0, 5.0  # seconds: after a turn so short more are claimed at once, after one so long fewer
RECORDED = 0.25  # seconds after which what was sent is recorded at the latest
MARGIN = 30 * 10**9  # ns: a lease outlives the last try under it by as much
TRIP = 5  # failures in a row after which a channel is only probed
PROBE = 60 * 10**9

Completing = Callable[[Sequence[Delivery]], list[Delivery]]

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


class Lane:
    """Delivers the messages of one channel, those of each alert in their order.

    After `TRIP` failures in a row, or while a Retry-After runs, the channel pauses; a broken one is probed with one
    message a minute, each time another one, until it answers. A message that a working receiver refuses says nothing
    about the channel. One is sent at a time at first, and more at once with each that arrives, up to `AT_ONCE`.
    What is given up goes to the channel's fallback, and what waits too once the channel has failed for long.

    `clock` gives wall time in ns, `chance` numbers in [0, 1) for the jitter.
    """

    def __init__(
        self,
        name: str,
        notifier: Notifier,
        outbox: Outbox,
        clock: Callable[[], int],
        chance: Callable[[], float],
        channel: Channel | None = None,
    ) -> None:
        self.name, self._notifier, self._outbox = name, notifier, outbox
        self._clock, self._chance = clock, chance
        self._channel = Channel() if channel is None else channel
        self._gate = Gate(name, self._channel, outbox)
        self._paused_until = 0  # ns; not saved: after a restart the first try decides
        self._failures = 0  # in a row
        self._answered = False  # the channel is known not to fail
        self._batch = FEWEST
        self._timeout = round(notifier.timeout * 1e9)
        self._lease = 2 * self._timeout + 2 * MARGIN
        self._at_once = 1
        self._idle = False  # nothing was due at the last look
        self.delivered = self.failed = self.given_up = 0  # tries, by how they ended
        self.complete: Completing = list  # what a claim gives before it is sent
        self._senders = Senders(f"notify-{name}", AT_ONCE, self._try)

    @property
    def paused_until(self) -> int:
        """Until when it sends nothing, or nothing that is not critical; wall clock, ns."""
        return max(self._paused_until, self._gate.shut_until(self._clock()))

    def held(self, waiting: Queue) -> str:
        """Until when, and by which rule, what waits is held; "" where some of it waits for another reason."""
        return self._gate.held(self._clock()) if self._idle and not waiting.tried else ""

    def turn(self, now: int, stopping: Event) -> int:
        """Try some of what is due at `now` (ns); returns how many messages were tried. Raises StoreError."""
        if now < self._paused_until:
            return 0
        claimed = self._gate.claim(now, 1 if self._failures else self._batch, self._lease)
        self._idle = not claimed
        if not claimed:
            return 0
        began, left = time.monotonic(), list(reversed(claimed))
        try:
            left[:] = reversed(self.complete(claimed))
            for outcomes in self._sent(left, now + self._lease - self._timeout - MARGIN, stopping):
                self._outbox.record(outcomes)
        finally:
            if left:
                self._outbox.release(left)
        took = time.monotonic() - began
        if took < QUICK and len(claimed) == self._batch:
            self._batch = min(2 * self._batch, MOST)
        elif took > LONG:
            self._batch = max(self._batch // 2, FEWEST)
        return len(claimed) - len(left)

    def _sent(self, left: list[Delivery], until: int, stopping: Event) -> Iterator[Sequence[Outcome]]:
        """Send from the end of `left`, several at once, and yield what came of it now and then.

        Ends where the channel fails, at a stop, and at `until` (ns), after which the lease would be too short; what was
        not tried stays in `left`.
        """
        senders, outcomes = self._senders, list[Outcome]()
        failures, recorded = self._failures, time.monotonic()
        senders.renew()
        while True:
            while left and senders.flying < self._at_once and self._goes_on(failures, until, stopping):
                senders.submit(left.pop())
            if not senders.flying:
                break
            outcomes += [self._judged(delivery, error) for delivery, error in senders.taken(RECORDED)]
            if outcomes and (not senders.flying or time.monotonic() - recorded > RECORDED):
                yield outcomes
                outcomes, recorded = [], time.monotonic()

    def _goes_on(self, failures: int, until: int, stopping: Event) -> bool:
        return self._failures <= failures and not stopping.is_set() and self._clock() < until

    def _try(self, delivery: Delivery) -> NotifyError | None:
        """Send once; whatever a notifier raises comes back as the error to record."""
        try:
            self._notifier.send(delivery)
        except NotifyError as error:
            return error
        except Exception as error:
            log.exception("notifier_failed", channel=self.name)
            return NotifyError(f"{type(error).__name__}: {error}")
        return None

    def _judged(self, delivery: Delivery, error: NotifyError | None) -> Outcome:
        """What to record of a try, which ends now; the channel is paused or not by it."""
        now = self._clock()
        if (error is None or error.refused) and self._failures:
            self._outbox.wake(self.name, now + self._lease)
        self._share(now, fails=not (error is None or error.refused))
        if error is None or error.refused:
            self._failures, self._at_once = 0, min(2 * self._at_once, AT_ONCE)
        else:
            self._failures, self._at_once = self._failures + 1, 1
        if error is None:
            self.delivered += 1
            return Outcome(delivery, now, fallback=self._channel.fallback)
        asked = round((error.retry_after or 0) * 1e9)
        self._paused_until = now + max(asked, PROBE if self._failures >= TRIP else 0)
        delay = None if error.permanent else wait(delivery.attempts + 1, self._chance(), refused=error.refused)
        retry_at = None if delay is None else now + max(delay, asked)
        self.failed, self.given_up = self.failed + 1, self.given_up + (retry_at is None)
        log.warning(
            "notification_not_delivered",
            channel=self.name,
            transition=str(delivery.transition),
            attempt=delivery.attempts + 1,
            error=str(error),
            retry_in_s=None if retry_at is None else round((retry_at - now) / 1e9, 1),
        )
        return Outcome(delivery, now, str(error), retry_at, self._channel.fallback)

    def _share(self, now: int, *, fails: bool) -> None:
        """Let all dispatchers know since when the channel fails; one that has failed for long has a stand-in."""
        if self._channel.fallback is None or (self._answered and not fails):
            return
        self._answered = not fails
        if not fails:
            self._outbox.channels.answered(self.name)
        elif now - self._outbox.channels.failing(self.name, now) >= self._channel.fallback_after:
            copied = self._outbox.divert(self.name, self._channel.fallback, now)
            if copied:
                log.warning("notifications_diverted", channel=self.name, to=self._channel.fallback, messages=copied)
