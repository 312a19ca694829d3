"""Models reach the pipelines: found in the store, trained when missing, and streams join later."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from monitor import bootstrap
from monitor.config.families import Family
from monitor.errors import ModelError, MonitorError, StoreError
from monitor.pipeline.family import Pipeline
from monitor.pipeline.scoring.stream_scaling import Profile
from monitor.ports.models import ModelRow
from monitor.ports.store import Commit, HistoryBlock
from monitor.records.batches import Float32, Readings
from monitor.store.memory import MemoryStore
from monitor.testing.in_memory import DistanceScorer
from monitor.training import model_manager
from monitor.training.model_library import ModelLibrary
from monitor.training.model_manager import Champions
from tests.unit.training.test_fit import NORMAL, Recording


class FakeJob:
    """A training that ends when told to."""

    def __init__(self) -> None:
        self.code: int | None = None

    def poll(self) -> int | None:
        return self.code


def pipeline(*, wait: bool = False) -> Pipeline:
    family = Family.model_validate(
        {
            "topic": "t",
            "interval": "1s",
            "recipe": "plain",
            "window": {"length": 4},
            "train": {"after": 40, "wait": wait},
        }
    )
    made = bootstrap.pipeline("pumps", family)
    made.keeps = 40
    return made


def feed(made: Pipeline, names: list[str], count: int = 50) -> list[tuple[int, HistoryBlock]]:
    return made.process(readings(made, names, count)).history


def readings(made: Pipeline, names: list[str], count: int = 50) -> Readings:
    codes = made.index.intern(names)
    stream = np.repeat(codes, count)
    time = np.tile(np.arange(count), len(names)) * 10**9
    values: Float32 = np.random.default_rng(0).normal(size=(len(stream), 1)).astype(np.float32)
    none = np.zeros(len(stream), np.int32)
    return Readings(stream, time, values, none, none.astype(np.int64))


def library_of(store: MemoryStore, folder: Path) -> ModelLibrary:
    return ModelLibrary(store.registry, folder, lambda path: DistanceScorer())


def champions_of(store: MemoryStore, folder: Path, job: FakeJob) -> Champions:
    return Champions(store, library_of(store, folder), "live", NORMAL, lambda family: job)


def put_model(
    store: MemoryStore,
    folder: Path,
    names: list[str],
    channels: tuple[str, ...] = ("value",),
    kind: str = "",
    recipe: str = "plain",
) -> ModelRow:
    one = np.ones(1, np.float32)
    profiles = {name: Profile(0 * one, one, 1.0, 0.5, 60) for name in names}
    family = pipeline().family.model_copy(update={"channels": channels, "recipe": recipe})
    row = library_of(store, folder).keep("pumps", family, Recording(kind=kind), profiles)
    store.registry.promote("pumps", row.id, "test")
    return row


def test_a_missing_model_is_trained_once_and_adopted(tmp_path: Path) -> None:
    store, job, made = MemoryStore(), FakeJob(), pipeline(wait=True)
    serving = champions_of(store, tmp_path, job)
    feed(made, ["a"])

    serving.request(made, {"a": 1})
    held = [serving.holding]
    row = put_model(store, tmp_path, ["a"])
    job.code = 0
    serving.refresh({"pumps": made})

    assert [*held, serving.holding] == [True, False]
    assert made.model == row.id
    assert feed(made, ["a"]) == []  # enrolled: nothing more is kept to train on


def test_a_failed_training_is_not_repeated_at_once(tmp_path: Path) -> None:
    started: list[str] = []
    job, made = FakeJob(), pipeline()

    def start(family: str) -> FakeJob:
        started.append(family)
        return job

    store = MemoryStore()
    serving = Champions(store, library_of(store, tmp_path), "live", NORMAL, start)
    serving.request(made, {"a": 1})
    job.code = 5
    serving.refresh({"pumps": made})
    serving.request(made, {"a": 1})

    assert started == ["pumps"]
    assert not serving.holding
    assert serving.failed == {"pumps": 5}


def test_a_training_that_cannot_be_started_is_no_end(tmp_path: Path) -> None:
    def start(family: str) -> FakeJob:
        raise BlockingIOError("no more processes")

    store, made = MemoryStore(), pipeline(wait=True)
    serving = Champions(store, library_of(store, tmp_path), "live", NORMAL, start)

    serving.request(made, {"a": 1})

    assert not serving.holding
    assert not serving.trains("pumps")


def test_a_model_from_elsewhere_makes_up_for_a_failed_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_manager, "LOOK_S", 0.0)
    store, job, made = MemoryStore(), FakeJob(), pipeline()
    serving = champions_of(store, tmp_path, job)
    serving.request(made, {"a": 1})
    job.code = 5
    serving.refresh({"pumps": made})
    put_model(store, tmp_path, ["a"])
    serving.refresh({"pumps": made})

    assert serving.failed == {}


def test_a_model_for_other_windows_is_covered_by_cold_start_and_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_manager, "LOOK_S", 0.0)
    store, job, made = MemoryStore(), FakeJob(), pipeline(wait=True)
    misfit = put_model(store, tmp_path, ["a"], channels=("other",))
    serving = champions_of(store, tmp_path, job)

    with capture_logs() as lines:
        serving.refresh({"pumps": made})
        serving.refresh({"pumps": made})
    assert made.scorer is None
    assert serving.trains("pumps")
    assert made.rows_until_ready(readings(made, ["a"])) == 40  # reading waits for the new one
    feed(made, ["a"])
    serving.request(made, {"a": 1})
    assert serving.holding
    row = put_model(store, tmp_path, ["a"])
    job.code = 0
    serving.refresh({"pumps": made})

    assert [line["event"] for line in lines] == ["model_no_longer_fits"]
    assert misfit.id[:16] in lines[0]["error"]
    assert made.model == row.id
    assert (serving.failed, serving.refused) == ({}, {})


def test_a_model_for_other_windows_is_refused_where_one_that_fits_still_scores(tmp_path: Path) -> None:
    """Two workers of different settings must not replace each other's models in turn."""
    store, made = MemoryStore(), pipeline()
    first = put_model(store, tmp_path, ["a"])
    serving = champions_of(store, tmp_path, FakeJob())
    serving.refresh({"pumps": made})
    put_model(store, tmp_path, ["a"], channels=("other",))
    serving._look = 0.0

    serving.refresh({"pumps": made})

    assert made.model == first.id
    assert serving.refused.keys() == {"pumps"}
    assert not serving.trains("pumps")


