"""Readings that come too late: in the ledger, and scored after all, through a real Kafka."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import structlog

from monitor import bootstrap
from monitor.cli.app import build
from monitor.config.settings import Settings, load
from monitor.errors import SettingsError
from monitor.ports.store import HistoryBlock
from monitor.records.batches import LIVE, Scores, State
from tests.champions import train_champion
from tests.integration.broker import KafkaBroker

ROWS, TRAIN, LENGTH = 500, 300, 12
LATE = {350: 9, 400: 4, 401: 4}  # rows that come so many rows later: beyond the lateness of one
CONFIG = """
models = "FOLDER/artefacts"
kafka = { bootstrap_servers = "SERVERS", group = "late" }
store.url = "sqlite:///FOLDER/plant.db"

[families.pumps]
topic = "TOPIC"
interval = "10s"
recipe = "plain"
window.length = 12
threshold.kind = "static"
detector.options = { epochs = 5 }
"""


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    """The command sends log lines to this test's stderr, which ends with it."""
    yield
    structlog.reset_defaults()


def command(*arguments: object) -> str:
    out = StringIO()
    with redirect_stdout(out):
        build().main(args=[*map(str, arguments)], standalone_mode=False)
    return out.getvalue()


def readings() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    values = 50 + np.sin(np.arange(ROWS) / 5) + rng.normal(0, 0.05, ROWS)
    times = pd.date_range("2025-03-01", periods=ROWS, freq="10s")
    return pd.DataFrame({"time": [f"{at:%Y-%m-%dT%H:%M:%SZ}" for at in times], "value": values.round(4)})


def disordered(table: pd.DataFrame) -> pd.DataFrame:
    place = np.arange(ROWS, dtype=np.float64)
    for row, by in LATE.items():
        place[row] += by + 0.5
    return table.iloc[np.argsort(place, kind="stable")]


def train(settings: Settings) -> None:
    part = readings()[:TRAIN]
    time = pd.DatetimeIndex(part["time"]).as_unit("ns").asi8
    block = HistoryBlock(0, time, part["value"].to_numpy(np.float32)[:, None])
    store = bootstrap.store(settings)
    train_champion(settings, store, "pumps", [("p-1", block)])
    store.close()


def scores(settings: Settings, run: str) -> Scores:
    reader = bootstrap.reader(settings)
    found = reader.scores_of(run, "pumps", "p-1")
    reader.close()
    return found


def late_plant(kafka: KafkaBroker, folder: Path, more: str = "") -> tuple[Path, Settings]:
    """A trained family, and a topic with all readings, three of them too late."""
    topic = kafka.topic()
    text = CONFIG.replace("FOLDER", str(folder)).replace("SERVERS", kafka.bootstrap_servers).replace("TOPIC", topic)
    config = folder / "plant.toml"
    config.write_text(more + text)
    settings = load(config)
    train(settings)
    disordered(readings()).to_csv(folder / "sent.csv", index=False)
    servers = ("--bootstrap-servers", kafka.bootstrap_servers)
    command("publish", folder / "sent.csv", "--topic", topic, "--time", "time", "--key", "p-1", *servers)
    return config, settings


@pytest.mark.kafka
@pytest.mark.parametrize("policy", ["anomalies", "rollup"])
def test_a_rescore_keeps_the_scores_that_the_settings_ask_for(kafka: KafkaBroker, tmp_path: Path, policy: str) -> None:
    """As the live run does: else each normal window would count as added."""
    config, settings = late_plant(kafka, tmp_path, f'store.scores = "{policy}"\n')
    command("run", config, "--until-end", "--json")
    (found,) = json.loads(command("late", "rescore", config, "--name", "again", "--json"))["streams"]
    assert found["late"] == 3
    for run in (LIVE, "again"):
        assert set(scores(settings, run).state) <= {State.ANOMALY}
    reader = bootstrap.reader(settings)
    windows = int(reader.rollups_of("again", "pumps", "p-1").windows.sum())
    reader.close()
    assert (windows > 50) == (policy == "rollup")
    assert found["added"] == found["anomalies_after"] - found["compared"]
    assert found["added"] < 20


@pytest.mark.kafka
def test_late_readings_are_kept_and_can_be_scored_after_all(kafka: KafkaBroker, tmp_path: Path) -> None:
    config, settings = late_plant(kafka, tmp_path)
    readings().to_csv(tmp_path / "p-1.csv", index=False)
    with pytest.raises(SettingsError, match="no late reading is kept"):
        command("late", "rescore", config, "--name", "again")
    command("run", config, "--until-end", "--json")

    kept: dict[str, Any] = json.loads(command("late", "list", "--config", config, "--json"))
    assert kept["families"] == [{"family": "pumps", "late": 3, "kept": 3}]
    rows = kept["readings"][::-1]
    expected = [readings()["time"][row] for row in (350, 400, 401)]
    assert [row["time"][:19] for row in rows] == [time[:19] for time in expected]
    assert [row["late_by"] for row in rows] == ["1m30s", "40s", "40s"]
    assert rows[0]["values"][0] == pytest.approx(readings()["value"][350], rel=1e-6)
    assert "3 late, 3 of them kept" in command("late", "list", "--config", config)

    (found,) = json.loads(command("late", "rescore", config, "--name", "again", "--json"))["streams"]
    command("replay", config, "--name", "clean", "--file", tmp_path / "p-1.csv", "--time", "time")
    again, clean, live = (scores(settings, run) for run in ("again", "clean", LIVE))
    both, mine, theirs = np.intersect1d(again.end, clean.end, return_indices=True)
    first_late, last_late = (pd.Timestamp(expected[i]).value for i in (0, -1))
    assert both.min() <= first_late
    assert both.max() >= last_late + (LENGTH - 1) * 10**10
    for column in ("start", "score", "imputed", "state"):
        assert getattr(again, column)[mine].tobytes() == getattr(clean, column)[theirs].tobytes()
    assert not again.imputed.any()
    assert live.imputed.max() > 0
    assert (found["late"], found["added"], found["removed"]) == (3, 0, 0)
    assert 20 <= found["changed"] <= found["compared"]
    shown = command("late", "rescore", config, "--name", "again", "--replace")
    assert "p-1" in shown
