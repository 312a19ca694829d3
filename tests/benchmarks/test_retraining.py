"""Scoring while a family is trained again: its rate, and the longest that a batch takes, beside those without one.

The training is the process that a worker starts, with torch, on a history of its own; on one core they would share it,
but for the training's lower priority. Adoption is what the worker itself does with the new model, between two commits.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np
import pytest

from monitor import bootstrap
from monitor.cli.train import train
from monitor.config.families import Family
from monitor.config.settings import load
from monitor.pipeline.family import Pipeline
from monitor.pipeline.scoring.stream_scaling import Profile
from monitor.ports.store import Commit, HistoryBlock
from monitor.testing.in_memory import DistanceScorer
from tests.benchmarks import plant
from tests.benchmarks.report import Figure, Report
from tests.benchmarks.scale import scaled

pytestmark = pytest.mark.timeout(1800)
READINGS, STREAMS, BATCHES = 6000, 1000, scaled(200, 40)
CONFIG = """
models = "{folder}/models"
[store]
url = "sqlite:///{folder}/plant.db"
[families.pumps]
topic = "pumps"
interval = "1s"
window.length = 24
detector.options = { epochs = 30 }
"""


def site(folder: Path) -> Path:
    """A configuration, and a database with a champion and a history for its challenger."""
    config = folder / "plant.toml"
    config.write_text(CONFIG.replace("{folder}", str(folder)))
    store = bootstrap.store(load(config))
    (stream,) = store.open_streams("live", "pumps", ["p-1"])
    at = np.arange(READINGS)
    values = np.sin(at / 50) + 0.2 * np.random.default_rng(0).normal(size=READINGS)
    block = HistoryBlock(stream.id, at * 10**9, values.astype(np.float32)[:, None])
    store.commit(Commit("live", history=[block]))
    store.close()
    train(config, quiet=True)
    return config


def scoring(made: Pipeline, chosen: Family, begin: int, until: subprocess.Popen[bytes] | None) -> list[float]:
    """Seconds of each batch of one reading a stream: `BATCHES` of them, or as many as the process runs for."""
    codes, took = np.arange(STREAMS, dtype=np.int32), list[float]()
    rng = np.random.default_rng(begin)
    while len(took) < BATCHES if until is None else until.poll() is None:
        readings = plant.step_of(codes, begin + len(took), rng.normal(size=STREAMS), chosen)
        began = time.perf_counter()
        made.process(readings)
        took.append(time.perf_counter() - began)
    return took


def test_scoring_goes_on_while_a_training_runs(tmp_path: Path, report: Report) -> None:
    config = site(tmp_path)
    settings = load(config)
    family = settings.families["pumps"]
    store = bootstrap.store(settings)
    champion = store.registry.champion("pumps")
    assert champion is not None
    scorer, profiles = bootstrap.library(settings, store).load(champion, family)
    store.close()
    made = bootstrap.pipeline("pumps", family)
    names = plant.names(STREAMS)
    made.load(made.index.intern(names), [None] * STREAMS)
    made.adopt(champion.id, scorer, dict.fromkeys(names, profiles["p-1"]))
    scoring(made, family, 0, None)  # windows fill

    alone = scoring(made, family, BATCHES, None)
    command = [sys.executable, "-P", "-m", "monitor", "train", str(config), "--challenge", "--background", "--json"]
    job = subprocess.Popen(command, stdout=subprocess.PIPE)
    beside = scoring(made, family, 2 * BATCHES, job)
    assert job.stdout is not None
    with job.stdout:
        ended = json.loads(job.stdout.read())
    job.wait()

    assert ended["family"] == "pumps"
    assert len(beside) > 10, "the training was over at once"
    ratio = round(median(alone) / median(beside), 3)
    worst = {"alone, longest batch, s": max(alone), "beside, longest batch, s": max(beside), "batches": len(beside)}
    report.add(Figure("scoring while a training runs / without one", ratio, (0.5, 0.7, 0.9), detail=worst))
    report.add(Figure("longest batch while a training runs", round(max(beside), 3), (1.0, 0.5, 0.2), "s", most=True))


def test_a_new_model_is_adopted_between_two_commits(report: Report) -> None:
    chosen = Family.model_validate({"topic": "t", "interval": "1s", "window": {"length": 24}})
    made, names, one = bootstrap.pipeline("pumps", chosen), plant.names(10_000), np.ones(1, np.float32)
    made.load(made.index.intern(names), [None] * len(names))
    profiles = dict.fromkeys(names, Profile(0 * one, one, 1.0, 0.3, 60))
    took = []
    for number in range(5):
        began = time.perf_counter()
        made.adopt(f"{number}" * 64, DistanceScorer(), profiles)
        took.append(time.perf_counter() - began)

    report.add(Figure("adopting a model for 10,000 streams", round(median(took), 4), (0.5, 0.2, 0.1), "s", most=True))
