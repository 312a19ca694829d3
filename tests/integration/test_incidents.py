"""A plant trip from the facts of workers through SQL to a real HTTP server: one incident, one notification."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import structlog

from monitor import bootstrap
from monitor.alerts.incidents import message_name
from monitor.config.settings import Settings, parse
from monitor.notify.dispatcher import Dispatcher
from monitor.notify.incident_payload import incident_announcement
from monitor.ports.store import Commit
from monitor.records.alerts import Alert, Fact, FactKind, message_id
from monitor.store.incident_messages import open_incident_messages
from monitor.store.incident_queries import IncidentDetail, get_incident, list_incidents
from monitor.store.migrations import upgrade
from monitor.store.open import open_database
from monitor.store.outbox import open_outbox
from monitor.store.queries import open_reader
from monitor.store.sql import open_store
from monitor.testing.webhook_receiver import Answer, Received, Receiver
from monitor.worker.options import WorkerOptions
from tests.store_rows import alert, fact

SECRET = "whsec_" + "QUJD" * 12
SECOND = 10**9
STREAMS = 200


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    found: str = f"sqlite:///{tmp_path}/s.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    upgrade(found)
    return found


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    with structlog.testing.capture_logs():
        yield


def settings(url: str, receiver: Receiver, **incidents: object) -> Settings:
    hook = {"kind": "webhook", "url": receiver.url, "secret_env": ["HOOK_SECRET"], "allow_hosts": ["127.0.0.1"]}
    machines = {"topic": "plant", "interval": "10s", "recipe": "plain", "window": {"length": 8}}
    return parse(
        {"store": {"url": url}, "families": {"machines": machines}, "notify": {"ops": hook}, "incidents": incidents}
    )


def commit(given: Settings, *facts: Fact) -> None:
    """As a worker with these settings does."""
    options = WorkerOptions.of(given, "live", bootstrap.announce(given))
    store = open_store(given.store.url)
    store.commit(
        Commit("live", facts=list(facts), announce=options.announce, max_age=options.max_age, grouping=options.grouping)
    )
    store.close()


def trip(start: int) -> list[Alert]:
    """All streams of the family within 30 s."""
    return [alert(stream=f"m-{i:03}", opened_at=start + i * 30 * SECOND // STREAMS) for i in range(STREAMS)]


def over(of: Alert, at: int) -> Fact:
    return fact(of, FactKind.CLEARED, at, 0.5)


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 60
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


@contextmanager
def dispatching(given: Settings) -> Iterator[None]:
    """What a worker runs; on PostgreSQL put together here, so that its connections can be closed."""
    url = given.store.url
    if url.startswith("sqlite"):
        dispatcher = bootstrap.dispatcher(given)
        assert dispatcher is not None
        dispatcher.start()
        yield
        dispatcher.stop()
        return
    announce = incident_announcement(given.notify)
    with closing(open_outbox(url)) as outbox, closing(open_incident_messages(url, announce)) as messages:
        dispatcher = Dispatcher(outbox, bootstrap.notifiers(given))
        dispatcher.beside["incidents"] = (lambda: messages.write_due(time.time_ns()), 0.1)
        dispatcher.start()
        yield
        dispatcher.stop()


def only(url: str) -> IncidentDetail:
    database = open_database(url)
    (incident,) = list_incidents(database, "live")
    found = get_incident(database, incident.id.hex)
    database.close()
    return found


def types(posts: list[Received]) -> list[str]:
    return [post.message["type"] for post in posts]


def test_a_plant_trip_is_one_incident_one_notification_and_200_alerts(url: str) -> None:
    """Two workers report it at the same time, with commits of a second each; then it is over."""
    start = time.time_ns() - 60 * SECOND
    with Receiver(SECRET) as receiver:
        given = settings(url, receiver, wait="2s")
        of = trip(start)

        def worker(number: int) -> None:
            mine = of[number::2]
            for i in range(0, len(mine), 10):
                commit(given, *map(fact, mine[i : i + 10]))

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(worker, range(2)))
        with dispatching(given):
            assert eventually(lambda: len(receiver.received) == 1)
            detail = only(url)
            assert (len(detail.alerts), detail.incident.members, detail.incident.open) == (STREAMS,) * 3
            (post,) = receiver.received
            assert (post.message["type"], post.message["data"]["alerts"]) == ("incident.opened", STREAMS)
            assert post.message["data"]["incident_id"] == str(detail.incident.id)
            assert post.message["data"]["members"][0]["stream"] == "m-000"

            commit(given, *(over(each, start + 40 * SECOND) for each in of))
            assert eventually(lambda: len(receiver.received) == 2)
        assert types(receiver.received) == ["incident.opened", "incident.resolved"]
    reader = open_reader(url)
    alerts = reader.list_alerts("live", limit=1000)
    last = reader.get_alert(alerts[0].id.hex)
    reader.close()
    assert len(alerts) == STREAMS
    assert {change.withheld for change in last.transitions} == {f"in incident {only(url).incident.id.hex[:8]}"}
    assert [row.error for row in only(url).deliveries] == ["", ""]


def test_without_the_table_every_alert_sends_its_message(url: str) -> None:
    start = time.time_ns()
    with Receiver(SECRET) as receiver:
        given = settings(url, receiver).model_copy(update={"incidents": None})
        commit(given, *map(fact, trip(start)[:5]))
        with dispatching(given):
            assert eventually(lambda: len(receiver.received) == 5)
        assert set(types(receiver.received)) == {"alert.opened"}
    assert only(url).incident.members == 5


def test_each_site_of_a_plant_has_its_incident_whatever_the_families(url: str) -> None:
    groups = {"Brno": ["brno/*"], "Linz": ["linz/*", "lnz-*"]}
    names = ("brno/pump-1", "brno/pump-2", "linz/pump-1", "lnz-7", "other")
    with Receiver(SECRET) as receiver:
        given = settings(url, receiver, wait="1s", groups=groups)
        of = [alert(stream=name, family=family, opened_at=time.time_ns()) for name in names for family in ("a", "b")]
        commit(given, *map(fact, of))
        with dispatching(given):
            assert eventually(lambda: len(receiver.received) == 4)
    found = {post.message["data"]["group"]: post.message["data"]["alerts"] for post in receiver.received}
    assert found == {"Brno": 4, "Linz": 4, "a": 1, "b": 1}
    assert types(receiver.received) == ["incident.opened"] * 4


def test_one_that_was_announced_ends_at_its_receivers_when_the_table_is_taken_out(url: str) -> None:
    """And alerts from then on are announced by themselves."""
    with Receiver(SECRET) as receiver:
        given = settings(url, receiver, wait="100ms")
        member, later = alert(opened_at=time.time_ns()), alert(stream="m-2", opened_at=time.time_ns())
        commit(given, fact(member))
        with dispatching(given):
            assert eventually(lambda: len(receiver.received) == 1)
        without = given.model_copy(update={"incidents": None})
        commit(without, fact(later), over(member, time.time_ns()))
        commit(without, over(later, time.time_ns()))
        with dispatching(without):
            assert eventually(lambda: len(receiver.received) == 4)
    assert sorted(types(receiver.received)) == [
        "alert.opened", "alert.resolved", "incident.opened", "incident.resolved"
    ]  # fmt: skip


DYING = """
import os, signal, sys, time
from monitor.config.channels import Channel
from monitor.notify.incident_payload import incident_announcement
from monitor.store.incident_messages import open_incident_messages
url, moment = sys.argv[1:]
render = incident_announcement({"ops": Channel()})
def announce(news):
    if moment == "within":
        os.kill(os.getpid(), signal.SIGKILL)
    return render(news)
