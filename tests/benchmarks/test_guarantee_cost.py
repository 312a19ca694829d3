"""What the guarantee costs: throughput with every commit, divided by throughput with commits switched off.

Both run in turn over the same records, decoded from JSON and scored by a dense autoencoder; the figure is the median
of the rounds' ratios. Targets: 0.8 at 16 streams, 0.7 at 10,000.
"""

from __future__ import annotations

import gc
import json
import math
import statistics
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from monitor import bootstrap, training
from monitor.pipeline import Pipeline
from monitor.ports import Commit, HistoryBlock, ModelRow, Position, Scorer, Store, StreamState
from monitor.records import Readings, StreamIndex
from monitor.runner import Plan, Runner
from monitor.scaling import Profile
from monitor.settings import Family
from monitor.sources.formats.json_messages import JsonDecoder
from monitor.sources.memory import Record
from monitor.store.migrations import upgrade
from monitor.store.sql import open_store
from monitor.testing import ListSource, MemoryStore

LENGTH = 360
START = 1_700_000_000
ROUNDS = 3
PLACE = ("t", 0)
FAMILY = Family.model_validate(
    {"topic": "t", "interval": "1s", "window": {"length": LENGTH}, "detector": {"options": {"epochs": 2}}}
)


class NoStore(MemoryStore):
    """Once it is `off` it keeps the place, and nothing else."""

    off = False

    def commit(self, commit: Commit) -> None:
        if not self.off:
            super().commit(commit)
            return
        for key, (epoch, offset) in commit.positions.items():
            self.positions[commit.run, *key] = Position(epoch, offset)


class Models:
    """One model for good."""

    holding = False

    def __init__(self, model: ModelRow, scorer: Scorer, profile: Profile, streams: int) -> None:
        self._adopt = (model.id, scorer, {f"m-{i}": profile for i in range(streams)})

    def refresh(self, pipelines: Mapping[str, Pipeline]) -> None:
        for pipeline in pipelines.values():
            if not pipeline.model:
                pipeline.adopt(*self._adopt)

    def request(self, pipeline: Pipeline, stream_ids: Mapping[str, int]) -> None:
        raise AssertionError("every stream has a profile")


class Lane:
    """A worker in this process that goes on where it stopped, as if it had not; `interval` infinite = no commits."""

    def __init__(self, store: Store, models: Models, log: list[Record], interval: float) -> None:
        index = StreamIndex()
        pipelines = {"f": bootstrap.pipeline("f", FAMILY, index=index)}
        decoder = JsonDecoder(FAMILY, index)
        self._commits = interval < math.inf
        self._rest = 0.0
        self.runner = Runner(
            lambda listener: ListSource({PLACE: log}, {"t": ("f", decoder)}, listener),
            store, pipelines, models, Plan(interval=interval),
        )  # fmt: skip

    def run(self, records: int) -> float:
        """Records per second, over that many or up to the next commit after them."""
        runner, first, began, took = self.runner, self.runner.totals.records, time.monotonic(), 0.0
        runner._rest = began + self._rest

        def stop() -> bool:
            nonlocal took
            took = time.monotonic() - began
            done = runner.totals.records - first
            return done >= records and not (self._commits and runner._pending.dirty and done < 2 * records)

        runner.run(stop)
        if self._commits:
            took = time.monotonic() - began
        self._rest = runner._rest - began - took
        return (runner.totals.records - first) / took


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[ModelRow, Profile]:
    rng = np.random.default_rng(0)
    values = (np.sin(np.arange(2000) / 9) + rng.normal(0, 0.1, 2000)).astype(np.float32)[:, None]
    history = [("m-0", HistoryBlock(0, (START - 10**6 + np.arange(2000)) * 10**9, values))]
    detector, profiles = training.train(FAMILY, history, lambda: bootstrap.detector(FAMILY), bootstrap.summary)
    return training.save(tmp_path_factory.mktemp("model"), "f", detector, profiles), profiles["m-0"]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    url = f"sqlite:///{tmp_path}/store.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    upgrade(url)
    return open_store(url)


def records(streams: int, steps: int) -> list[Record]:
    rng = np.random.default_rng(1)
    values = np.sin((LENGTH + np.arange(steps)) / 9)[:, None] + rng.normal(0, 0.1, (steps, streams))
    keys = [b"m-%d" % i for i in range(streams)]
    rows = np.round(values, 3).tolist()
    return [
        (key, b'{"time":%d,"value":%.3f}' % (START + LENGTH + step, value))
        for step, row in enumerate(rows)
        for key, value in zip(keys, row, strict=True)
    ]


def warm(store: Store, models: Models, streams: int) -> None:
    """Give every stream the state of one that has seen a whole window."""
    one = bootstrap.pipeline("f", FAMILY)
    models.refresh({"f": one})
    code = one.index.intern(["m-0"])
    one.load(code, [None])
    at = np.arange(LENGTH)
    values = np.sin(at / 9).astype(np.float32)[:, None]
    none = np.zeros(LENGTH, np.int32)
    one.process(Readings(none, (START + at) * 10**9, values, none, at))
    state = one.dump(code)[0]
    opened = store.open_streams("live", "f", [f"m-{i}" for i in range(streams)])
    last = (START + LENGTH - 1) * 10**9
    rows = [
        StreamState(id=stream.id, partition=0, last_time=last, accepted=LENGTH, late=0, duplicate=0, future=0,
                    imputed=0, state=state)
        for stream in opened
    ]  # fmt: skip
    epoch = store.take("live", [PLACE])[PLACE].epoch
    store.commit(Commit("live", streams=rows, positions={PLACE: (epoch, 0)}))


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("streams", "steps", "target"), [(16, 12_000, 0.8), (10_000, 40, 0.7)])
def test_cost(store: Store, trained: tuple[ModelRow, Profile], streams: int, steps: int, target: float) -> None:
    model, profile = trained
    models = Models(model, bootstrap.load_detector(Path(model.path) / "detector"), profile, streams)
    log = records(streams, steps * (2 * ROUNDS + 2))
    off = NoStore()
    lanes = []
    for each, interval in ((store, 1.0), (off, math.inf)):
        each.add_model(model)
        warm(each, models, streams)
        lanes.append(Lane(each, models, log, interval))
    off.off = True
    gc.collect()
    gc.freeze()
    count = streams * steps
    for lane in lanes:
        lane.run(count)  # opens every stream
    rates = [[lane.run(count) for lane in lanes] for _ in range(ROUNDS)]
    scored = [lane.runner.totals.windows / lane.runner.totals.records for lane in lanes]
    assert scored == [1.0, 1.0]
    figures = {
        "store": type(store).__name__ and store._database.label.partition(":")[0],  # type: ignore[attr-defined]
        "streams": streams,
        "readings_per_s": round(statistics.median(with_ for with_, _ in rates)),
        "without_commits": round(statistics.median(without for _, without in rates)),
        "ratio": round(statistics.median(with_ / without for with_, without in rates), 3),
        "target": target,
    }
    print("\nguarantee_cost " + json.dumps(figures))
    store.close()
    gc.unfreeze()
