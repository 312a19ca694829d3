"""A detector without torch, epochs or reconstruction from end to end, by the commands, where torch is not installed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from monitor import bootstrap
from monitor.config.settings import Settings, load
from monitor.ports.store import Commit, HistoryBlock
from monitor.records.batches import LIVE
from monitor.simulator.publish import publish
from monitor.simulator.recording import Recording
from monitor.sources.embedded import EmbeddedBroker
from monitor.sources.files.source import FileColumns
from tests.integration.test_replay import CONFIG, TRAIN, facts, readings

DETECTOR = 'detector = { kind = "mahalanobis", options = { keep = 0.7 } }'
WITHOUT_TORCH = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from monitor.cli.app import main
main(sys.argv[1:])
"""


def watchkeeper(*arguments: object) -> str:
    """What the command prints."""
    command = [sys.executable, "-c", WITHOUT_TORCH, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def collected(settings: Settings) -> None:
    """What a run called past has kept to train on."""
    part = readings()[:TRAIN]
    time = pd.DatetimeIndex(part["at"]).as_unit("ns").asi8
    store = bootstrap.store(settings)
    (stream,) = store.open_streams("past", "pumps", ["p-1"])
    block = HistoryBlock(stream.id, time, part["value"].to_numpy(np.float32)[:, None])
    store.commit(Commit(run="past", history=[block]))
    store.close()


def url(config: Path) -> str:
    return load(config).store.url


def alerts(config: Path, run: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(
        watchkeeper("alerts", "list", "--url", url(config), "--run", run, "--json")
    )
    return found


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration of a plant whose model was trained, saved and run over Kafka, without torch."""
    folder = tmp_path_factory.mktemp("plant")
    readings()[TRAIN:].rename(columns={"at": "time"}).to_csv(folder / "p-1.csv", index=False)
    recording = Recording(folder / "p-1.csv", FileColumns(values=("value",), time="time", stream="p-1"), "pumps")
    with EmbeddedBroker() as broker:
        config = folder / "plant.toml"
        text = CONFIG.format(folder=folder, servers=broker.bootstrap_servers)
        text = text.replace(
            "notify.console", 'notify.max_age = "none"\nnotify.console'
        )  # the readings are of last March
        config.write_text(text.replace("detector.options = { epochs = 10 }", DETECTOR))
        settings = load(config)
        collected(settings)
        model = json.loads(watchkeeper("train", config, "--run", "past", "--json"))
        assert model["first_time"] == "2026-03-01 00:00:00" < model["last_time"]
        broker.create_topic("pumps")
        publish(recording.batches(), {"bootstrap.servers": broker.bootstrap_servers})
        watchkeeper("run", config, "--until-end", "--json")
    manifest = json.loads((Path(model["path"]) / "detector" / "manifest.json").read_text())
    assert manifest["kind"] == "mahalanobis"
    assert manifest["config"] == {"keep": 0.7, "validation": 0.2, "features": "windows"}
    return config


def test_live_and_replay_find_the_same(watched: Path) -> None:
    settings = load(watched)
    file = ("--file", watched.parent / "p-1.csv", "--time", "time")
    watchkeeper("replay", watched, "--name", "again", *file, "--json")

    assert facts(settings, "again") == facts(settings, LIVE)
    assert len(facts(settings, LIVE)[0]) == 1  # the fault, and no false alarm


def test_evidence_says_where_but_not_what_was_expected(watched: Path) -> None:
    (listed,) = alerts(watched, LIVE)

    detail = json.loads(watchkeeper("alerts", "show", listed["id"], "--url", url(watched), "--json"))
    shown = watchkeeper("alerts", "show", listed["id"], "--url", url(watched))

    evidence = detail["evidence"]
    assert evidence["reconstruction"] is None
    assert np.sum(evidence["contribution"]) == pytest.approx(1, rel=1e-5)
    assert np.argmax(evidence["contribution"]) in np.argsort(np.abs(np.ravel(evidence["values"]) - 50))[-3:]
    assert "contribution" in shown
    assert "reconstruction" not in shown


def test_notifications_carry_the_causes_without_an_expected_value(watched: Path) -> None:
    import sqlite3

    with sqlite3.connect(watched.parent / "plant.db") as database:
        bodies = [json.loads(body) for (body,) in database.execute("SELECT payload FROM outbox ORDER BY id")]
    database.close()

    causes = bodies[0]["data"]["causes"]
    assert len(causes) == 3
    assert {cause["expected"] for cause in causes} == {None}
    assert causes[0]["share"] >= causes[1]["share"] > 0


def test_a_file_is_scored(tmp_path: Path) -> None:
    readings().to_csv(tmp_path / "p-1.csv", index=False)

    options = ("--time", "at", "--detector", "mahalanobis", "--train-rows", TRAIN)
    summary = json.loads(watchkeeper("score", tmp_path / "p-1.csv", *options, "--json"))

    assert summary["detector"] == "mahalanobis"
    assert [alert["stream"] for alert in summary["alerts"]] == ["value"]


def test_it_is_evaluated_with_a_report(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    windows = np.sin(np.arange(12) / 2) + random.normal(0, 0.1, (100, 12))
    windows[80:] += random.normal(0, 2, (20, 12))
    np.savez(tmp_path / "beats.npz", beats=windows.astype(np.float32), label=np.repeat([1, 2], [80, 20]))

    options = ("--normal", 1, "--detector", "mahalanobis", "--report", tmp_path / "out", "--json")
    for flags in ((), ("--classic",)):
        found = json.loads(watchkeeper("evaluate", "--data", tmp_path / "beats.npz", *options, *flags))

        assert found["roc_auc"] > 0.95
        assert [Path(file).name for file in found["files"]] == ["scores.png", "examples.png", "report.html"]