def test_a_model_of_another_detector_scores_until_its_replacement_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_manager, "LOOK_S", 0.0)
    started: list[str] = []
    store, job, made = MemoryStore(), FakeJob(), pipeline()

    def start(family: str) -> FakeJob:
        started.append(family)
        return job

    serving = Champions(store, library_of(store, tmp_path), "live", NORMAL, start)
    before = put_model(store, tmp_path, ["a"], kind="lstm")
    with capture_logs() as lines:
        serving.refresh({"pumps": made})
        serving.refresh({"pumps": made})
        serving.refresh({"pumps": made})
    assert (made.model, started, serving.holding) == (before.id, ["pumps"], False)
    assert "detector.kind = lstm, but the settings say dense" in next(
        line["error"] for line in lines if line["event"] == "model_of_another_detector"
    )

    row = put_model(store, tmp_path, ["a"], kind="dense")
    job.code = 0
    serving.refresh({"pumps": made})
    serving.refresh({"pumps": made})

    assert (made.model, started) == (row.id, ["pumps"])


def test_a_running_training_is_logged_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    made = pipeline()
    serving = champions_of(MemoryStore(), tmp_path, FakeJob())

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
    serving = champions_of(store, tmp_path, FakeJob())
    put_model(store, tmp_path, ["a"])
    serving.refresh({"pumps": made})
    opened = store.open_streams("live", "pumps", ["late"])[0].id
    for _, block in feed(made, ["late"]):
        store.commit(Commit("live", history=[HistoryBlock(opened, block.time, block.values)]))

    serving.request(made, {"late": opened})

    assert feed(made, ["late"]) == []
    serving.refresh({"pumps": made})
    assert [(name, len(block.time)) for name, block in store.history("live", "pumps")] == [("late", 40)]


def test_history_of_a_stream_that_left_is_kept_for_its_new_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_manager, "AGAIN_S", 0.0)
    store, made = MemoryStore(), pipeline()
    put_model(store, tmp_path, ["x"])
    serving = champions_of(store, tmp_path, FakeJob())
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

    assert [(name, len(block.time)) for name, block in store.history("live", "pumps")] == [
        ("gone", 10), ("gone", 40), ("mine", 40),
    ]  # fmt: skip


def test_a_failed_training_is_not_asked_for_at_every_reading(tmp_path: Path) -> None:
    store, job, made = MemoryStore(), FakeJob(), pipeline(wait=True)
    serving = champions_of(store, tmp_path, job)
    asked = [serving.trains("pumps")]
    serving.request(made, {"a": 1})
    asked.append(serving.trains("pumps"))  # under way
    job.code = 1
    serving.refresh({"pumps": made})

    assert [*asked, serving.trains("pumps")] == [True, False, False]


class Broken(Recording):
    """Cannot be used."""

    def score(self, windows: Float32) -> Float32:
        raise RuntimeError("out of order")


def test_a_champion_that_cannot_be_loaded_leaves_the_old_model_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_manager, "LOOK_S", 0.0)
    store, made = MemoryStore(), pipeline()
    first = put_model(store, tmp_path, ["a"])
    serving = champions_of(store, tmp_path, FakeJob())
    serving.refresh({"pumps": made})
    second = put_model(store, tmp_path, ["a", "b"])
    shutil.rmtree(tmp_path / second.id)
    store.registry.bodies["pumps", second.id] = b"damaged"

    with capture_logs() as lines:
        for _ in range(3):
            serving.refresh({"pumps": made})

    assert made.model == first.id
    refused = [line for line in lines if line["event"] == "model_refused"]
    assert [(line["model"], line["scored_by"]) for line in refused] == [(second.id[:16], first.id[:16])]
    assert "damaged in SQL" in serving.refused["pumps"].error
    assert "damaged in SQL" in store.registry.life("pumps")[-1].reason

    store.registry.promote("pumps", first.id, "roll back")
    serving.refresh({"pumps": made})
    assert serving.refused == {}


