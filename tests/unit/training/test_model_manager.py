"""Models reach the pipelines: found in the store, trained when missing, and streams join later."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from monitor import bootstrap
from monitor.config.families import Family
from monitor.pipeline.family import Pipeline
from monitor.pipeline.scoring.stream_scaling import Profile
from monitor.ports.store import Commit, HistoryBlock
from monitor.records.batches import Float32, Readings
from monitor.store.memory import MemoryStore
from monitor.testing.in_memory import DistanceScorer
from monitor.training import fit, model_manager
from monitor.training.model_manager import Champions
from tests.unit.training.test_fit import Recording, summarise


class FakeJob:
    """A training that ends when told to."""

    def __init__(self) -> None:
        self.code: int | None = None

    def poll(self) -> int | None:
        return self.code


def pipeline(*, wait: bool = False) -> Pipeline:
    family = Family.model_validate(
        {"topic": "t", "interval": "1s", "window": {"length": 4}, "train": {"after": 40, "wait": wait}}
    )
    return bootstrap.pipeline("pumps", family)


def feed(made: Pipeline, names: list[str], count: int = 50) -> list[tuple[int, HistoryBlock]]:
    codes = made.index.intern(names)
    stream = np.repeat(codes, count)
    time = np.tile(np.arange(count), len(names)) * 10**9
    values: Float32 = np.random.default_rng(0).normal(size=(len(stream), 1)).astype(np.float32)
    none = np.zeros(len(stream), np.int32)
    return made.process(Readings(stream, time, values, none, none.astype(np.int64))).history


def champions_of(store: MemoryStore, job: FakeJob) -> Champions:
    return Champions(store, "live", lambda path: DistanceScorer(), summarise, lambda family: job)


def put_model(store: MemoryStore, folder: Path, names: list[str]) -> None:
    one = np.ones(1, np.float32)
    profiles = {name: Profile(0 * one, one, 1.0, 0.5, 60) for name in names}
    store.add_model(fit.save(folder, "pumps", Recording(), profiles))


def test_a_missing_model_is_trained_once_and_adopted(tmp_path: Path) -> None:
    store, job, made = MemoryStore(), FakeJob(), pipeline(wait=True)
    serving = champions_of(store, job)
    feed(made, ["a"])

    serving.request(made, {"a": 1})
    held = [serving.holding]
    put_model(store, tmp_path, ["a"])
    job.code = 0
    serving.refresh({"pumps": made})

    assert [*held, serving.holding] == [True, False]
    assert made.model == "ab12"
    assert feed(made, ["a"]) == []  # enrolled: nothing more is kept to train on


def test_a_failed_training_is_not_repeated_at_once() -> None:
    started: list[str] = []
    job, made = FakeJob(), pipeline()

    def start(family: str) -> FakeJob:
        started.append(family)
        return job

    serving = Champions(MemoryStore(), "live", lambda path: DistanceScorer(), summarise, start)
    serving.request(made, {"a": 1})
    job.code = 5
    serving.refresh({"pumps": made})
    serving.request(made, {"a": 1})

    assert started == ["pumps"]
    assert not serving.holding
    assert serving.failed == {"pumps": 5}


def test_a_model_from_elsewhere_makes_up_for_a_failed_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_manager, "LOOK_S", 0.0)
    store, job, made = MemoryStore(), FakeJob(), pipeline()
    serving = champions_of(store, job)
    serving.request(made, {"a": 1})
    job.code = 5
    serving.refresh({"pumps": made})
    put_model(store, tmp_path, ["a"])
    serving.refresh({"pumps": made})

    assert serving.failed == {}


def test_a_training_under_way_is_logged_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    made = pipeline()
    serving = champions_of(MemoryStore(), FakeJob())

    with capture_logs() as lines:
        serving.request(made, {"a": 1})
        for now[0] in (101.0, 114.0, 115.0, 116.0, 131.0):
            serving.refresh({"pumps": made})

    told = [line["seconds"] for line in lines if line["event"] == "training_running"]
    assert told == [15, 31]


def test_a_stream_that_comes_later_is_enrolled_from_its_own_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_manager, "LOOK_S", 0.0)
    store, made = MemoryStore(), pipeline()
    serving = champions_of(store, FakeJob())
    put_model(store, tmp_path, ["a"])
    serving.refresh({"pumps": made})
    opened = store.open_streams("live", "pumps", ["late"])[0].id
    for _, block in feed(made, ["late"]):
        store.commit(Commit("live", history=[HistoryBlock(opened, block.time, block.values)]))

    serving.request(made, {"late": opened})

    assert feed(made, ["late"]) == []
    assert list(store.history("live", "pumps")) == []


def test_history_of_a_stream_that_left_is_kept_for_its_new_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_manager, "AGAIN_S", 0.0)
    store, made = MemoryStore(), pipeline()
    put_model(store, tmp_path, ["x"])
    serving = champions_of(store, FakeJob())
    serving.refresh({"pumps": made})
    gone, mine = (stream.id for stream in store.open_streams("live", "pumps", ["gone", "mine"]))

    def keep(id_: int, blocks: list[tuple[int, HistoryBlock]]) -> None:
        for _, block in blocks:
            store.commit(Commit("live", history=[HistoryBlock(id_, block.time, block.values)]))

    keep(gone, feed(made, ["gone"], 10))
    serving.request(made, {"gone": gone})  # too few windows yet
    made.forget(made.index.intern(["gone"]))  # its partition goes to another worker, which collects more
    keep(gone, feed(pipeline(), ["gone"], 100))
    keep(mine, feed(made, ["mine"]))
    serving.request(made, {"mine": mine})

    assert [name for name, _ in store.history("live", "pumps")] == ["gone", "gone"]


def test_a_failed_training_is_not_asked_for_at_every_reading() -> None:
    store, job, made = MemoryStore(), FakeJob(), pipeline(wait=True)
    serving = champions_of(store, job)
    asked = [serving.trains("pumps")]
    serving.request(made, {"a": 1})
    asked.append(serving.trains("pumps"))  # under way
    job.code = 1
    serving.refresh({"pumps": made})

    assert [*asked, serving.trains("pumps")] == [True, False, False]
