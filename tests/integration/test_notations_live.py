"""Messages as gateways write them, through a broker and a worker: flat names, number keys, quality, words, counters."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from confluent_kafka import Producer
from sqlalchemy import create_engine, text

from monitor.cli.app import main
from monitor.errors import NOT_ALL_JUDGED
from monitor.sources.embedded import EmbeddedBroker

ROWS, FAULT, TRAIN = 420, slice(300, 330), 150
START = datetime(2026, 3, 2, tzinfo=UTC).timestamp()
CONFIG = """
models = "{folder}/artefacts"
[kafka]
bootstrap_servers = "{servers}"
group = "{topic}"
[store]
url = "sqlite:///{folder}/w.db"
[families.m]
topic = "{topic}"
channels = ["value"]
interval = "10s"
recipe = "plain"
window = {{ length = 12 }}
train = {{ after = {train}, wait = true }}
format = {format}
"""


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        yield running


def numbers(fault: float = 4.0) -> list[float]:
    rng = np.random.default_rng(5)
    values = 20 + np.sin(np.arange(ROWS) / 6) + rng.normal(0, 0.05, ROWS)
    values[FAULT] += fault
    return [float(value) for value in np.round(values, 3)]


def run(
    broker: EmbeddedBroker, folder: Path, topic: str, layout: str, records: list[tuple[bytes, dict[str, Any]]]
) -> Any:
    """Publish, watch to the end; returns a function that asks the database."""
    broker.create_topic(topic)
    producer = Producer({"bootstrap.servers": broker.bootstrap_servers})
    for row, (key, body) in enumerate(records):
        producer.produce(topic, json.dumps({"time": START + 10 * row, **body}).encode(), key=key)
    producer.flush(10)
    config = folder / "w.toml"
    config.write_text(
        CONFIG.format(folder=folder, servers=broker.bootstrap_servers, topic=topic, train=TRAIN, format=layout)
    )
    with pytest.raises(SystemExit) as ended:
        main(["run", str(config), "--until-end"])
    assert ended.value.code in (0, NOT_ALL_JUDGED)
    engine = create_engine(f"sqlite:///{folder}/w.db")

    def ask(query: str) -> list[Any]:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]

    return ask


ALERTS = "select kind, opened_at from alerts order by opened_at"
STREAMS = "select name, accepted from streams"


def at(row: int) -> int:
    return int(START + 10 * row) * 10**9


def test_a_flat_name_and_a_long_as_key(broker: EmbeddedBroker, tmp_path: Path) -> None:
    key = struct.pack(">q", 4711)
    records = [(key, {"Line1.Motor.Temp": value}) for value in numbers()]
    layout = '{ values = ["Line1.Motor.Temp"], key_encoding = "long" }'
    ask = run(broker, tmp_path, "flat", layout, records)

    assert ask(STREAMS) == [("4711", ROWS)]
    assert ask("select count(*) from dead_letters") == [(0,)]
    assert ask(ALERTS) == [("anomaly", at(FAULT.start + 1))]


def test_a_number_as_key_that_is_not_expected_says_what_it_is(broker: EmbeddedBroker, tmp_path: Path) -> None:
    ask = run(broker, tmp_path, "bad-key", "{}", [(struct.pack(">q", 4711), {"value": 1.0})])

    ((reason, error),) = ask("select reason, error from dead_letters")
    assert reason == "bad-key"
    assert error.endswith('perhaps the long 4711: format.key_encoding = "long"')


def test_what_is_not_good_opens_no_alert_and_words_above_the_range_do(broker: EmbeddedBroker, tmp_path: Path) -> None:
    lost, over = range(200, 240), range(FAULT.start, FAULT.stop)
    values = numbers(fault=0)
    records = [
        (b"m1", {"value": "OVER" if row in over else 0.0 if row in lost else value, "q": 0 if row in lost else 192})
        for row, value in enumerate(values)
    ]
    ask = run(broker, tmp_path, "quality", '{ quality = "q", good = [192], high = ["Over"] }', records)

    assert ask(STREAMS) == [("m1", ROWS)]
    assert ask("select count(*) from dead_letters") == [(0,)]
    anomalies = [row for row in ask(ALERTS) if row[0] in ("anomaly", "out_of_range", "out-of-range")]
    assert [opened for _, opened in anomalies] == [at(FAULT.start)]
    assert ask("select out_of_range from streams") == [(len(over),)]


def test_a_counter_is_judged_by_its_rise(broker: EmbeddedBroker, tmp_path: Path) -> None:
    """It starts at 250,000 and was reset while nothing happened."""
    rises = (np.array(numbers(fault=0)) - 19) / 100 + 0.1
    rises[FAULT] += 0.2
    totals = 250_000 + np.cumsum(rises)
    totals[240:] -= totals[240]
    records = [(b"m1", {"value": round(float(total), 3)}) for total in totals]
    ask = run(broker, tmp_path, "counter", '{ counters = ["value"] }', records)

    assert [row[:1] for row in ask(ALERTS)] == [("anomaly",)]
    assert ask(ALERTS)[0][1] == at(FAULT.start + 1)