def test_without_an_old_model_the_family_stays_under_the_cold_start_statistic(tmp_path: Path) -> None:
    store, made = MemoryStore(), pipeline(wait=True)
    row = put_model(store, tmp_path, ["a"])
    shutil.rmtree(tmp_path / row.id)
    store.registry.bodies.clear()
    serving = champions_of(store, tmp_path, FakeJob())

    with capture_logs() as lines:
        serving.refresh({"pumps": made})
        serving.request(made, {"a": 1})

    assert made.scorer is None
    assert [line["scored_by"] for line in lines if line["event"] == "model_refused"] == ["cold start"]
    assert not serving.trains("pumps")  # the champion may serve other machines well: it is not replaced from here
    assert not serving.holding


@pytest.mark.parametrize("error", [ModelError("no model is called so"), StoreError("locked", transient=True)])
def test_a_refusal_that_cannot_be_noted_is_no_failure_of_the_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: MonitorError
) -> None:
    store, made = MemoryStore(), pipeline()
    row = put_model(store, tmp_path, ["a"])
    shutil.rmtree(tmp_path / row.id)
    store.registry.bodies.clear()

    def note(family: str, model: str, reason: str) -> None:
        raise error

    monkeypatch.setattr(store.registry, "note", note)
    serving = champions_of(store, tmp_path, FakeJob())

    with capture_logs() as lines:
        serving.refresh({"pumps": made})

    assert list(serving.refused) == ["pumps"]
    assert [line["event"] for line in lines] == ["model_refused", "model_note_not_written"]


def test_trainings_under_way_are_named(tmp_path: Path) -> None:
    job, made = FakeJob(), pipeline()
    serving = champions_of(MemoryStore(), tmp_path, job)
    named = [serving.training]
    serving.request(made, {"a": 1})
    named.append(serving.training)
    job.code = 5
    serving.refresh({"pumps": made})

    assert [*named, serving.training] == [[], ["pumps"], []]


def test_a_refused_champion_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_manager, "LOOK_S", 0.0)
    store, made = MemoryStore(), pipeline()
    row = put_model(store, tmp_path, ["a"])
    shutil.rmtree(tmp_path / row.id)
    body = store.registry.bodies.pop(("pumps", row.id))
    serving = champions_of(store, tmp_path, FakeJob())
    serving.refresh({"pumps": made})
    store.registry.bodies["pumps", row.id] = body
    serving.refresh({"pumps": made})
    assert made.scorer is None  # not at once: it may be large

    now = time.monotonic() + model_manager.AGAIN_S
    monkeypatch.setattr(time, "monotonic", lambda: now)
    serving.refresh({"pumps": made})

    assert (made.model, serving.refused) == (row.id, {})


def test_an_enrolment_that_fails_is_no_end(tmp_path: Path) -> None:
    store, made = MemoryStore(), pipeline()
    put_model(store, tmp_path, ["a"])
    library = ModelLibrary(store.registry, tmp_path, lambda path: Broken())
    serving = Champions(store, library, "live", NORMAL)
    serving.refresh({"pumps": made})
    late = store.open_streams("live", "pumps", ["late"])[0].id
    for _, block in feed(made, ["late"]):
        store.commit(Commit("live", history=[HistoryBlock(late, block.time, block.values)]))

    with capture_logs() as lines:
        serving.request(made, {"late": late})

    assert [line["event"] for line in lines] == ["enrolment_failed"]
    assert len(list(store.history("live", "pumps"))) == 1


def test_a_span_of_no_use_is_dropped_and_another_one_collected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_manager, "AGAIN_S", 0.0)
    store, made = MemoryStore(), pipeline()
    put_model(store, tmp_path, ["a"])
    serving = champions_of(store, tmp_path, FakeJob())
    serving.refresh({"pumps": made})
    late = store.open_streams("live", "pumps", ["late"])[0].id
    feed(made, ["late"])
    holes = HistoryBlock(late, np.arange(40) * 7 * 10**9, np.ones((40, 1), np.float32))  # no window is whole
    store.commit(Commit("live", history=[holes]))

    serving.request(made, {"late": late})

    assert list(store.history("live", "pumps")) == []
    assert made.training_readings(made.index.intern(["late"])).tolist() == [0]


def test_reading_goes_on_with_the_new_model_while_the_training_still_packs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_manager, "LOOK_S", 0.0)
    store, job, made = MemoryStore(), FakeJob(), pipeline(wait=True)
    serving = champions_of(store, tmp_path, job)
    serving.request(made, {"a": 1})
    serving.refresh({"pumps": made})
    held = serving.holding
    put_model(store, tmp_path, ["a"])
    serving.refresh({"pumps": made})  # adopts it
    serving.refresh({"pumps": made})

    assert (held, serving.holding) == (True, False)
