"""Records that cannot be read or judged, on a real Kafka: in streams list, the log and a webhook."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
from confluent_kafka import Consumer, Producer, TopicPartition
from typer.testing import CliRunner

from monitor import bootstrap
from monitor.cli import alerts, dead, streams
from monitor.cli.app import main
from monitor.config.services import Kafka
from monitor.config.settings import load
from monitor.errors import NOT_ALL_JUDGED
from monitor.records.counters import COUNTERS
from monitor.testing.webhook_receiver import Receiver
from tests.integration.broker import KafkaBroker

pytestmark = pytest.mark.kafka

SECRET = "whsec_" + "QUJD" * 12
GOOD = ("m-1", "m-2", "m-3", "m-4")


class Plant:
    """A configuration with a webhook, a producer, and commands over it."""

    def __init__(self, folder: Path, kafka: Kafka, topic: str, url: str) -> None:
        self.folder, self.kafka, self.topic, self.url = folder, kafka, topic, url
        self.path = folder / "w.toml"
        self.configure("value")
        self._producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "linger.ms": 0, "log_level": 0})

    def configure(self, *fields: str) -> None:
        """Messages hold the value in this field."""
        options = "\n".join(f'options."{name}" = {json.dumps(value)}' for name, value in self.kafka.options.items())
        self.path.write_text(f"""
models = "{self.folder}/artefacts"
[kafka]
bootstrap_servers = "{self.kafka.bootstrap_servers}"
group = "{self.kafka.group}"
{options}
[store]
url = "sqlite:///{self.folder}/w.db"
[notify.ops]
kind = "webhook"
url = "{self.url}"
secret_env = ["S"]
allow_hosts = ["127.0.0.1"]
[families.machines]
topic = "{self.topic}"
interval = "1s"
recipe = "plain"
window.length = 8
channels = ["celsius"]
format = {{ values = {json.dumps(fields)} }}
""")

    def send(self, second: int, names: Mapping[str, str]) -> None:
        """A record of each stream, {name: field of its value}."""
        now = time.time_ns()
        for name, field in names.items():
            body = json.dumps({"time": (now // 10**9 - 600) + second, field: 20.5}).encode()
            self._producer.produce(self.topic, body, name.encode(), timestamp=now // 10**6)
        self._producer.flush(30)

    @contextmanager
    def worker(self) -> Iterator[None]:
        """A live worker on a thread, with its dispatcher."""
        over, errors = threading.Event(), list[BaseException]()

        def work() -> None:
            try:
                with bootstrap.worker(load(self.path)) as (runner, *_):
                    runner.run(over.is_set)
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
        assert errors == []

    def command(self, app: Any, *arguments: str) -> str:
        return CliRunner().invoke(app, [*arguments, "--config", str(self.path)], env={"COLUMNS": "160"}).stdout


@pytest.fixture(autouse=True)
def lines() -> Iterator[list[Any]]:
    """What is logged: the worker's thread writes to the same standard output as the commands."""
    with structlog.testing.capture_logs() as found:
        yield found


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver(SECRET) as found:
        yield found


