"""From a commit in SQL to a signed post at a real HTTP server, with the receiver failing on the way."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from monitor.config.notifiers import WebhookNotifier
from monitor.notify.dispatcher import Dispatcher
from monitor.notify.payload import payload
from monitor.notify.webhook import Webhook
from monitor.ports.store import Commit
from monitor.records.alerts import Fact, FactKind
from monitor.store.outbox import open_outbox
from monitor.store.queries import open_reader
from monitor.store.sql import open_store
from monitor.testing.webhook_receiver import Answer, Receiver
from tests.store_rows import alert, fact
from tests.waiting import eventually

SECRET = "whsec_" + "QUJD" * 12


def life(stream: str) -> list[Fact]:
    """An alert that opened and was resolved."""
    opened = alert(stream=stream, opened_at=5, family="temperature")
    return [fact(opened), fact(opened, FactKind.CLEARED, 9, 0.5)]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'store.db'}"


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with structlog.testing.capture_logs():
        yield


def fill(url: str, streams: int) -> None:
    """Commit that many alerts, each opened and resolved, with an outbox row for each change."""
    commit = Commit("live", announce=lambda change, about, _, store: [("ops", payload(about, change, None, store))])
    for number in range(streams):
        commit.facts += life(f"m-{number}")
    store = open_store(url)
    store.commit(commit)
    store.close()


def make_webhook(receiver: Receiver) -> Webhook:
    settings = WebhookNotifier(kind="webhook", url=receiver.url, secret_env=("S",), allow_hosts=("127.0.0.1",))
    return Webhook(settings, {"S": SECRET})


def test_the_thread_posts_every_change_once_and_in_order(url: str) -> None:
    fill(url, 20)
    outbox = open_outbox(url)
    with Receiver(SECRET) as receiver:
        dispatcher = Dispatcher(outbox, {"ops": make_webhook(receiver)})
        dispatcher.start()
        assert eventually(lambda: len(receiver.received) == 40)
        dispatcher.stop()
    outbox.close()

    assert len({post.id for post in receiver.received}) == 40
    for number in range(20):
        mine = [post.message for post in receiver.received if post.message["data"]["stream"] == f"m-{number}"]
        assert [message["type"] for message in mine] == ["alert.opened", "alert.resolved"]


def test_a_failing_receiver_is_retried_and_every_attempt_is_kept(url: str) -> None:
    fill(url, 1)
    outbox = open_outbox(url)
    start = time.time_ns()
    clock = [start]
    with Receiver(SECRET, [Answer(503), Answer(429, {"retry-after": "20"}), Answer(302)]) as receiver:
        dispatcher = Dispatcher(outbox, {"ops": make_webhook(receiver)}, lambda: clock[0], lambda: 0.5)
        for second in range(61):
            clock[0] = start + second * 10**9
            dispatcher.run_once(clock[0])
    outbox.close()

    assert [post.status for post in receiver.received] == [503, 429, 302, 204, 204]
    assert len({post.id for post in receiver.received}) == 2
    reader = open_reader(url)
    first, second_row = reader.get_alert(str(life("m-0")[0].alert)).deliveries
    reader.close()
    assert (first.attempts, second_row.attempts) == (4, 1)
    assert first.delivered_at == start + 40 * 10**9  # 0 s, 5 s, 25 s (Retry-After), 40 s
