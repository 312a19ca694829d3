"""Workers that die, a broker that is away, and lag, on a real Kafka: seen by commands and in logs within a minute."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from monitor.bootstrap import parts
from monitor.cli import run as command
from monitor.cli import run_process
from monitor.config.services import Kafka
from monitor.errors import NotifyError, SourceError
from monitor.records.workers import Lag
from monitor.sources.kafka_lag import KafkaLag
from monitor.testing.webhook_receiver import Receiver
from tests.integration.broker import KafkaBroker

pytestmark = pytest.mark.kafka

WITHIN_S = 60.0
NAMES = ("m-0", "m-1", "m-2", "m-3")
SECRET = "0123456789abcdef0123456789abcdef"
HOOK = """[notify.hook]
kind = "webhook"
url = "{url}"
secret_env = ["WK_SECRET"]
allow_hosts = ["127.0.0.1"]
"""


class Site:
    """A topic with four partitions and a stream in each, a database, and workers as people run them."""

    def __init__(self, kafka: KafkaBroker, folder: Path, notify: str = "") -> None:
        self.folder, self.topic, self.kafka = folder, kafka.topic(4), kafka
        self.config = folder / "plant.toml"
        self.config.write_text(f"""
models = "{folder}/models"
[kafka]
bootstrap_servers = "{kafka.bootstrap_servers}"
group = "{self.topic}"
[kafka.options]
"session.timeout.ms" = 6000
"reconnect.backoff.max.ms" = 500
[store]
url = "sqlite:///{folder}/w.db"
commit_interval = "200ms"
[families.plant]
topic = "{self.topic}"
channels = ["value"]
interval = "1s"
recipe = "plain"
window.length = 8
valid_range = {{ value = [0, 1] }}
{notify}""")
        self.workers: list[subprocess.Popen[bytes]] = []

    def publish(self, count: int = 20, value: float = 0.5) -> None:
        producer = Producer({"bootstrap.servers": self.kafka.bootstrap_servers, "log_level": 0})
        first = int(time.time()) - count
        for number, name in enumerate(NAMES):
            for at in range(count):
                producer.produce(self.topic, json.dumps({"time": first + at, "value": value}), name, number)
        assert producer.flush(30) == 0

    def start(self) -> subprocess.Popen[bytes]:
        log = self.folder / f"worker-{len(self.workers)}.log"
        with log.open("wb") as out:
            arguments = [sys.executable, "-m", "monitor", "run", str(self.config), "--json"]
            environ = os.environ | {"OMP_NUM_THREADS": "1"}
            worker = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environ)
        self.workers.append(worker)
        return worker

    def events(self, number: int) -> list[str]:
        lines = (self.folder / f"worker-{number}.log").read_text(errors="replace").splitlines()
        return [json.loads(line).get("event", "") for line in lines if line.startswith("{")]

    def ask(self, *arguments: str) -> tuple[int, Any]:
        full = [sys.executable, "-m", "monitor", *arguments, "--config", str(self.config), "--json"]
        told = subprocess.run(full, capture_output=True, text=True, check=False)
        assert told.stdout, told.stderr
        return told.returncode, json.loads(told.stdout)

    def states(self) -> dict[str, str]:
        return {row["name"]: row["state"] for row in self.ask("streams", "list")[1]}

    def owned(self) -> list[int]:
        """How many partitions each living worker owns."""
        _, shown = self.ask("status")
        living = {worker["id"] for worker in shown["workers"] if worker["state"] == "living"}
        held = [each["worker"] for each in shown["partitions"] if each["served"]]
        return sorted(held.count(worker) for worker in living)


@pytest.fixture
def site(kafka: KafkaBroker, tmp_path: Path) -> Iterator[Site]:
    made = Site(kafka, tmp_path)
    yield made
    for worker in made.workers:
        worker.kill()
        worker.wait()


def within(seconds: float, happened: Callable[[], bool]) -> float:
    """Seconds until that was the case."""
    began = time.monotonic()
    while not happened():
        assert time.monotonic() - began < seconds, "it did not happen in time"
        time.sleep(1)
    return time.monotonic() - began


def test_workers_that_are_killed_are_seen_within_a_minute(site: Site) -> None:
    site.publish()
    site.start()
    within(60, lambda: (site.folder / "w.db").exists() and site.owned() == [4])
    site.start()
    within(90, lambda: site.owned() == [2, 2])
    assert site.ask("status")[0] == 0
    assert set(site.states().values()) == {"ok"}

    site.workers[0].kill()
    within(WITHIN_S, lambda: "worker_lost" in site.events(1) and "worker_replaced" in site.events(1))
    within(30, lambda: site.ask("status")[0] == 0)
    site.workers[1].kill()
    within(WITHIN_S, lambda: site.ask("status")[0] == 8 and set(site.states().values()) == {"not read"})

    _, shown = site.ask("status")
    assert shown["problems"][0].startswith("no worker is running")
    assert f"topic {site.topic}, partitions 0, 1, 2, 3: no living worker owns them" in shown["problems"][1]
    assert [worker["state"] for worker in shown["workers"]] == ["lost", "lost"]


def test_a_clean_stop_is_no_loss(site: Site) -> None:
    site.publish()
    worker = site.start()
    within(60, lambda: (site.folder / "w.db").exists() and site.owned() == [4])

    worker.terminate()
    assert worker.wait(30) == 0

    code, shown = site.ask("status")
    assert code == 8
    assert [each["state"] for each in shown["workers"]] == ["ended"]
    assert {(each["next_offset"], each["lag_records"]) for each in shown["partitions"]} == {(20, 0)}
    assert set(site.states().values()) == {"ok"}


def test_a_broker_that_is_away_is_seen_when_that_begins_and_ends(site: Site) -> None:
    site.publish()
    site.start()
    within(60, lambda: (site.folder / "w.db").exists() and site.owned() == [4])
    site.kafka.kill()
    try:
        within(WITHIN_S, lambda: any("no broker has answered" in text for text in site.ask("status")[1]["problems"]))
        assert site.ask("status")[0] == 8
    finally:
        site.kafka.restart()
    within(WITHIN_S, lambda: site.ask("status")[0] == 0)

    events = [event for event in site.events(0) if event.startswith("broker_")]
    assert events == ["broker_away", "broker_back"]


def test_a_run_that_ends_does_not_wait_for_a_topic_that_does_not_exist(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    text = site.config.read_text().replace(f'topic = "{site.topic}"', f'topic = "{site.topic}-not"')
    site.config.write_text(text)
    began = time.monotonic()

    with pytest.raises(SourceError, match=f"no topic {site.topic}-not; .*watchkeeper publish") as refused:
        command.run(site.config, until_end=True)

    assert (refused.value.exit_code, time.monotonic() - began < 30) == (3, True)


def test_a_run_that_ends_does_not_wait_for_a_broker_for_ever(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "BROKER_S", 2.0)
    site.config.write_text(site.config.read_text().replace(site.kafka.bootstrap_servers, "127.0.0.1:1"))
    began = time.monotonic()

    with pytest.raises(SourceError, match=r"no Kafka broker answers at 127\.0\.0\.1:1.*is it running") as refused:
        command.run(site.config, until_end=True)

    assert (refused.value.exit_code, time.monotonic() - began < 30) == (3, True)


def test_a_run_that_ends_delivers_its_notifications(
    kafka: KafkaBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WK_SECRET", SECRET)
    with Receiver(SECRET) as receiver:
        site = Site(kafka, tmp_path, HOOK.format(url=receiver.url))
        site.publish(value=7.0)
        command.run(site.config, until_end=True, as_json=True)

        told = [post.message["data"] for post in receiver.received]
        assert {data["stream"] for data in told} == set(NAMES)
        assert site.ask("status")[1]["outbox"]["waiting"] == 0


def test_a_run_that_ends_says_how_many_notifications_wait(
    kafka: KafkaBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WK_SECRET", SECRET)
    monkeypatch.setattr(run_process, "DRAIN_S", 2.0)
    site = Site(kafka, tmp_path, HOOK.format(url="http://127.0.0.1:1/"))
    site.publish(value=7.0)

    with pytest.raises(
        NotifyError, match=r"\d+ notifications could not be delivered within 2 s.*127\.0\.0\.1"
    ) as refused:
        command.run(site.config, until_end=True, as_json=True)

    assert refused.value.exit_code == 7
    waiting = json.loads(capsys.readouterr().out.splitlines()[-1])["notifications_waiting"]
    assert waiting == site.ask("status")[1]["outbox"]["waiting"] >= len(NAMES)


def test_lag_is_counted_in_records_and_by_the_age_of_the_oldest(
    kafka: KafkaBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.sources.kafka_lag._ANSWER_S", 30)  # seconds: a busy machine is no broker that is away
    topic, hour = kafka.topic(3), 3_600
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "log_level": 0})
    now = time.time()
    for at in range(10):
        producer.produce(topic, b"x", partition=0, timestamp=round((now - hour + at * 60) * 1e3))
        producer.produce(topic, b"x", partition=1, timestamp=round((now - 20) * 1e3))
    assert producer.flush(30) == 0
    read_lag = KafkaLag(kafka.settings())

    lags = read_lag({(topic, 0): 5, (topic, 1): None, (topic, 2): None, (f"{topic}-not", 0): 3})

    assert {partition: lag.records for partition, lag in lags.items()} == {(topic, 0): 5, (topic, 1): 10, (topic, 2): 0}
    assert lags[topic, 0].behind == pytest.approx((hour - 300) * 1e9, rel=0.06)
    assert lags[topic, 1].behind == pytest.approx(20e9, rel=0.15)
    assert lags[topic, 2] == Lag(0, 0)
    assert read_lag({(topic, 0): 10, (topic, 1): 12}) == {(topic, 0): Lag(0, 0), (topic, 1): Lag(0, 0)}
    assert read_lag({}) == {}
    assert read_lag.partitions([topic, f"{topic}-not"]) == {topic: 3}
    assert read_lag({(f"{topic}-not", 0): None}) == {}  # nor has the question made it


def test_lag_of_a_broker_that_is_away_is_an_error() -> None:
    for positions in ({}, {("t", 0): 5}):
        with pytest.raises(SourceError, match=r"no Kafka broker answers at 127\.0\.0\.1:1"):
            KafkaLag(Kafka(bootstrap_servers="127.0.0.1:1"))(positions)
    with pytest.raises(SourceError, match=r"no Kafka broker answers at 127\.0\.0\.1:1"):
        KafkaLag(Kafka(bootstrap_servers="127.0.0.1:1")).partitions(["t"])