@pytest.fixture
def plant(tmp_path: Path, kafka: KafkaBroker, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Plant:
    monkeypatch.setenv("S", SECRET)
    return Plant(tmp_path, kafka.settings(), kafka.topic(), receiver.url)


def until(happened: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def of_kind(receiver: Receiver, kind: str = "unreadable") -> list[tuple[str, str]]:
    messages = [post.message for post in receiver.received]
    return [(found["type"], found["data"]["stream"]) for found in messages if found["data"]["kind"] == kind]


def test_an_unreadable_machine_beside_four_good_ones_is_seen_within_a_minute(
    plant: Plant, receiver: Receiver, lines: list[Any]
) -> None:
    good = dict.fromkeys(GOOD, "value")
    with plant.worker():
        for second in range(10):
            plant.send(second, good)
        began = time.monotonic()
        for second in range(10, 16):  # at 10 s between readings this would be a minute
            plant.send(second, good | {"m-5": "temp"})
        until(lambda: ("alert.opened", "m-5") in of_kind(receiver))
        assert time.monotonic() - began < 60
        assert of_kind(receiver) == [("alert.opened", "m-5")]
        text = plant.command(streams.app, "list")
        assert "(m-5 6)" in text
        assert "the field value is missing; the body has temp" in text
        states = {row["name"]: row["state"] for row in json.loads(plant.command(streams.app, "list", "--json"))}
        assert states == dict.fromkeys(GOOD, "ok") | {"m-5": "unreadable"}
        shown = json.loads(plant.command(alerts.app, "list", "--json"))
        assert [(alert["kind"], alert["stream"]) for alert in shown] == [("unreadable", "m-5")]
        for second in range(16, 26):
            plant.send(second, good | {"m-5": "value"})
        until(lambda: of_kind(receiver)[-1] == ("alert.resolved", "m-5"))
    (line,) = (line for line in lines if line["event"] == "records_unreadable")
    assert (line["log_level"], line["reason"], line["stream"]) == ("warning", "missing-value", "m-5")
    assert '"temp": 20.5' in line["example"]


def test_a_family_of_which_nothing_can_be_read_has_an_alert_without_any_stream(
    plant: Plant, receiver: Receiver
) -> None:
    with plant.worker():
        for second in range(30):
            plant.send(second, {"m-1": "temp"})
        until(lambda: ("alert.opened", "") in of_kind(receiver))
    (opened,) = (post.message["data"] for post in receiver.received if post.message["type"] == "alert.opened")
    assert (opened["family"], opened["stream"], opened["kind"]) == ("machines", "", "unreadable")
    assert "cannot be read: the field value is missing; the body has temp" in opened["cause"]
    assert "No streams in run live." in plant.command(streams.app, "list")
    assert f"topic {plant.topic}: " in plant.command(streams.app, "list")
    with plant.worker():  # a restart opens no second one
        plant.send(30, {"m-1": "temp"})
        until(lambda: "31 records could not be read" in plant.command(streams.app, "list"))
    assert [kind for kind, _ in of_kind(receiver)] == ["alert.opened"]


@pytest.mark.parametrize(("bad", "code"), [(100, NOT_ALL_JUDGED), (10, NOT_ALL_JUDGED), (2, 0)])
def test_a_run_that_ends_says_what_it_could_not_read(
    plant: Plant, capsys: pytest.CaptureFixture[str], bad: int, code: int
) -> None:
    for second in range(100):
        plant.send(second, {f"m-{second % 10}": "temp" if second < bad else "value"})
    with pytest.raises(SystemExit) as left:
        main(["run", str(plant.path), "--until-end", "--json"])
    said = capsys.readouterr()
    assert left.value.code == code
    assert (f"{bad} of 100 records could not be read" in said.err) is (code != 0)
    assert json.loads(said.out.splitlines()[-1])["dead"] == bad


def test_what_can_be_read_under_another_format_is_sent_again_and_accounted_for(plant: Plant) -> None:
    with plant.worker():
        for second in range(20):
            plant.send(second, {"m-1": "temp", "m-2": "other"})
        until(lambda: "40 records could not be read" in plant.command(streams.app, "list"))
    plant.configure("temp")
    said = CliRunner().invoke(dead.app, ["retry", str(plant.path), "--dry-run", "--json"])
    assert said.exit_code == NOT_ALL_JUDGED
    assert json.loads(said.stdout)["readable"] == 20
    assert end_of(plant) == 40
    with plant.worker():
        said = CliRunner().invoke(dead.app, ["retry", str(plant.path), "--json"])
        assert (said.exit_code, json.loads(said.stdout)["sent"]) == (NOT_ALL_JUDGED, 20)
        again = CliRunner().invoke(dead.app, ["retry", str(plant.path), "--json", "--stream", "m-1"])
        assert (again.exit_code, json.loads(again.stdout)["sent"]) == (0, 0)
        until(lambda: accepted(plant) == {"m-1": 20})
    assert end_of(plant) == 60
    kinds = json.loads(plant.command(dead.app, "list", "--json"))
    assert sorted((row["stream"], row["count"], row["retried"]) for row in kinds) == [("m-1", 20, 20), ("m-2", 20, 0)]
    first, last = record(plant, 0), record(plant, 40)
    assert (last.key(), last.value(), last.timestamp()) == (first.key(), first.value(), first.timestamp())


def accepted(plant: Plant) -> dict[str, int]:
    """Readings of each stream, all of which were accepted."""
    rows = [row for row in json.loads(plant.command(streams.app, "list", "--json")) if "accepted" in row]
    assert all(row[name] == 0 for row in rows for name in COUNTERS if name not in ("accepted", "gaps", "imputed"))
    return {row["name"]: row["accepted"] for row in rows}


def end_of(plant: Plant) -> int:
    consumer = Consumer({"bootstrap.servers": plant.kafka.bootstrap_servers, "group.id": "end", "log_level": 0})
    try:
        return int(consumer.get_watermark_offsets(TopicPartition(plant.topic, 0), timeout=20)[1])
    finally:
        consumer.close()


def record(plant: Plant, offset: int) -> Any:
    consumer = Consumer({"bootstrap.servers": plant.kafka.bootstrap_servers, "group.id": "one", "log_level": 0})
    try:
        consumer.assign([TopicPartition(plant.topic, 0, offset)])
        return consumer.poll(20)
    finally:
        consumer.close()


def test_a_plant_that_sends_local_time_is_seen_within_a_minute(
    plant: Plant, receiver: Receiver, lines: list[Any]
) -> None:
    """An hour ahead of UTC, without a zone: every reading is from the future, and none is judged."""
    with plant.worker():
        began = time.monotonic()
        for second in range(600 + 3600, 600 + 3600 + 12):
            plant.send(second, {"m-1": "value"})
        until(lambda: ("alert.opened", "m-1") in of_kind(receiver, "unscored"))
        assert time.monotonic() - began < 60

        (message,) = (post.message for post in receiver.received if post.message["data"]["kind"] == "unscored")
        (row,) = json.loads(plant.command(streams.app, "list", "--json"))

    assert "ahead of the clock: local time?" in message["data"]["cause"]
    assert (row["state"], row["future"]) == ("unscored", 12)
    assert [line["stream"] for line in lines if line["event"] == "streams_not_scored"] == ["m-1"]
