"""A family is trained, streams join it, it is trained again from what was kept, and another machine takes over."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from monitor import bootstrap
from monitor.cli.train import train
from monitor.config.settings import Settings, load
from monitor.ports.store import Store
from monitor.records.batches import LIVE
from monitor.sources.memory import ListSource, Record
from monitor.training import model_manager
from monitor.training.model_manager import Champions
from monitor.worker.options import WorkerOptions
from monitor.worker.runner import Runner

CONFIG = """
models = "{folder}/{machine}"
[store]
url = "sqlite:///{folder}/plant.db"
[families.pumps]
topic = "pumps"
interval = "1s"
recipe = "plain"
window = {{ length = 8 }}
train = {{ after = 60, wait = true, every = "none" }}
align = {{ lateness = 0 }}
detector = {{ seed = {seed}, options = {{ hidden = [4, 2], epochs = 3 }} }}
"""
START = 1_700_000_000


class Done:
    """A training that was over at once."""

    def poll(self) -> int:
        return 0


def config(folder: Path, machine: str, seed: int = 0) -> Path:
    path = folder / f"{machine}-{seed}.toml"
    path.write_text(CONFIG.format(folder=folder, machine=machine, seed=seed))
    return path


def records(name: str, first: int, count: int) -> list[Record]:
    values = np.random.default_rng(first).normal(size=count).round(6).tolist()
    bodies = [json.dumps({"time": START + first + i, "value": value}) for i, value in enumerate(values)]
    return [(name.encode(), body.encode()) for body in bodies]


def work(settings: Settings, path: Path, log: list[Record]) -> tuple[Store, Champions]:
    """A worker over all of the log that it has not read yet; a missing model is trained in this process."""

    def start(family: str) -> Done:
        train(path, family=family, quiet=True)
        return Done()

    store, pipelines = bootstrap.store(settings), bootstrap.pipelines(settings)
    decoders = bootstrap.decoders(settings, {name: made.index for name, made in pipelines.items()})
    champions = Champions(store, bootstrap.library(settings, store), LIVE, bootstrap.normal_scores(), start)
    connect = partial(ListSource, {("pumps", 0): log}, decoders, batch=10)
    Runner(connect, store, pipelines, champions, WorkerOptions(commit_interval=0.0, until_end=True)).run()
    return store, champions


def kept(store: Store) -> list[tuple[str, int]]:
    return [(name, len(block.time)) for name, block in store.history(LIVE, "pumps")]


def test_a_second_training_and_a_second_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_manager, "LOOK_S", 0.0)
    path = config(tmp_path, "one")
    log = records("p-1", 0, 100) + records("late", 100, 100)

    store, _ = work(load(path), path, log)

    first = store.registry.champion("pumps")
    assert first is not None
    assert kept(store) == [("late", 60), ("p-1", 60)]  # in one block each, and no more than a training takes
    store.close()

    train(config(tmp_path, "one", seed=1), quiet=True)  # other weights, from the same readings

    log += records("p-1", 200, 20) + records("late", 220, 20)
    other = config(tmp_path, "two")  # another machine: nothing but the database
    store, champions = work(load(other), other, log)
    second = store.registry.champion("pumps")
    assert second is not None
    loaded = bootstrap.library(load(other), store).load(second, load(other).families["pumps"])
    lives = [(change.model, change.state.value) for change in store.registry.life("pumps")]
    assert champions.refused == {}
    assert kept(store) == [("late", 60), ("p-1", 60)]
    store.close()

    assert loaded.profiles.keys() == {"p-1", "late"}
    assert [loaded.profiles[name].readings for name in ("p-1", "late")] == [60, 60]
    assert lives == [
        (first.id, "candidate"),
        (first.id, "champion"),
        (second.id, "candidate"),
        (first.id, "retired"),
        (second.id, "champion"),
    ]
    assert [path.name for path in (tmp_path / "two").iterdir()] == [second.id]
