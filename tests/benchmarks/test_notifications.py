"""Notifications that wait, from SQL to a receiver in another process, against bare posts over one kept connection.

Each message is one row, leased, signed, posted, and recorded with its try. The bare lane posts the same bodies with the
same headers by `httpx.Client.post`, one after the other, to a receiver of its own.
"""

from __future__ import annotations

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
