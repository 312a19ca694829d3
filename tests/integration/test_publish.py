"""Publishing to librdkafka's in-process cluster, and reading everything back."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from monitor.cli.app import main
from monitor.errors import NOT_ALL_JUDGED, SettingsError, SourceError
from monitor.simulator.plant import MINUTE, SECOND, Batch, Plant
from monitor.simulator.publish import Pace, encode, publish
from monitor.simulator.truth import read_truth
from tests.integration.broker import KafkaBroker

PLANT = Plant(machines=3, ecgs=1, duration=20 * MINUTE)


@pytest.fixture(scope="module")
def servers() -> Iterator[str]:
    """Address of a cluster that lives as long as its handle."""
    handle = Producer({"bootstrap.servers": "none", "test.mock.num.brokers": 1, "log_level": 0})
    brokers = handle.list_topics(timeout=10).brokers.values()
    yield ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
    handle.flush(1)


@dataclass(frozen=True)
class Record:
    key: str
    body: dict[str, Any]
    at: float


def read(servers: str, topic: str, count: int, group: str = "reader", commit_every: float = 0.0) -> list[Record]:
    """`count` messages of a topic from the beginning; commits as it goes where asked."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": group, "enable.auto.commit": False, "log_level": 0})
    while not (partitions := consumer.list_topics(topic, timeout=10).topics[topic].partitions):
        time.sleep(0.05)  # the first look makes the topic
    consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
    records: list[Record] = []
    deadline = time.monotonic() + 30
    while len(records) < count and time.monotonic() < deadline:
        messages = [message for message in consumer.consume(50, 0.05) if message.error() is None]
        for message in messages:
            key, body = message.key(), message.value()
            assert key is not None
            assert body is not None
            records.append(Record(key.decode(), json.loads(body), time.monotonic()))
        if messages and commit_every:
            time.sleep(commit_every)
            consumer.commit(asynchronous=False)
    consumer.close()
    return records


def batch(count: int, topic: str, streams: int = 1) -> Batch:
    """Readings a second apart, dealt out to the streams in turn."""
    number = np.arange(count)
    return Batch(
        topic, [f"s{code}" for code in range(streams)], ("value",), (number % streams).astype(np.int32),
        number * SECOND + PLANT.start, number[:, None].astype(np.float32),
    )  # fmt: skip


def test_everything_published_is_read_back_to_the_bit(servers: str) -> None:
    sent = publish(PLANT.batches(MINUTE), {"bootstrap.servers": servers})

    assert sent == len(PLANT)
    for feed in PLANT.feeds:
        records = read(servers, feed.topic, len(feed))
        assert len(records) == len(feed)
        for code, name in enumerate(feed.streams):
            mine = [record.body for record in records if record.key == name]
            times = np.array([body["time"].removesuffix("Z") for body in mine], dtype="datetime64[ns]")
            values = np.array([body["value"] for body in mine], dtype=np.float32).reshape(len(mine), -1)
            assert np.array_equal(times.astype(np.int64), feed.time[feed.stream == code])  # in order, too
            assert values.tobytes() == feed.values[feed.stream == code].tobytes()


def test_messages_say_their_fields_and_missing_values() -> None:
    two = Batch("t", ["a"], ("x", "y"), np.zeros(1, np.int32), np.array([1]), np.array([[0.1, np.nan]], np.float32))
    vector = Batch("t", ["a"], ("v",), np.zeros(1, np.int32), np.array([SECOND]), np.ones((1, 3), np.float32))

    assert list(encode(two)) == [b'{"time":"1970-01-01T00:00:00.000000001Z","x":0.1,"y":null}']
    assert list(encode(vector)) == [b'{"time":"1970-01-01T00:00:01Z","v":[1.0,1.0,1.0]}']


def test_awkward_numbers_survive_json() -> None:
    awkward = np.array([[1e-30], [3.4e38], [-0.0], [1 / 3], [16777217.0], [5e-324]], np.float32)
    rows = Batch("t", ["a"], ("v",), np.zeros(6, np.int32), np.zeros(6, np.int64), awkward)
    back = np.array([[json.loads(body)["v"]] for body in encode(rows)], np.float32)

    assert back.tobytes() == awkward.tobytes()