messages = open_incident_messages(url, announce)
while not messages.write_due(time.time_ns()):
    time.sleep(0.05)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_kills_before_within_and_after_the_making_of_a_message_lose_and_double_nothing(url: str) -> None:
    """And a restart sends nothing by itself."""
    with Receiver(SECRET, [Answer(503)]) as receiver:
        given = settings(url, receiver, wait="100ms")
        commit(given, *map(fact, trip(time.time_ns())[:3]))  # its worker ends here: nothing of it lives on but SQL
        for moment in ("within", "behind"):
            died = subprocess.run([sys.executable, "-c", DYING, url, moment], check=False, timeout=60)
            assert died.returncode == -signal.SIGKILL
        with dispatching(given):
            assert eventually(lambda: len(receiver.received) == 2)  # the first try was refused
        incident = only(url).incident
        with dispatching(given):
            commit(given, fact(alert(family="pumps", opened_at=time.time_ns())))
            assert eventually(lambda: len(receiver.received) == 3)
        database = open_database(url)
        name = message_id(database.identity, message_name(incident))
        database.close()
    assert types(receiver.received) == ["incident.opened"] * 3
    assert [post.id == str(name) for post in receiver.received] == [True, True, False]
    assert receiver.received[2].message["data"]["group"] == "pumps"
