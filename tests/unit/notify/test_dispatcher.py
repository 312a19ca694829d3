"""Delivery, retries, the circuit breaker and the thread."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from uuid import UUID

import pytest
import structlog

from monitor.errors import NotifyError, StoreError
from monitor.notify.dispatcher import Dispatcher
from monitor.notify.retry_schedule import TRIES
from monitor.ports.notifier import Backlog, Notifier, Outcome, Render
from monitor.ports.notifier import Queue as Waiting
from monitor.records.alerts import Delivery
from monitor.store.memory_channels import MemoryChannelStates
from monitor.testing.in_memory import ListNotifier, MemoryStore
from tests.waiting import eventually

SECOND = 10**9


class Queue:
    """An outbox of rows in a list: what a test wants to see, and nothing else."""

    def __init__(self, *rows: Delivery) -> None:
        self.rows = {row.id: row for row in rows}
        self.due_at = {row.id: 0 for row in rows}
        self.created = time.time_ns()
        self.done: list[int] = []
        self.given_up: dict[int, str] = {}
        self.attempts: list[tuple[int, int, str]] = []  # (row, time in s, error)
        self.channels = MemoryChannelStates(MemoryStore())

    def claim(self, channel: str, now: int, limit: int, lease: int, *, urgent: bool = False) -> list[Delivery]:
        heads: dict[UUID, Delivery] = {}
        for number, row in sorted(self.rows.items()):
            if number not in self.done and number not in self.given_up and row.channel == channel:
                heads.setdefault(row.alert, row)
        due = [row for row in heads.values() if self.due_at[row.id] <= now]
        taken = sorted(due, key=lambda row: self.due_at[row.id])[:limit]
        self.due_at |= {row.id: now + lease for row in taken}
        return taken

    def backlog(self) -> Backlog:
        queues = dict[str, Waiting]()
        for number, row in self.rows.items():
            if number not in self.done and number not in self.given_up:
                count, _, soonest, _ = queues.get(row.channel, Waiting(0, 0, self.due_at[number]))
                queues[row.channel] = Waiting(count + 1, 0, min(soonest, self.due_at[number]))
        return Backlog(queues, Counter(self.rows[number].channel for number in self.given_up))

    def join(self, channel: str, now: int, before: int, render: Render, *, urgent: bool = False) -> int:
        return 0

    def divert(self, channel: str, to: str, now: int) -> int:
        return 0

    def redrive(self, since: int, now: int, channel: str | None = None, alert: UUID | None = None) -> Mapping[str, int]:
        return {}

    def record(self, outcomes: Sequence[Outcome]) -> None:
        for delivery, at, error, retry_at, _ in outcomes:
            if error is None:
                self.done.append(delivery.id)
                continue
            self.attempts.append((delivery.id, at // SECOND, error))
            self.rows[delivery.id] = replace(delivery, attempts=delivery.attempts + 1)
            if retry_at is None:
                self.given_up[delivery.id] = error
            else:
                self.due_at[delivery.id] = retry_at

    def release(self, deliveries: Sequence[Delivery]) -> None:
        self.due_at |= {each.id: 0 for each in deliveries}

    def wake(self, channel: str, after: int) -> None:
        self.due_at |= {n: 0 for n, row in self.rows.items() if row.channel == channel and self.due_at[n] > after}

    def expire(
        self, before: int, now: int, reason: str, limit: int, stand_ins: Mapping[str, str] | None = None
    ) -> Mapping[str, int]:
        old = [number for number in self.rows if number not in self.done and self.created < before]
        self.given_up |= dict.fromkeys(old[:limit], reason)
        return Counter(self.rows[number].channel for number, why in self.given_up.items() if why == reason)


class Clock:
    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


class Bench:
    """A dispatcher on a clock that a test turns, with the jitter in the middle of its band."""

    def __init__(self, queue: Queue, notifiers: Mapping[str, Notifier]) -> None:
        self.clock = Clock()
        self.dispatcher = Dispatcher(queue, notifiers, self.clock, lambda: 0.5)

    def run(self, seconds: int = 0, step: int = 1) -> int:
        """Look at the outbox until it is quiet, each `step` seconds, for so long; return the tries."""
        tried = 0
        for _ in range(0, seconds + 1, step):
            while count := self.dispatcher.run_once(self.clock.now):
                tried += count
            self.clock.now += step * SECOND
        return tried


def row(number: int, alert: int = 1, channel: str = "ops") -> Delivery:
    return Delivery(
        id=number,
        message=UUID(int=number),
        transition=UUID(int=number),
        alert=UUID(int=alert),
        channel=channel,
        payload="{}",
        attempts=0,
    )


def failing(count: int, **hints: float | bool) -> list[Exception]:
    return [NotifyError("HTTP 503", **hints) for _ in range(count)]  # type: ignore[arg-type] # hints are NotifyError's own


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with structlog.testing.capture_logs():
        yield


def test_due_messages_are_delivered_once() -> None:
    queue, ops, log = Queue(row(1), row(2, channel="log")), ListNotifier(), ListNotifier()

    assert Bench(queue, {"ops": ops, "log": log}).run(10) == 2

    assert ([d.id for d in ops.received], [d.id for d in log.received], sorted(queue.done)) == ([1], [2], [1, 2])


def test_a_failed_message_is_tried_again_on_schedule() -> None:
    queue = Queue(row(1))
    ops = ListNotifier(failing(4))

    Bench(queue, {"ops": ops}).run(120)

    assert [at for _, at, _ in queue.attempts] == [0, 5, 15, 30]
    assert queue.done == [1]


def test_messages_of_an_alert_keep_their_order_while_the_first_is_failing() -> None:
    queue = Queue(row(1), row(2), row(3, alert=2))
    ops = ListNotifier(failing(2))

    Bench(queue, {"ops": ops}).run(60)

    arrived = [d.id for d in ops.received]
    assert arrived.index(1) < arrived.index(2)
    assert {1, 2, 3} == set(arrived)


def test_after_the_last_try_a_message_is_given_up_and_kept() -> None:
    queue = Queue(row(1))
    ops = ListNotifier(failing(200))

    tried = Bench(queue, {"ops": ops}).run(80 * 3600, step=5)

    assert len(TRIES) == tried
    assert queue.given_up == {1: "HTTP 503"}
    assert 72 * 3600 <= queue.attempts[-1][1] <= 73 * 3600


def test_a_permanent_failure_is_not_tried_again() -> None:
    queue = Queue(row(1), row(2))
    ops = ListNotifier(failing(1, permanent=True))

    assert Bench(queue, {"ops": ops}).run(600) == 2

    assert (list(queue.given_up.values()), queue.done) == (["HTTP 503"], [2])


def test_retry_after_is_a_minimum_for_the_whole_channel() -> None:
    queue = Queue(row(1), row(2, alert=2))
    ops = ListNotifier(failing(1, retry_after=40.0))
    bench = Bench(queue, {"ops": ops})

    assert bench.run(39) == 1
    assert queue.due_at == {1: 40 * SECOND, 2: 0}  # in the row too, so that a restart does not forget it
    assert bench.run(5) == 2
    assert sorted(queue.done) == [1, 2]


def test_a_retry_after_shorter_than_the_schedule_changes_nothing() -> None:
    queue = Queue(row(1))
    ops = ListNotifier(failing(1, retry_after=1.0))
    bench = Bench(queue, {"ops": ops})

    assert bench.run(4) == 1
    assert bench.run(2) == 1


def test_a_broken_channel_is_probed_once_a_minute_and_recovers_at_once() -> None:
    queue = Queue(*(row(n, alert=n) for n in range(1, 31)))
    ops = ListNotifier(failing(8))
    bench = Bench(queue, {"ops": ops})

    bench.run(400)

    assert [at for _, at, _ in queue.attempts] == [0, 0, 0, 0, 0, 60, 120, 180]
    assert len(queue.done) == 30


def test_a_broken_channel_does_not_hold_another() -> None:
    broken = [row(n, alert=n) for n in range(1, 500)]
    queue = Queue(*broken, row(1000, alert=1000, channel="log"))
    ops, log = ListNotifier(failing(10_000)), ListNotifier()

    Bench(queue, {"ops": ops, "log": log}).run(5)

    assert [d.id for d in log.received] == [1000]


def test_four_failures_do_not_trip_the_breaker() -> None:
    queue = Queue(*(row(n, alert=n) for n in range(1, 6)))
    ops = ListNotifier(failing(4))

    Bench(queue, {"ops": ops}).run(5)

    assert {1, 2, 3, 4, 5} == set(queue.done)


def test_success_resets_the_count_of_failures() -> None:
    queue = Queue(*(row(n, alert=n) for n in range(1, 10)))
    ops = ListNotifier(failing(4))
    bench = Bench(queue, {"ops": ops})
    bench.run()
    ops.failures.extend(failing(4))

    bench.run(20)

    assert set(range(1, 10)) == set(queue.done)


def test_rows_of_a_channel_that_is_not_configured_here_are_left_to_others() -> None:
    """Workers get a new configuration one after the other: what only the next one knows must not be lost."""
    queue = Queue(row(1, channel="new"), row(2, channel="new"), row(3, alert=2))
    bench = Bench(queue, {"ops": ListNotifier()})
    bench.run(5)
    bench.clock.now = 0
    with structlog.testing.capture_logs() as logs:
        bench.dispatcher.care()
        bench.dispatcher.care()

    assert (queue.done, queue.given_up) == ([3], {})
    assert [(line["event"], line["channel"], line["waiting"]) for line in logs] == [
        ("notifications_of_another_configuration", "new", 2)
    ]
    assert Bench(queue, {"new": ListNotifier()}).run(5) == 2


def test_what_nothing_has_delivered_after_three_days_is_given_up_and_said() -> None:
    queue = Queue(row(1, channel="old"), row(2))
    queue.created = 0
    bench = Bench(queue, {"ops": ListNotifier(failing(1, retry_after=1e9))})
    bench.run(1)
    bench.clock.now = 4 * 24 * 3600 * SECOND
    bench.dispatcher.care()
    assert queue.given_up == {}  # nothing ran for four days: there is time for a try first
    bench.clock.now += 3700 * SECOND
    with structlog.testing.capture_logs() as logs:
        bench.dispatcher.care()

    assert queue.given_up.keys() == {1, 2}
    assert {line["channel"] for line in logs if line["event"] == "notifications_given_up"} == {"old", "ops"}


def test_refused_messages_do_not_pause_a_channel_and_are_given_up_after_minutes() -> None:
    class Picky(ListNotifier):
        def send(self, delivery: Delivery) -> None:
            if delivery.id % 3 == 0:
                raise NotifyError("HTTP 400", refused=True)
            super().send(delivery)

    followers = [row(n, alert=n - 100) for n in range(103, 133)]
    queue, ops = Queue(*(row(n, alert=n) for n in range(3, 33)), *followers), Picky()
    bench = Bench(queue, {"ops": ops})
    bench.run()
    assert len(queue.done) == 30
    bench.run(200)
    assert set(queue.given_up.values()) == {"HTTP 400"}
    assert {n - 100 for n in queue.given_up if n > 100} == {n for n in range(3, 33) if (n + 100) % 3 == 0}
    assert len([1 for number, *_ in queue.attempts if number == 3]) == 6
    order = [delivery.id for delivery in ops.received]
    assert all(order.index(n) < order.index(n + 100) for n in range(3, 33) if n % 3 and (n + 100) % 3)


def test_probes_of_a_broken_channel_take_turns() -> None:
    queue = Queue(*(row(n, alert=n) for n in range(1, 31)))
    Bench(queue, {"ops": ListNotifier(failing(1000))}).run(1200)

    assert len({number for number, *_ in queue.attempts}) >= 20


def test_once_a_receiver_answers_again_all_that_waits_is_sent() -> None:
    """And not at the next hourly try of each message."""
    queue, ops = Queue(*(row(n, alert=n) for n in range(1, 6))), ListNotifier(failing(500))
    bench = Bench(queue, {"ops": ops})
    bench.run(6 * 3600, step=30)
    assert queue.done == []
    ops.failures.clear()
    while not queue.done:
        bench.run(step=30)
    bench.run(60)
    assert len(queue.done) == 5


def test_a_slow_channel_holds_no_other() -> None:
    entered, release = threading.Event(), threading.Event()

    class Slow:
        timeout = 15.0

        def send(self, delivery: Delivery) -> None:
            entered.set()
            release.wait(10)

    queue, log = Queue(row(1), *(row(n, alert=n, channel="log") for n in range(2, 102))), ListNotifier()
    dispatcher = Dispatcher(queue, {"ops": Slow(), "log": log})
    dispatcher.start()
    assert entered.wait(10)
    assert eventually(lambda: len(log.received) == 100)
    release.set()
    dispatcher.stop()


def test_a_lease_outlives_every_try_under_it() -> None:
    """The clock is read before each message: one whose lease is nearly over is left to the next claim."""
    leases: list[int] = []

    class Watched(Queue):
        def claim(self, channel: str, now: int, limit: int, lease: int, *, urgent: bool = False) -> list[Delivery]:
            leases.append(lease)
            return super().claim(channel, now, limit, lease)

    class Late(ListNotifier):
        def send(self, delivery: Delivery) -> None:
            bench.clock.now += 100 * SECOND  # of a timeout of 120 s
            super().send(delivery)

    queue, ops = Watched(*(row(n, alert=n) for n in range(1, 9))), Late()
    ops.timeout = 120.0
    bench = Bench(queue, {"ops": ops})
    assert bench.dispatcher.run_once(0) < 8
    assert leases == [300 * SECOND]
    assert bench.clock.now <= leases[0]
    assert all(queue.due_at[n] == 0 for n in queue.rows if n not in queue.done)


def test_a_notifier_with_a_bug_is_a_failure_like_any_other() -> None:
    queue = Queue(row(1))
    ops = ListNotifier([ZeroDivisionError("oops")])

    Bench(queue, {"ops": ops}).run(10)

    assert [error for *_, error in queue.attempts] == ["ZeroDivisionError: oops"]
    assert queue.done == [1]


def test_the_thread_survives_an_outbox_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    class Flaky(Queue):
        failures = 2

        def claim(self, channel: str, now: int, limit: int, lease: int, *, urgent: bool = False) -> list[Delivery]:
            if self.failures:
                self.failures -= 1
                raise StoreError("SQL is away")
            return super().claim(channel, now, limit, lease)

    monkeypatch.setattr("monitor.notify.dispatcher._BROKEN", 0.01)
    queue, ops = Flaky(row(1)), ListNotifier()
    dispatcher = Dispatcher(queue, {"ops": ops})

    dispatcher.start()

    assert eventually(lambda: queue.done == [1])
    dispatcher.stop()
    assert "dispatcher" not in [thread.name for thread in threading.enumerate()]


def test_run_once_lets_the_caller_see_an_outbox_that_fails() -> None:
    class Broken(Queue):
        def claim(self, channel: str, now: int, limit: int, lease: int, *, urgent: bool = False) -> list[Delivery]:
            raise StoreError("SQL is away")

    with pytest.raises(StoreError, match="SQL is away"):
        Dispatcher(Broken(), {"ops": ListNotifier()}).run_once(0)


def test_stop_is_bounded_and_leaves_the_rest_due() -> None:
    entered, release = threading.Event(), threading.Event()

    class Stuck:
        timeout = 15.0

        def send(self, delivery: Delivery) -> None:
            entered.set()
            release.wait(10)

    queue = Queue(row(1), row(2, alert=2))
    dispatcher = Dispatcher(queue, {"ops": Stuck()})
    dispatcher.start()
    assert entered.wait(10)
    (thread,) = (each for each in threading.enumerate() if each.name == "dispatcher-ops")

    began = time.monotonic()
    dispatcher.stop(timeout=0.1)
    dispatcher.stop(timeout=0.1)

    assert time.monotonic() - began < 1
    release.set()
    thread.join(10)
    assert queue.done == [1]


def test_it_can_be_used_before_start_and_after_stop() -> None:
    queue, ops = Queue(row(1)), ListNotifier()
    dispatcher = Dispatcher(queue, {"ops": ops})

    dispatcher.stop()
    assert dispatcher.run_once(time.time_ns()) == 1
    dispatcher.start()
    dispatcher.start()
    assert sum(thread.name == "dispatcher-ops" for thread in threading.enumerate()) == 1
    dispatcher.stop()
    queue.rows[2], queue.due_at[2] = row(2), 0

    assert dispatcher.run_once(time.time_ns()) == 1
    assert queue.done == [1, 2]


def test_drain_waits_for_what_is_due_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.notify.dispatcher._IDLE", 0.01)

    class Slow(ListNotifier):
        def send(self, delivery: Delivery) -> None:
            time.sleep(0.05)
            super().send(delivery)

    queue, ops = Queue(row(1), row(2), row(3, alert=2)), Slow()
    dispatcher = Dispatcher(queue, {"ops": ops})
    dispatcher.start()
    began = time.monotonic()

    left = dispatcher.drain(20)

    assert (left.waiting, len(ops.received)) == (0, 3)
    assert time.monotonic() - began < 10
    dispatcher.stop()


def test_drain_does_not_wait_for_a_retry_that_comes_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.notify.dispatcher._IDLE", 0.01)
    queue = Queue(row(1), row(2))
    dispatcher = Dispatcher(queue, {"ops": ListNotifier(failing(1, retry_after=3600.0))})
    dispatcher.start()
    began = time.monotonic()

    left = dispatcher.drain(20)  # the second one waits behind the first

    assert left.waiting == 2
    assert len(queue.attempts) == 1
    dispatcher.stop()
    assert time.monotonic() - began < 21


def test_drain_ends_in_time_where_a_receiver_does_not_answer() -> None:
    release = threading.Event()

    class Stuck:
        timeout = 15.0

        def send(self, delivery: Delivery) -> None:
            release.wait(10)

    dispatcher = Dispatcher(Queue(row(1)), {"ops": Stuck()})
    dispatcher.start()
    began = time.monotonic()

    assert dispatcher.drain(0.2).waiting == 1
    assert time.monotonic() - began < 5
    release.set()
    dispatcher.stop()