def test_speed_is_a_multiple_of_real_time(servers: str) -> None:
    began = time.monotonic()
    publish([batch(50, "at-speed")], {"bootstrap.servers": servers}, speed=49.0)
    took = time.monotonic() - began

    assert 1.0 <= took < 30  # 49 s of readings
    assert len(read(servers, "at-speed", 50)) == 50


def test_pace_never_leaves_the_group_behind(servers: str) -> None:
    """The publisher stays within max_lag of a slow group, and both come to the end."""
    progress: list[int] = []
    lag: list[int] = []
    records: list[Record] = []
    watcher = Consumer({"bootstrap.servers": servers, "group.id": "slow", "log_level": 0})

    def sent(count: int) -> None:
        progress.append(count)
        done = watcher.committed([TopicPartition("paced", number) for number in range(4)], timeout=5)
        lag.append(sum(progress) - sum(max(answer.offset, 0) for answer in done))

    reader = threading.Thread(target=lambda: records.extend(read(servers, "paced", 600, "slow", 0.01)))
    reader.start()
    count = publish([batch(600, "paced")], {"bootstrap.servers": servers}, pace=Pace("slow", 100), progress=sent)
    reader.join()
    watcher.close()

    assert count == sum(progress) == len(records) == 600
    assert max(lag) <= 100  # one key, so one partition


def test_a_group_that_stands_still_is_an_error(servers: str) -> None:
    with pytest.raises(SourceError, match=r"group nobody has committed nothing for 0\.3 s"):
        publish([batch(100, "unread")], {"bootstrap.servers": servers}, pace=Pace("nobody", 40, 0.3))

    assert len(read(servers, "unread", 40)) == 40


def test_a_broker_that_is_not_there_is_an_error() -> None:
    with pytest.raises(SourceError, match=r"not delivered to Kafka at 127\.0\.0\.1:1"):
        publish([batch(3, "t")], {"bootstrap.servers": "127.0.0.1:1", "message.timeout.ms": 500})


def test_an_unknown_option_is_an_error() -> None:
    with pytest.raises(SourceError, match=r'No such configuration property: "lingr\.ms"'):
        publish([], {"bootstrap.servers": "127.0.0.1:1", "lingr.ms": 5})


def test_a_message_that_is_too_large_is_an_error(servers: str) -> None:
    wide = Batch("t", ["a"], ("v",), np.zeros(1, np.int32), np.zeros(1, np.int64), np.ones((1, 10_000), np.float32))

    with pytest.raises(SourceError, match=r"t: a message cannot be published: .*too large"):
        publish([wide], {"bootstrap.servers": servers, "message.max.bytes": 2000})


