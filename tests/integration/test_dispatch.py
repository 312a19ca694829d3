"""`watchkeeper dispatch` and `deliveries` through the real command: without a worker, and what became of messages."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from monitor.cli import app, run_process
from monitor.config.settings import load
from monitor.notify.announcement import announcement
from monitor.ports.store import Commit
from monitor.records.alerts import FactKind
from monitor.store.outbox import open_outbox
from monitor.store.queries import open_reader
from monitor.store.sql import open_store
from monitor.testing.webhook_receiver import Receiver
from tests import flood
from tests.store_rows import alert, fact
from tests.waiting import eventually

CONFIG = """\
store.url = "sqlite:///{folder}/w.db"
kafka.bootstrap_servers = "nowhere.invalid:9092"
[families.temperature]
topic = "t"
interval = "10s"
window.length = 8
[notify.ops]
kind = "webhook"
url = "{url}"
secret_env = ["OPS_SECRET"]
allow_hosts = ["127.0.0.1"]
timeout = "2s"
{more}
"""


class Plant:
    """A database and its configuration, with a receiver."""

    def __init__(self, folder: Path, url: str, more: str = "") -> None:
        self.config = folder / "plant.toml"
        self.config.write_text(CONFIG.format(folder=folder, url=url, more=more))
        self.url = f"sqlite:///{folder}/w.db"
        open_store(self.url).close()

    def open(self, *streams: str) -> None:
        """An alert that opened and was resolved, of each stream."""
        commit = Commit("live", announce=announcement(load(self.config).notify))
        for stream in streams:
            opened = alert(stream=stream, opened_at=5, family="temperature")
            commit.facts += [fact(opened), fact(opened, FactKind.CLEARED, 9, 0.5)]
        with closing(open_store(self.url)) as store:
            store.commit(commit)

    def start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "monitor", "dispatch", str(self.config), "--json"]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPS_SECRET", flood.SECRET)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver(flood.SECRET) as found:
        yield found


def command(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        app.main(list(words))
    said = capsys.readouterr()
    return int(left.value.code or 0), said.out, said.err


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    code, out, err = command(capsys, *words, "--json")
    assert code in (0, 8), err
    return json.loads(out)


def test_a_dispatcher_delivers_without_a_broker_and_ends_with_0_when_asked_to(
    tmp_path: Path, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    plant = Plant(tmp_path, receiver.url)
    plant.open("a", "b")
    status = ("status", "--url", plant.url)
    assert shown(capsys, *status)["undelivered"][0].startswith("4 notifications for ops: no living process delivers")
    with plant.start() as process:
        try:
            assert eventually(lambda: len(receiver.received) == 4)
            found = shown(capsys, *status)
            plant.open("c")
            assert eventually(lambda: len(receiver.received) == 6)
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    (dispatcher,) = found["dispatchers"]
    assert (dispatcher["state"], dispatcher["pid"], dispatcher["channels"]) == ("living", process.pid, ["ops"])
    assert found["undelivered"] == []
    assert shown(capsys, *status)["dispatchers"][0]["state"] == "ended"
    assert found["served"] is False  # a dispatcher is no worker


def test_a_restart_sends_nothing_by_itself(
    tmp_path: Path, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    plant = Plant(tmp_path, receiver.url, 'per_minute = 100\nquiet = ["00:00-00:01"]')
    plant.open("a", "b", "c")
    for _ in range(3):
        assert command(capsys, "dispatch", str(plant.config), "--until-empty")[0] == 0
    with plant.start() as process:
        assert eventually(lambda: bool(shown(capsys, "status", "--url", plant.url)["dispatchers"]))
        process.kill()
    assert command(capsys, "dispatch", str(plant.config), "--until-empty")[0] == 0
    assert len(receiver.received) == 6


def test_what_quiet_hours_hold_is_no_failure(
    tmp_path: Path, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    plant = Plant(tmp_path, receiver.url, 'quiet = ["00:00-12:00", "12:00-00:00"]\nzone = "Europe/Prague"')
    plant.open("a")
    code, _, err = command(capsys, "dispatch", str(plant.config), "--until-empty", "--json")
    lines = {line["event"]: line for line in map(json.loads, err.splitlines())}
    assert (code, receiver.received) == (0, [])
    held = lines["notifications_held"]
    assert (held["channel"], held["waiting"]) == ("ops", 2)
    assert re.fullmatch(r"held until (00|12):00 \(Europe/Prague\) by quiet hours", held["reason"])
    ended = lines["dispatch_ended"]
    assert [ended[name] for name in ("delivered", "failed", "given_up", "waiting", "held")] == [0, 0, 0, 2, 2]


def test_a_dispatcher_says_at_its_end_what_it_did(
    tmp_path: Path, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    plant = Plant(tmp_path, receiver.url)
    plant.open("a", "b")
    code, _, err = command(capsys, "dispatch", str(plant.config), "--until-empty", "--json")
    (ended,) = (line for line in map(json.loads, err.splitlines()) if line["event"] == "dispatch_ended")
    assert [ended[name] for name in ("delivered", "failed", "given_up", "waiting", "held")] == [4, 0, 0, 0, 0]
    assert (code, ended["took_s"] >= 0) == (0, True)


def test_exit_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    plant = Plant(tmp_path, flood.nothing_listens())
    plant.open("a")
    monkeypatch.setattr(run_process, "DRAIN_S", 0.5)
    code, _, err = command(capsys, "dispatch", str(plant.config), "--until-empty")
    assert code == 7
    assert "the next `watchkeeper dispatch`" in err
    without = tmp_path / "without.toml"
    without.write_text(plant.config.read_text().partition("[notify.ops]")[0])
    code, _, err = command(capsys, "dispatch", str(without))
    assert (code, "[notify.NAME]" in err) == (2, True)
    (tmp_path / "w.db").unlink()
    code, _, err = command(capsys, "dispatch", str(plant.config))
    assert (code, "db upgrade" in err) == (4, True)
    monkeypatch.delenv("OPS_SECRET")
    assert command(capsys, "dispatch", str(plant.config))[0] == 2


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('fallback = "ops"', "stand in for itself"),
        ('fallback = "mail"', "no channel is called 'mail'"),
        ('quiet = ["22-06"]', "times of day"),
        ('families = ["temperatures"]', "did you mean temperature?"),
        ('kinds = ["anomalie"]', "did you mean anomaly?"),
        ('zone = "Europe/Prag"', "Europe/Prague"),
        ("per_minute = 0", "per_minute"),
        ('heartbeat = "10ms"', "10ms is too often; write 1s or more"),
        ('severity = "bad"', "severity"),
    ],
)
def test_rules_that_cannot_hold_are_refused(
    tmp_path: Path, more: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    plant = Plant(tmp_path, "https://hooks.plant/", more)
    code, out, err = command(capsys, "check", str(plant.config))
    assert code == 2
    assert said in " ".join((out + err).split())


def test_what_was_given_up_is_listed_shown_and_sent_again(
    tmp_path: Path, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    plant = Plant(tmp_path, receiver.url)
    plant.open("a", "b")
    with closing(open_store(plant.url)), closing(open_outbox(plant.url)) as outbox:
        now = time.time_ns() + 1
        outbox.expire(now, now, "too old", 100)
    where = ("--url", plant.url)
    listed = shown(capsys, "deliveries", "list", "--state", "dead", *where)
    assert listed["channels"] == {"ops": {"waiting": 0, "delivered": 0, "dead": 4}}
    ids = {row["message"] for row in listed["deliveries"]}
    assert shown(capsys, "status", *where)["outbox"]["dead"] == {"ops": 4}
    code, out, _ = command(capsys, "deliveries", "list", *where)
    assert (code, "too old" in out, "dead" in out) == (0, True, True)
    number = str(listed["deliveries"][0]["id"])
    detail = shown(capsys, "deliveries", "show", number, *where)
    assert [one["error"] for one in detail["tries"]] == ["too old"]
    assert json.loads(detail["payload"])["type"] == "alert.resolved"
    assert "too old" in command(capsys, "deliveries", "show", number, *where)[1]

    first = listed["deliveries"][-1]["alert"]
    redrive = ("deliveries", "redrive", "--since", "2h", *where)
    assert shown(capsys, *redrive, "--alert", first[:12]) == {"redriven": {"ops": 2}}
    assert "2 notifications to ops are due again" in command(capsys, *redrive, "--channel", "ops")[1]
    assert "Nothing" in command(capsys, *redrive)[1]
    assert command(capsys, "dispatch", str(plant.config), "--until-empty")[0] == 0
    assert {post.id for post in receiver.received} == ids
    again = shown(capsys, "deliveries", "show", number, *where)
    assert (again["state"], [one["error"] for one in again["tries"]]) == ("delivered", ["too old", None])
    assert command(capsys, "deliveries", "show", "999", *where)[0] == 2
    assert command(capsys, "deliveries", "list", "--state", "lost", *where)[0] == 2


def test_alerts_show_says_what_a_filter_kept_back_and_what_went_in_a_digest(
    tmp_path: Path, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    quiet = '[notify.quiet]\nkind = "log"\nstreams = ["x-*"]'
    plant = Plant(tmp_path, receiver.url, f"per_minute = 1\n{quiet}")
    plant.open("a")
    assert command(capsys, "dispatch", str(plant.config), "--until-empty")[0] == 0
    assert [post.message["type"] for post in receiver.received] == ["digest"]
    id_ = alert(stream="a", opened_at=5, family="temperature").id.hex
    _, out, _ = command(capsys, "alerts", "show", id_, "--url", plant.url)
    words = " ".join(out.split())
    assert "not sent to quiet: filter" in words
    assert "in digest 3" in words
    with closing(open_reader(plant.url)) as reader:
        detail = reader.get_alert(id_)
    assert [record.state for record in detail.deliveries] == ["delivered", "delivered"]
    found = shown(capsys, "alerts", "show", id_, "--url", plant.url)
    assert [change["filtered"] for change in found["transitions"]] == [["quiet"], ["quiet"]]
    assert {row["digest"] for row in found["deliveries"]} == {3}


def test_a_heartbeat_arrives_while_a_worker_commits(tmp_path: Path, receiver: Receiver) -> None:
    from monitor.records.workers import WorkerReport
    from monitor.store.workers import open_heartbeats

    plant = Plant(tmp_path, receiver.url, 'heartbeat = "1s"\nheartbeat_commit_age = "1h"')
    with plant.start() as process:
        try:
            time.sleep(2)
            assert receiver.received == []  # nothing has committed
            report = WorkerReport(id="w", run="live", host="h", pid=1, version="", started=1, committed=time.time_ns())
            with closing(open_heartbeats(plant.url)) as heartbeats:
                heartbeats.beat(report)
            assert eventually(lambda: len(receiver.received) >= 3)
        finally:
            os.kill(process.pid, signal.SIGKILL)
    assert {post.message["type"] for post in receiver.received} == {"heartbeat"}
    assert receiver.received[0].message["data"]["workers"] == 1
    assert len({post.id for post in receiver.received}) == len(receiver.received)
    with closing(open_outbox(plant.url)) as outbox:
        assert outbox.backlog().waiting == 0
