"""Notifications that wait, from SQL to a receiver in another process, against bare posts over one kept connection.

Each message is one row, leased, signed, posted, and recorded with its try. The bare lane posts the same bodies with the
same headers by `httpx.Client.post`, one after the other, to a receiver of its own.

With three channels, of which one is dead, the two healthy ones are measured together, until both are empty.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import pytest

from monitor.notify.dispatcher import Dispatcher
from monitor.store.outbox import open_outbox
from tests import flood
from tests.benchmarks.report import Figure, Report, ratios
from tests.benchmarks.scale import scaled

pytestmark = pytest.mark.timeout(1800)
ALERTS = scaled(2000, 50)  # of a round, each with two messages
ROUNDS = scaled(3)
GOALS = (0.3, 0.5, 0.7)
THREE = scaled(10_000, 50)  # alerts that have opened, each with a message to each of three channels
PER_SECOND = (300.0, 500.0, 800.0)


def through(url: Callable[[], str], at: str) -> float:
    """Messages per second by a dispatcher over a new database."""
    database = url()
    messages = flood.fill(database, ALERTS, ("quick",))
    with closing(open_outbox(database)) as outbox:
        dispatcher = Dispatcher(outbox, {"quick": flood.webhook(at)})
        began = time.perf_counter()
        dispatcher.start()
        assert not dispatcher.drain(600).waiting
        took = time.perf_counter() - began
        dispatcher.stop()
    return messages / took


def bare(at: str) -> float:
    """Posts per second."""
    body = b'{"data": {"alert_id": "a", "number": 0}, "more": "' + b"x" * 700 + b'"}'
    headers = {"webhook-id": "1", "content-type": "application/json"}
    with httpx.Client() as client:
        began = time.perf_counter()
        for _ in range(2 * ALERTS):
            client.post(at, content=body, headers=headers)
        return 2 * ALERTS / (time.perf_counter() - began)


def beside_a_dead_one(database: str, one: str, other: str) -> float:
    """Messages per second to two healthy channels, while a third one refuses connections."""
    channels = ("dead", "one", "other")
    flood.fill(database, THREE, channels, cleared=False)
    with closing(open_outbox(database)) as outbox:
        at = {"dead": flood.nothing_listens(), "one": one, "other": other}
        dispatcher = Dispatcher(outbox, {name: flood.webhook(at[name]) for name in channels})
        began = time.perf_counter()
        dispatcher.start()
        while dispatcher.tally.delivered < 2 * THREE and time.perf_counter() - began < 900:
            time.sleep(0.02)  # counting what waits, in this process, would be a part of what is measured
        left = flood.wait_until_only("dead", database, 900)
        took = time.perf_counter() - began
        dispatcher.stop()
    assert left.queues["dead"].waiting == THREE
    return 2 * THREE / took


@pytest.mark.parametrize("kind", ["SQLite", pytest.param("PostgreSQL", marks=pytest.mark.postgres)])
def test_a_flood(kind: str, request: pytest.FixtureRequest, tmp_path: Path, report: Report) -> None:
    numbers = iter(range(100))

    def url() -> str:
        if kind == "SQLite":
            return f"sqlite:///{tmp_path}/{next(numbers)}.db"
        found: str = request.getfixturevalue("postgres").database()
        return found

    with ExitStack() as stack:
        one, other = (stack.enter_context(flood.receiver("quick", tmp_path / name)) for name in "ab")
        speeds: list[float] = []

        def ours() -> float:
            speeds.append(through(url, one))
            return speeds[-1]

        (ratio,) = ratios([lambda: bare(other), ours], ROUNDS)
    detail = {"messages_per_s": round(sorted(speeds)[len(speeds) // 2])}
    report.add(Figure(f"notifications from {kind} / bare httpx posts", ratio, GOALS, detail=detail))


@pytest.mark.parametrize("kind", ["SQLite", pytest.param("PostgreSQL", marks=pytest.mark.postgres)])
def test_three_channels_of_which_one_is_dead(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, report: Report
) -> None:
    database = f"sqlite:///{tmp_path}/w.db" if kind == "SQLite" else request.getfixturevalue("postgres").database()
    with ExitStack() as stack:
        one, other, third = (stack.enter_context(flood.receiver("quick", tmp_path / name)) for name in "abc")
        before = bare(third)
        speed = beside_a_dead_one(database, one, other)
        ratio = round(speed / ((before + bare(third)) / 2), 3)
    detail = {"of bare posts": ratio, "cores": len(os.sched_getaffinity(0))}
    name = f"messages to two of three channels from {kind}, the third one dead"
    report.add(Figure(name, round(speed), PER_SECOND, unit="messages/s", detail=detail))
    report.add(Figure(f"{name} / bare httpx posts", ratio, GOALS))
