"""PostgreSQL is killed while a dispatcher ranks scores or keeps alerts alive, and comes back: nothing is lost.

Each test waits for a condition; the server is away at the very look-up that the test is about.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

import numpy as np
import pytest
import structlog

from monitor.config.channels import Channel
from monitor.config.notifiers import AlertmanagerNotifier, WebhookNotifier
from monitor.notify import dispatcher as dispatching
from monitor.notify import lane
from monitor.notify.alertmanager import Alertmanager
from monitor.notify.announcement import announcement
from monitor.notify.dispatcher import Dispatcher
from monitor.notify.keep_alive import keepers
from monitor.notify.ranking import FIELD, Ranking
from monitor.notify.webhook import Webhook
from monitor.ports.score_ranks import Scored
from monitor.ports.store import Commit
from monitor.records.alerts import Alert, Delivery
from monitor.store.delivered_messages import SqlDeliveredMessages
from monitor.store.engine import Database
from monitor.store.migrations import upgrade
from monitor.store.open import open_database
from monitor.store.outbox import open_outbox
from monitor.store.score_ranks import SqlScoreRanks
from monitor.store.sql import open_store
from monitor.testing.json_receiver import JsonReceiver
from monitor.testing.webhook_receiver import Receiver
from tests.integration.postgres import PostgresServer
from tests.store_rows import SECOND, alert, block, evidence, fact, scores
from tests.waiting import eventually

pytestmark = pytest.mark.postgres
SECRET = "whsec_" + "QUJD" * 12
AT = 1_700_000_000 * SECOND
WEEK = 7 * 24 * 3600 * SECOND
ALERTS = 12
AWAY_S = 1.0
SOON = 90.0


class Outage:
    """Kills the server once, when the `turn`-th call comes by; it is back after `AWAY_S`."""

    def __init__(self, server: PostgresServer, turn: int) -> None:
        self._server, self._turn, self._calls = server, turn, 0
        self._back = threading.Timer(AWAY_S, server.start)

    @property
    def over(self) -> bool:
        return self._calls >= self._turn and self._back.finished.is_set() and not self._back.is_alive()

    def pass_by(self) -> None:
        self._calls += 1
        if self._calls == self._turn:
            self._server.kill()
            self._back.start()

    def end(self) -> None:
        if self._back.ident is not None:
            self._back.join()


class Ranks(SqlScoreRanks):
    """Loses its database at a look-up, or as it keeps what it has found."""

    def __init__(self, database: Database, outage: Outage, *, keeping: bool) -> None:
        super().__init__(database)
        self._outage, self._keeping = outage, keeping

    def percentiles(self, asked: Sequence[Scored]) -> list[float | None]:
        if not self._keeping:
            self._outage.pass_by()
        return super().percentiles(asked)

    def reword(self, texts: Any) -> None:
        if self._keeping:
            self._outage.pass_by()
        super().reword(texts)


class Announced(SqlDeliveredMessages):
    """Loses its database as it looks for the open alerts, or for their messages."""

    def __init__(self, database: Database, outage: Outage, *, at_messages: bool) -> None:
        super().__init__(database)
        self._outage, self._at_messages = outage, at_messages

    def open_alerts(self) -> list[UUID]:
        if not self._at_messages:
            self._outage.pass_by()
        return super().open_alerts()

    def newest(self, channel: str, alerts: Sequence[UUID]) -> list[Delivery]:
        if self._at_messages:
            self._outage.pass_by()
        return super().newest(channel, alerts)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leases and pauses of seconds."""
    monkeypatch.setattr(lane, "MARGIN", SECOND)
    monkeypatch.setattr(dispatching, "_BROKEN", 0.5)
    with structlog.testing.capture_logs():
        yield


@contextmanager
def outage_of(server: PostgresServer, turn: int) -> Iterator[Outage]:
    outage = Outage(server, turn)
    try:
        yield outage
    finally:
        outage.end()
        server.start()


