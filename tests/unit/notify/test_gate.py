"""Rates, digests and quiet hours of a channel, over the in-memory outbox and a clock that a test sets."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog

from monitor.config.channels import Channel
from monitor.errors import NotifyError
from monitor.notify.announcement import announcement
from monitor.notify.dispatcher import Dispatcher
from monitor.ports.store import Commit
from monitor.records.alerts import FactKind, Severity
from monitor.testing.in_memory import ListNotifier, MemoryOutbox, MemoryStore
from tests.store_rows import SECOND, alert, fact

MINUTE = 60 * SECOND


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with structlog.testing.capture_logs():
        yield


class Bench:
    """A channel `ops`, one `mail` without rules, and the messages that each got: (type, stream or None)."""

    def __init__(self, **rules: Any) -> None:
        self.store = MemoryStore()
        self.outbox = MemoryOutbox(self.store)
        self.channels = {"ops": Channel(**rules), "mail": Channel(kinds=("nothing",))}
        self.ops, self.mail = ListNotifier(), ListNotifier()
        self.now = time.time_ns()
        notifiers = {"ops": self.ops, "mail": self.mail}
        self.dispatcher = Dispatcher(self.outbox, notifiers, lambda: self.now, lambda: 0.5, self.channels)

    def open(self, *streams: str, severity: Severity = Severity.WARNING, kind: FactKind = FactKind.OPENED) -> None:
        facts = []
        for stream in streams:
            of = replace(alert(stream=stream), severity=severity)
            facts.append(fact(of, kind, of.opened_at + (kind is not FactKind.OPENED)))
        before = set(self.store.outbox)
        self.store.commit(Commit("live", facts=facts, announce=announcement(self.channels)))
        for id_ in set(self.store.outbox) - before:
            self.store.outbox[id_].created = self.now

    def turn(self, after: int = 0) -> list[tuple[str, str | None]]:
        """What is sent from now on until nothing is, so many ns later."""
        self.now += after
        before = len(self.ops.received)
        while self.dispatcher.run_once(self.now):
            pass
        return self.sent()[before:]

    def sent(self) -> list[tuple[str, str | None]]:
        messages = [json.loads(delivery.payload) for delivery in self.ops.received]
        return [(message["type"], message["data"].get("stream")) for message in messages]


def names(count: int, prefix: str = "m") -> list[str]:
    return [f"{prefix}-{number:04}" for number in range(count)]


def test_below_the_rate_everything_is_sent_as_it_is() -> None:
    bench = Bench(per_minute=5)
    bench.open(*names(4))
    assert bench.turn() == [("alert.opened", name) for name in names(4)]
    bench.open("last")
    assert bench.turn() == [("alert.opened", "last")]


def test_beyond_the_rate_what_waits_is_one_digest_and_the_record_is_whole() -> None:
    bench = Bench(per_minute=5)
    bench.open(*names(300))
    sent = bench.turn()
    assert sent == [*(("alert.opened", name) for name in names(4)), ("digest", None)]
    data = json.loads(bench.ops.received[-1].payload)["data"]
    assert (data["reason"], data["messages"], data["alerts"]) == ("rate", 296, 296)
    assert data["by_severity"] == {"warning": 296}
    assert len(data["list"]) + data["not_listed"] == 296
    assert len(bench.ops.received[-1].payload) < 20_000
    digest = bench.ops.received[-1].id
    ended = [row for row in bench.store.outbox.values() if row.delivered_at is not None]
    assert len(ended) == 301
    assert sum(row.digest == digest for row in ended) == 296
    bench.open("next")
    assert bench.turn(59 * SECOND) == []
    assert bench.turn(SECOND) == [("alert.opened", "next")]


def test_in_no_minute_more_is_sent_than_the_rate_and_nothing_is_lost() -> None:
    bench, at, opened = Bench(per_minute=7), list[int](), 0
    for step in range(150):
        bench.open(*names(step % 6, f"s{step}"))
        opened += step % 6
        at += [bench.now] * len(bench.turn(3 * SECOND))
    assert all(at[i + 7] - at[i] >= MINUTE for i in range(len(at) - 7))
    bench.turn(MINUTE)
    bench.turn(MINUTE)
    messages = [json.loads(delivery.payload) for delivery in bench.ops.received]
    alone = sum(message["type"] == "alert.opened" for message in messages)
    assert alone + sum(message["data"].get("messages", 0) for message in messages) == opened
    assert bench.outbox.backlog().waiting == 0


def test_what_is_critical_is_let_through_before_the_rest() -> None:
    bench = Bench(per_minute=3)
    bench.open(*names(50))
    bench.open("worst", severity=Severity.CRITICAL)
    assert bench.turn() == [("alert.opened", "worst"), ("alert.opened", "m-0000"), ("digest", None)]


def test_a_rate_of_one_still_delivers_everything() -> None:
    bench = Bench(per_minute=1)
    bench.open("a", "b", "c")
    assert bench.turn() == [("digest", None)]
    bench.open("d")
    assert bench.turn() == []
    assert bench.turn(MINUTE) == [("alert.opened", "d")]


def test_a_digest_that_fails_is_sent_again_and_later_changes_of_its_alerts_come_after_it() -> None:
    bench = Bench(per_minute=2)
    bench.ops.failures.extend([NotifyError("503")] * 2)
    bench.open("a", "b", "c", "d")
    assert bench.turn() == []
    bench.open("b", kind=FactKind.CLEARED)
    for _ in range(20):
        bench.turn(30 * SECOND)
    sent = bench.sent()
    assert sent.index(("digest", None)) < (
        sent.index(("alert.resolved", "b")) if ("alert.resolved", "b") in sent else len(sent)
    )
    total = sum(json.loads(d.payload)["data"].get("messages", 1) for d in bench.ops.received)
    assert total == 5


def night(hour: int, minute: int = 0) -> int:
    return round(datetime(2030, 6, 1, hour, minute, tzinfo=UTC).timestamp()) * SECOND


def test_in_quiet_hours_only_what_is_critical_is_sent_and_then_a_digest() -> None:
    bench = Bench(quiet=("22:00-06:00",))
    bench.now = night(1)
    bench.open(*names(3))
    bench.open("worst", severity=Severity.CRITICAL)
    assert bench.turn() == [("alert.opened", "worst")]
    bench.now = night(5, 59)
    assert bench.turn() == []
    bench.open("m-0001", severity=Severity.CRITICAL, kind=FactKind.WORSENED)
    assert bench.turn() == [("alert.opened", "m-0001"), ("alert.updated", "m-0001")]
    bench.now = night(6)
    bench.open("later")
    assert bench.turn() == [("alert.opened", "later"), ("digest", None)]
    data = json.loads(bench.ops.received[-1].payload)["data"]
    assert (data["reason"], sorted(entry["stream"] for entry in data["list"])) == ("quiet", ["m-0000", "m-0002"])


def test_one_message_of_a_quiet_night_is_no_digest() -> None:
    bench = Bench(quiet=("22:00-06:00",))
    bench.now = night(1)
    bench.open("a")
    assert bench.turn() == []
    bench.now = night(6)
    assert bench.turn() == [("alert.opened", "a")]


def test_a_dispatcher_that_starts_after_the_night_makes_the_digest() -> None:
    bench = Bench(quiet=("22:00-06:00",))
    bench.now = night(1)
    bench.open("a", "b")
    bench.now = night(11)
    assert bench.turn() == [("digest", None)]


def test_what_is_given_up_goes_to_the_fallback_whatever_its_filter() -> None:
    bench = Bench(fallback="mail")
    bench.ops.failures.append(NotifyError("gone", permanent=True))
    bench.open("a")
    bench.turn()
    bench.turn(SECOND)
    (copy,) = bench.mail.received
    assert json.loads(copy.payload)["fallback_for"] == "ops"
    assert copy.message == next(iter(bench.store.outbox.values())).delivery.message
    assert bench.outbox.backlog().dead == {"ops": 1}

    bench.open("a", kind=FactKind.CLEARED)
    assert bench.turn(SECOND) == [("alert.resolved", "a")]
    bench.turn(SECOND)
    assert json.loads(bench.mail.received[-1].payload)["type"] == "alert.resolved"  # it is not left with it open


def test_a_channel_that_fails_for_long_has_a_stand_in_and_gets_its_messages_too_once_it_answers() -> None:
    bench = Bench(fallback="mail", fallback_after=10 * MINUTE)
    bench.ops.failures.extend([NotifyError("503")] * 14)
    bench.open("a", "b")
    for _ in range(9):
        bench.turn(MINUTE)
    assert bench.mail.received == []
    bench.turn(2 * MINUTE)
    bench.turn(SECOND)
    assert sorted(json.loads(copy.payload)["data"]["stream"] for copy in bench.mail.received) == ["a", "b"]
    bench.ops.failures.extend([NotifyError("503")] * 2)
    bench.open("a", kind=FactKind.CLEARED)
    for _ in range(200):
        bench.turn(MINUTE)
    assert [json.loads(copy.payload)["type"] for copy in bench.mail.received].count("alert.resolved") == 1
    assert len(bench.mail.received) == 3
    assert sorted(bench.sent(), key=str) == [
        ("alert.opened", "a"), ("alert.opened", "b"), ("alert.resolved", "a"),
    ]  # fmt: skip
    assert bench.store.channels["ops"].failing_since is None


def test_what_a_rule_holds_back_is_said_with_its_end() -> None:
    bench = Bench(quiet=("22:00-07:00",), zone="Europe/Prague")
    bench.now = night(23)
    bench.open("a", "b")
    assert bench.turn() == []
    left = bench.dispatcher.backlog()
    assert left.held == {"ops": "held until 07:00 (Europe/Prague) by quiet hours"}
    assert (left.waiting, left.failing) == (2, 0)
    assert bench.turn(9 * 60 * MINUTE)
    assert bench.dispatcher.backlog().held == {}


def test_what_the_rate_holds_back_is_said_too() -> None:
    bench = Bench(per_minute=1)
    bench.now = night(12)
    bench.open("a")
    bench.turn()
    bench.open("b")
    bench.turn(SECOND)
    assert bench.dispatcher.backlog().held == {"ops": "held until 12:01:00 (UTC) by per_minute"}


def test_what_was_tried_in_vain_is_not_held() -> None:
    bench = Bench(quiet=("22:00-07:00",))
    bench.now = night(23)
    bench.ops.failures.append(NotifyError("no", refused=True))
    bench.open("a", severity=Severity.CRITICAL)
    bench.turn()
    assert bench.dispatcher.backlog().held == {}
    assert bench.dispatcher.tally == (0, 1, 0)
