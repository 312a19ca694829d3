"""A real Alertmanager: alerts appear, change their severity, are kept alive past their end, and resolve."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog

from monitor.config.channels import Channel
from monitor.config.notifiers import AlertmanagerNotifier
from monitor.notify.alertmanager import Alertmanager
from monitor.notify.announcement import announcement
from monitor.notify.dispatcher import Dispatcher
from monitor.notify.keep_alive import KeepAlive, keepers
from monitor.ports.store import Commit, Store
from monitor.records.alerts import FactKind, Severity
from monitor.store.delivered_messages import SqlDeliveredMessages, open_delivered_messages
from monitor.store.outbox import SqlOutbox, open_outbox
from monitor.store.sql import SqlStore, open_store
from monitor.testing.json_receiver import JsonReceiver
from tests.integration.alertmanager import Running, alertmanager
from tests.store_rows import SECOND, alert, cleared, fact
from tests.waiting import eventually


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with structlog.testing.capture_logs():
        yield


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with alertmanager(tmp_path_factory.mktemp("alertmanager")) as found:
        yield found


def settings(url: str, seconds: int) -> AlertmanagerNotifier:
    return AlertmanagerNotifier(
        kind="alertmanager", url=url, labels={"plant": "north"}, ends_after=seconds * SECOND, allow_hosts=("127.0.0.1",)
    )


@contextmanager
def parts(database: str) -> Iterator[tuple[SqlStore, SqlOutbox, SqlDeliveredMessages]]:
    with (
        closing(open_store(database)) as store,
        closing(open_outbox(database)) as outbox,
        closing(open_delivered_messages(database)) as announced,
    ):
        yield store, outbox, announced


@contextmanager
def dispatching(database: str, notifier: Alertmanager) -> Iterator[Store]:
    """A dispatcher on an empty store; yields the store."""
    with parts(database) as (store, outbox, announced):
        dispatcher = Dispatcher(outbox, {"am": notifier}, keepers=keepers({"am": notifier}, announced))
        dispatcher.start()
        yield store
        dispatcher.stop()


def test_an_alert_appears_is_kept_alive_and_resolves(running: Running, tmp_path: Path) -> None:
    opened = alert(stream="m-17", opened_at=time.time_ns() - 5 * SECOND)
    announce = announcement({"am": Channel()}, link="https://watch.example/alerts/{alert_id}")
    notifier = Alertmanager(settings(running.url, 10), {})

    def found() -> list[dict[str, Any]]:
        return [each for each in running.alerts() if each["labels"].get("stream") == "m-17"]

    with dispatching(f"sqlite:///{tmp_path}/w.db", notifier) as store:
        store.commit(Commit(run="live", facts=[fact(opened)], announce=announce))
        assert eventually(lambda: len(found()) == 1)
        (first,) = found()
        assert (first["labels"]["alertname"], first["labels"]["plant"]) == ("Watchkeeper", "north")
        assert first["labels"]["severity"] == "warning"
        assert first["generatorURL"] == f"https://watch.example/alerts/{opened.id}"
        assert "m-17" in first["annotations"]["summary"]

        until = first["endsAt"]
        assert eventually(
            lambda: bool(found()) and found()[0]["startsAt"] == first["startsAt"] < until < found()[0]["endsAt"]
        )
        gone_by = time.time() + 11
        assert eventually(lambda: time.time() > gone_by)
        assert len(found()) == 1  # long after the end that the first post had

        worse = replace(fact(opened, FactKind.WORSENED, opened.opened_at + SECOND), severity=Severity.CRITICAL)
        store.commit(Commit(run="live", facts=[worse], announce=announce))
        assert eventually(lambda: [each["labels"]["severity"] for each in found()] == ["critical"])

        store.commit(
            Commit(run="live", facts=[replace(cleared(opened), severity=Severity.CRITICAL)], announce=announce)
        )
        assert eventually(lambda: found() == [])


def test_an_alert_that_is_not_kept_alive_ends_there(running: Running, tmp_path: Path) -> None:
    """Which is why it is: after a worker has died, Alertmanager does not go on for ever."""
    opened = alert(stream="m-18", opened_at=time.time_ns() - SECOND)
    notifier = Alertmanager(settings(running.url, 10), {})

    def found() -> list[dict[str, Any]]:
        return [each for each in running.alerts() if each["labels"].get("stream") == "m-18"]

    with dispatching(f"sqlite:///{tmp_path}/w.db", notifier) as store:
        store.commit(Commit(run="live", facts=[fact(opened)], announce=announcement({"am": Channel()})))
        assert eventually(lambda: len(found()) == 1)
    assert eventually(lambda: found() == [])


def test_an_end_that_met_a_repeat_is_posted_again(tmp_path: Path) -> None:
    """A repeat that was read before the end and arrives behind it would have the alert live on at the receiver."""
    opened, database = alert(stream="m-19"), f"sqlite:///{tmp_path}/w.db"
    with JsonReceiver() as receiver, parts(database) as (store, outbox, announced):
        notifier = Alertmanager(settings(receiver.url, 10), {})
        dispatcher, keeper = Dispatcher(outbox, {"am": notifier}), KeepAlive("am", notifier, announced)
        announce = announcement({"am": Channel()})

        store.commit(Commit(run="live", facts=[fact(opened)], announce=announce))
        dispatcher.run_once(time.time_ns())
        keeper.turn()
        store.commit(Commit(run="live", facts=[cleared(opened)], announce=announce))
        dispatcher.run_once(time.time_ns())
        ended = len(receiver.posts)
        for _ in range(10):
            keeper.turn()

    ends = [
        each["endsAt"] > each["startsAt"] and each["endsAt"] > "2000" for body in receiver.accepted for each in body
    ]
    assert (ends[:ended], ends[ended:]) == ([True, True, False], [False] * 3)