def fill(url: str, channel: str) -> list[Alert]:
    """Alerts that have opened, announced to a channel, of streams with scores of more than a week."""
    ends = [AT - WEEK, *range(AT - 10 * SECOND, AT, SECOND)]
    kept = replace(scores(ends), score=np.arange(len(ends), dtype=np.float32))
    commit = Commit("live", announce=announcement({channel: Channel()}))
    upgrade(url)
    with closing(open_store(url)) as store:
        for number in range(ALERTS):
            opened = replace(alert(stream=f"m-{number}", opened_at=AT + 10 * SECOND), started_at=AT)
            commit.scores.append(block(store.open_streams("live", "machines", [opened.stream])[0].id, kept))
            commit.facts.append(fact(opened))
            commit.evidence.append(replace(evidence(opened), facts={"score": 5.0, "limit": 2.0}))
        store.commit(commit)
    return [replace(alert(stream=f"m-{number}", opened_at=AT + 10 * SECOND)) for number in range(ALERTS)]


@pytest.mark.parametrize("keeping", [False, True], ids=["at the look-up", "as it is kept"])
def test_messages_arrive_though_the_database_goes_while_their_scores_are_ranked(
    postgres: PostgresServer, postgres_url: str, *, keeping: bool
) -> None:
    wanted = {str(each.id) for each in fill(postgres_url, "ops")}
    with (
        Receiver(SECRET) as receiver,
        outage_of(postgres, 1 if keeping else 3) as outage,
        closing(open_outbox(postgres_url)) as outbox,
        closing(Ranks(open_database(postgres_url), outage, keeping=keeping)) as ranks,
    ):
        settings = WebhookNotifier(
            kind="webhook", url=receiver.url, secret_env=("S",), allow_hosts=("127.0.0.1",), timeout=2 * SECOND
        )
        dispatcher = Dispatcher(outbox, {"ops": Webhook(settings, {"S": SECRET})})
        dispatcher.complete_with(Ranking(ranks).complete)
        dispatcher.start()
        assert eventually(lambda: {post.message["data"]["alert_id"] for post in receiver.received} == wanted, SOON)
        assert eventually(lambda: outage.over, SOON)
        assert not dispatcher.drain(SOON).waiting
        dispatcher.stop()

    texts = defaultdict(set)
    for post in receiver.received:
        texts[post.id].add(str(post.message))
        assert post.message["data"][FIELD] in (None, 45.45)  # 5 of 11 scores are lower
    assert any(post.message["data"][FIELD] is not None for post in receiver.received)
    assert len(texts) == ALERTS
    assert {len(said) for said in texts.values()} == {1}  # a repeat says the same


@pytest.mark.parametrize("at_messages", [False, True], ids=["at the alerts", "at their messages"])
def test_alerts_are_kept_alive_though_the_database_goes_meanwhile(
    postgres: PostgresServer, postgres_url: str, *, at_messages: bool
) -> None:
    wanted = {each.stream for each in fill(postgres_url, "am")}
    with (
        JsonReceiver() as receiver,
        outage_of(postgres, 4) as outage,
        closing(open_outbox(postgres_url)) as outbox,
        closing(Announced(open_database(postgres_url), outage, at_messages=at_messages)) as announced,
    ):
        settings = AlertmanagerNotifier(
            kind="alertmanager",
            url=receiver.url,
            ends_after=10 * SECOND,
            allow_hosts=("127.0.0.1",),
            timeout=2 * SECOND,
        )
        notifiers = {"am": Alertmanager(settings, {})}
        dispatcher = Dispatcher(outbox, notifiers, keepers=keepers(notifiers, announced))

        def repeated(bodies: list[Any]) -> bool:
            """Whether one post has all alerts, as only a repeat has."""
            return any({each["labels"]["stream"] for each in body} == wanted for body in bodies)

        dispatcher.start()
        assert eventually(lambda: outage.over, SOON)
        before = len(receiver.accepted)
        assert eventually(lambda: repeated(receiver.accepted[before:]), SOON)
        assert not dispatcher.drain(SOON).waiting
        dispatcher.stop()
