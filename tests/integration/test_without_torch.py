"""What works after a plain `pip install watchkeeper`: everything but training, as torch is not there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.config.settings import load
from monitor.errors import ModelError
from monitor.sources.embedded import EmbeddedBroker
from tests.integration.test_replay import TRAIN, configure, facts, readings, replay, train

BLOCKED = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "onnx"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from monitor.cli.app import main
main(sys.argv[1:])
"""


def watchkeeper(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", BLOCKED, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A folder with settings and a file of readings."""
    readings().to_csv(tmp_path / "history.csv", index=False)
    return configure(tmp_path)


def test_a_replay_gives_the_same_bits_with_and_without_torch(config: Path) -> None:
    settings = load(config)
    train(settings)
    span = ("--time", "at", "--from", readings()["at"][TRAIN])
    source = ("--file", config.parent / "history.csv", "--key", "p-1", *span)

    told = watchkeeper("replay", config, "--name", "without", *source, "--json")
    replay(config, "--name", "with", *source)

    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["alerts"]
    assert facts(settings, "without") == facts(settings, "with")


def test_a_worker_with_a_champion_runs(tmp_path: Path) -> None:
    with EmbeddedBroker() as broker:
        broker.create_topic("pumps")
        config = configure(tmp_path, broker.bootstrap_servers)
        train(load(config))

        told = watchkeeper("run", config, "--until-end", "--json")

    assert told.returncode == 0, told.stderr
    assert "model_adopted" in told.stderr


def test_what_trains_says_what_to_install(config: Path) -> None:
    told = watchkeeper("score", config.parent / "history.csv", "--time", "at")

    assert told.returncode == ModelError.exit_code
    assert "training needs torch, which is not installed; pip install 'watchkeeper[train]'" in told.stderr
