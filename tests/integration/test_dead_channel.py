"""One channel of two dies, and the other one has a fault later: both are found, by a model and without one."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from confluent_kafka import Producer

from monitor.cli.app import build
from monitor.config.settings import parse
from monitor.records.batches import LIVE, Float64
from monitor.sources.embedded import embedded_broker
from monitor.store.queries import open_reader

DEAD, FAULT, ROWS = 500, range(800, 860), 1000
START = datetime(2026, 5, 4, tzinfo=UTC)
NAMES = ("pressure", "current")
FAMILY = {"topic": "pumps", "channels": NAMES, "interval": "10s", "recipe": "plain", "window": {"length": 12}}
CONFIG = """
models = "FOLDER/artefacts"
[kafka]
bootstrap_servers = "SERVERS"
[store]
url = "sqlite:///FOLDER/w.db"
[families.pumps]
topic = "pumps"
channels = ["pressure", "current"]
interval = "10s"
recipe = "plain"
window = { length = 12 }
detector = { kind = "mahalanobis" }
train = { after = AFTER, wait = true }
"""


def readings(*, related: bool) -> Float64:
    """(rows, 2), NaN where the current is dead. The pressure follows it, or goes its own way."""
    rng = np.random.default_rng(11)
    slow = [np.convolve(rng.normal(0, 1, ROWS + 30), np.ones(15) / 4, "same")[15:-15] for _ in range(2)]
    pressure, current = 6 + 0.5 * slow[0], 30 + 4 * slow[0 if related else 1]
    values = np.stack([pressure + rng.normal(0, 0.1, ROWS), current + rng.normal(0, 1, ROWS)], axis=1)
    values[FAULT, 0] += 4
    values[DEAD:, 1] = np.nan
    return values


def times() -> Iterator[str]:
    return ((START + timedelta(seconds=10 * row)).isoformat() for row in range(ROWS))


def second(row: int) -> datetime:
    return START + timedelta(seconds=10 * row)


@pytest.mark.parametrize("related", [False, True])
@pytest.mark.parametrize("detector", ["dense", "mahalanobis"])
def test_a_file(tmp_path: Path, detector: str, *, related: bool) -> None:
    file, out = tmp_path / "pump.csv", StringIO()
    with file.open("w", newline="") as handle:
        rows = zip(times(), readings(related=related).tolist(), strict=True)
        csv.writer(handle).writerows([("time", *NAMES), *((at, a, "" if b != b else b) for at, (a, b) in rows)])  # noqa: PLR0124

    options = ["--time", "time", "--values", ",".join(NAMES), "--detector", detector, "--train-rows", "400", "--json"]
    with redirect_stdout(out):
        build().main(args=["score", str(file), *options], standalone_mode=False)

    summary: dict[str, Any] = json.loads(out.getvalue())
    alerts = {(alert["kind"], alert["channel"]): alert for alert in summary["alerts"]}
    assert set(alerts) == {("missing", "current"), ("anomaly", "")}
    assert alerts["missing", "current"]["cause"].startswith("current has had no value since 2026-05-04T01:23:20Z")
    anomalies = [alert for alert in summary["alerts"] if alert["kind"] == "anomaly"]
    opened = [datetime.fromisoformat(alert["opened"]).replace(tzinfo=UTC) for alert in anomalies]
    assert second(FAULT.start) <= opened[0] <= second(FAULT.start + 3)
    assert all(second(FAULT.start) <= at <= second(FAULT.stop + 12) for at in opened)
    assert summary["states"].get("insufficient", 0) == 0


@pytest.mark.parametrize("after", [400, 100_000])
def test_a_topic(tmp_path: Path, after: int) -> None:
    """By the model that `run` trains, and by the statistic before there is one."""
    with embedded_broker(parse({"families": {"pumps": FAMILY}})) as live:
        servers = live.kafka.bootstrap_servers
        producer = Producer({"bootstrap.servers": servers, "log_level": 0})
        for at, row in zip(times(), readings(related=True).tolist(), strict=True):
            values = {name: None if np.isnan(value) else value for name, value in zip(NAMES, row, strict=True)}
            producer.produce("pumps", json.dumps({"time": at} | values).encode(), b"p-1")
        producer.flush(30)
        config, url = tmp_path / "w.toml", f"sqlite:///{tmp_path / 'w.db'}"
        config.write_text(
            CONFIG.replace("FOLDER", str(tmp_path)).replace("SERVERS", servers).replace("AFTER", str(after))
        )
        with redirect_stdout(StringIO()):
            build().main(args=["run", str(config), "--until-end"], standalone_mode=False)
    reader = open_reader(url)
    try:
        found = reader.list_alerts(LIVE, limit=50)
    finally:
        reader.close()
    missing = [alert for alert in found if alert.kind == "missing"]
    assert [(alert.stream, alert.channel, alert.state.value) for alert in missing] == [("p-1", "current", "open")]
    assert missing[0].cause == "current has had no value since 2026-05-04T01:23:20Z"
    opened = [alert.opened_at // 10**9 for alert in found if alert.kind == "anomaly"]
    fault = range(int(second(FAULT.start).timestamp()), int(second(FAULT.stop).timestamp()) + 121)
    assert opened
    assert [at for at in opened if at not in fault] == []