def watchkeeper(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, output and messages of a command."""
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert isinstance(left.value.code, int)
    return left.value.code, *capsys.readouterr()


def test_simulate_command_publishes_and_writes_the_truth(
    servers: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = tmp_path / "truth.csv"
    options = ["--machines", "2", "--ecgs", "1", "--duration", "20m", "--seed", "5", "--truth", str(truth), "--json"]
    code, output, _ = watchkeeper(capsys, "simulate", "--bootstrap-servers", servers, *options)
    plant = Plant(seed=5, machines=2, ecgs=1, duration=20 * MINUTE)
    summary = json.loads(output)

    assert code == 0
    assert summary["messages"] == len(plant) == sum(summary["topics"].values())
    assert summary["faults"] == len(plant.truth)
    assert read_truth(truth) == plant.truth


def test_simulate_command_without_faults(servers: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--machines", "1", "--ecgs", "0", "--duration", "10m", "--no-faults", "--speed", "6000x"]
    code, output, _ = watchkeeper(capsys, "simulate", "--bootstrap-servers", servers, *options)

    assert code == 0
    assert "60 messages of 1 streams with 0 faults" in output


@pytest.mark.parametrize(
    "option", [("--speed", "fast"), ("--speed", "-1"), ("--duration", "a while"), ("--start", "noon")]
)
def test_simulate_command_explains_a_wrong_option(option: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    code, _, message = watchkeeper(capsys, "simulate", *option)

    assert code == SettingsError.exit_code
    assert f"'{option[1]}'" in message
    assert option[0] in message


def test_publish_command_sends_a_file_row_by_row(
    servers: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "pump.csv"
    file.write_text("when;a;b\n2020-01-01 00:00:00;1.5;2\n2020-01-01 00:00:10;x;2\n2020-01-01 00:00:20;;3.25\n")
    options = ["--topic", "pumps", "--key", "p1", "--time", "when", "--values", "a,b", "--json"]
    code, output, message = watchkeeper(capsys, "publish", str(file), "--bootstrap-servers", servers, *options)

    assert code == NOT_ALL_JUDGED
    facts = {"messages": 2, "unreadable": 1, "reasons": {"bad-value": 1}, "seconds": 0}
    facts |= {"first_time": "2020-01-01 00:00:00", "last_time": "2020-01-01 00:00:20"}
    assert json.loads(output) | {"seconds": 0} == facts
    assert "1 of 3 rows of pump.csv could not be read:" in message
    assert "1 bad-value, for example" in message
    assert 'row 1: a: "x" is not a number: --high x, --low x or --missing x?' in message
    records = read(servers, "pumps", 2)
    assert [record.key for record in records] == ["p1", "p1"]
    assert [record.body for record in records] == [
        {"time": "2020-01-01T00:00:00Z", "a": 1.5, "b": 2.0},
        {"time": "2020-01-01T00:00:20Z", "a": None, "b": 3.25},
    ]


@pytest.mark.parametrize(
    ("good", "bad", "code", "says"),
    [
        (0, 5, NOT_ALL_JUDGED, "5 of 5 rows of m.csv could not be read"),
        (0, 0, NOT_ALL_JUDGED, "there are no rows of m.csv"),
        (98, 2, 0, "2 of 100 rows of m.csv could not be read"),
        (95, 5, NOT_ALL_JUDGED, "5 of 100 rows"),
        (5, 0, 0, ""),
    ],
)
def test_publish_command_says_what_it_left_out(
    servers: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], good: int, bad: int, code: int, says: str
) -> None:
    file = tmp_path / "m.csv"
    lines = [f"{1_700_000_000 + at},{'1' if at < good else 'broken'}" for at in range(good + bad)]
    file.write_text("\n".join(["at,value", *lines]) + "\n")
    options = ["--topic", f"left-{good}-{bad}", "--time", "at", "--bootstrap-servers", servers]
    left, output, message = watchkeeper(capsys, "publish", str(file), *options)

    assert left == code
    assert says in message
    assert output.startswith(f"{good:,} rows of m.csv published")


def test_published_values_keep_every_digit_and_what_is_above_the_range(
    servers: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "meter.csv"
    file.write_text('when,kWh total,q\n2020-01-01,"250.114,379",Good\n2020-01-02,OL,Good\n2020-01-03,"0,5",Bad\n')
    options = ["--topic", "meters", "--key", "e1", "--time", "when", "--value", "kwh", "--rename", "kWh total=kwh"]
    options += ["--decimal", ",", "--thousands", ".", "--high", "OL", "--quality", "q", "--good", "good", "--json"]
    code, output, message = watchkeeper(capsys, "publish", str(file), "--bootstrap-servers", servers, *options)

    assert (code, message.strip()) == (0, "")
    assert json.loads(output)["unreadable"] == 0
    assert [record.body["kwh"] for record in read(servers, "meters", 3)] == [250114.379, "OL", None]


@pytest.mark.kafka
def test_publish_command_makes_the_topic_where_the_broker_does_not(
    kafka: KafkaBroker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "pump.csv"
    file.write_text("when,value\n2020-01-01 00:00:00,1.5\n2020-01-01 00:00:10,2\n")
    topic = f"{kafka.topic()}-nobody-made"
    options = ["--bootstrap-servers", kafka.bootstrap_servers, "--topic", topic, "--time", "when", "--json"]
    for _ in range(2):  # the second time it is there
        code, output, _ = watchkeeper(capsys, "publish", str(file), *options)
        assert code == 0
        assert json.loads(output)["messages"] == 2

    assert [record.body["value"] for record in read(kafka.bootstrap_servers, topic, 4)] == [1.5, 2.0, 1.5, 2.0]


@pytest.mark.kafka
def test_simulate_command_makes_its_topics(kafka: KafkaBroker, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--machines", "1", "--ecgs", "1", "--duration", "10m", "--json"]
    code, output, _ = watchkeeper(capsys, "simulate", "--bootstrap-servers", kafka.bootstrap_servers, *options)
    summary = json.loads(output)

    assert code == 0
    assert len(summary["topics"]) == 2
    assert summary["messages"] == sum(summary["topics"].values())
