"""An alarm flood of which one receiver is dead, one slow, and one refuses every third message, with two dispatchers
whose configurations differ: what can be delivered is, once, and in the order of each alert's changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
import structlog
from sqlalchemy import text

from monitor.notify import lane, retry_schedule
from monitor.notify.dispatcher import Dispatcher
from monitor.store.engine import connect
from monitor.store.migrations import upgrade
from monitor.store.outbox import open_outbox
from tests import flood

ALERTS = 150


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database; PostgreSQL has looked at its tables while they were empty."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.db"
    found: str = request.getfixturevalue("postgres_url")
    upgrade(found)
    with closing(connect(found)) as database, database.writing() as connection:
        connection.execute(text("ANALYZE"))
    return found


@contextmanager
def delivering(url: str, **channels: str) -> Iterator[None]:
    """A dispatcher over connections of its own; channels by name and URL."""
    with closing(open_outbox(url)) as outbox:
        dispatcher = Dispatcher(outbox, {name: flood.webhook(at, timeout=5) for name, at in channels.items()})
        dispatcher.start()
        try:
            yield
        finally:
            dispatcher.stop()


def test_everything_that_can_be_delivered_is(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry_schedule, "TRIES", (*flood.TRIES, *retry_schedule.TRIES[len(flood.TRIES) :]))
    monkeypatch.setattr(lane, "PROBE", 10**9)
    flood.fill(url, ALERTS, ("dead", "picky", "quick", "slow"))
    logs = {kind: tmp_path / kind for kind in ("picky", "quick", "slow")}
    with ExitStack() as stack, structlog.testing.capture_logs():
        urls = {kind: stack.enter_context(flood.receiver(kind, log)) for kind, log in logs.items()}
        stack.enter_context(delivering(url, dead=flood.nothing_listens(), picky=urls["picky"], slow=urls["slow"]))
        stack.enter_context(delivering(url, picky=urls["picky"], quick=urls["quick"]))
        left = flood.wait_until_only("dead", url, 120)

    assert left.queues.keys() == {"dead"}
    assert left.queues["dead"].waiting == 2 * ALERTS
    messages = {kind: flood.taken(log) for kind, log in logs.items()}
    assert len(messages["quick"]) == len(messages["slow"]) == 2 * ALERTS
    for taken in messages.values():
        assert len({message.id for message in taken}) == len(taken)
        assert flood.in_order(taken)
    assert left.given_up + len(messages["picky"]) == 2 * ALERTS
    assert left.given_up == sum(flood.refused(message.id) for message in messages["quick"])
