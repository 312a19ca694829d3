"""A receiver in a process that answers with all that goes wrong: everything arrives, in order, with equal ids."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import structlog

from monitor.notify import lane, retry_schedule
from monitor.notify.dispatcher import Dispatcher
from monitor.store.outbox import open_outbox
from tests import flood

SECOND = 10**9
TIMEOUT_S = 1.0
TROUBLE = (
    "204", "503", "204", "301", "garbage", "204", "hang", "204", "204", "204", "429:1", "close", "204", "drip", "404",
    "204", "204", "500",
)  # fmt: skip


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.db"
    found: str = request.getfixturevalue("postgres_url")
    return found


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tries and probes in tenths of a second, for as long as the test takes."""
    monkeypatch.setattr(retry_schedule, "TRIES", tuple(number / 10 for number in range(5000)))
    monkeypatch.setattr(lane, "PROBE", SECOND // 10)
    with structlog.testing.capture_logs():
        yield


@contextmanager
def receiver(log: Path, *answers: str) -> Iterator[str]:
    """Yields its URL."""
    command = [sys.executable, "-m", "monitor.testing.webhook_receiver", str(log), *answers]
    environ = os.environ | {"WEBHOOK_SECRET": flood.SECRET}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def posts(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def delivered(url: str, at: str, seconds: float = 300) -> None:
    """Deliver until nothing waits."""
    with closing(open_outbox(url)) as outbox:
        dispatcher = Dispatcher(outbox, {"ops": flood.webhook(at, timeout=TIMEOUT_S)})
        dispatcher.start()
        deadline = time.monotonic() + seconds
        while outbox.backlog().waiting and time.monotonic() < deadline:
            time.sleep(0.05)
        dispatcher.stop()
        assert outbox.backlog().waiting == 0


def test_every_change_arrives_in_order_and_repeats_have_equal_ids(url: str, tmp_path: Path) -> None:
    count = flood.fill(url, 25, ("ops",))
    log = tmp_path / "log"
    with receiver(log, *TROUBLE) as at:
        delivered(url, at)
    found = posts(log)  # of right signatures alone, by the reference library; others get 401, and stay undelivered
    taken = [post for post in found if post["status"] == 204]
    assert {post["status"] for post in found} == {204, 301, 404, 429, 500, 503}
    assert {post["fault"] for post in found} == {None, "hang", "close", "garbage", "drip"}
    assert len({post["id"] for post in taken}) == count
    first = {post["id"]: post for post in reversed(taken)}
    arrived = sorted(first.values(), key=lambda post: post["at"])
    messages = [
        flood.Message(p["id"], p["message"]["data"]["alert_id"], p["message"]["data"]["number"]) for p in arrived
    ]
    assert flood.in_order(messages)
    by_change = {(post["message"]["data"]["transition_id"], post["id"]) for post in found}
    assert len(by_change) == count
    assert len({json.dumps(post["message"]) for post in found}) == count  # a repeat says the same


def test_at_most_one_try_per_retry_after(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane, "AT_ONCE", 1)  # nothing else is in flight when the receiver asks for a pause
    flood.fill(url, 3, ("ops",))
    log = tmp_path / "log"
    with receiver(log, "204", "429:2", "429:1", "204", "503:2") as at:
        delivered(url, at)
    found = posts(log)
    pauses = [(one, next_) for one, next_ in pairwise(found) if one["status"] in (429, 503)]
    asked = [2, 1, 2] * len(found)
    assert len(pauses) > 5
    for (one, next_), seconds in zip(pauses, asked, strict=False):
        assert next_["at"] - one["at"] >= seconds * SECOND


def test_what_is_gone_for_good_is_given_up_and_can_be_sent_again(url: str, tmp_path: Path) -> None:
    count = flood.fill(url, 5, ("ops",))
    log = tmp_path / "log"
    with receiver(log, "204", "410", "204") as at:
        delivered(url, at)
        gone = {post["id"] for post in posts(log) if post["status"] == 410}
        with closing(open_outbox(url)) as outbox:
            assert outbox.backlog().dead == {"ops": len(gone)}
            assert outbox.redrive(0, time.time_ns()) == {"ops": len(gone)}
    with receiver(log, "204") as at:
        delivered(url, at)
    found = posts(log)
    assert {post["id"] for post in found if post["status"] == 204} >= gone
    assert len({post["id"] for post in found if post["status"] == 204}) == count
    assert sum(post["status"] == 410 for post in found) == len(gone)  # not tried again until a person asked
