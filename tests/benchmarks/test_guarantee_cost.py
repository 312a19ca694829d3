"""What the guarantee costs: throughput with every commit, divided by throughput with commits switched off.

Two workers in one process take turns over the same records, decoded from JSON in memory and scored by the same dense
autoencoder. The only difference is the interval between commits: one second, or none before the end, and a store that
forgets. What counts is the pace at which a worker goes on: of the records of a turn with commits those that became
durable from one commit to a later one, in the time between the two.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from monitor import bootstrap
from monitor.ports.store import Commit, Position, Store
from monitor.records.batches import LIVE, Poll, TopicPartition
from monitor.sources.decode import Decoder, Records
from monitor.sources.kafka_reader import BATCH
from monitor.store.memory import MemoryStore
from monitor.store.migrations import upgrade
from monitor.store.sql import open_store
from monitor.training.model_library import ModelLibrary
from monitor.training.model_manager import Champions
from monitor.worker.interpreter import tuned
from monitor.worker.options import WorkerOptions
from monitor.worker.runner import Runner
from tests.benchmarks import plant
from tests.benchmarks.memory_source import MemorySource
from tests.benchmarks.report import Figure, Report, ratios
from tests.benchmarks.scale import scaled

ROUNDS = scaled(3)
STEPS = {16: scaled(200_000, 400), 10_000: scaled(320, 20)}  # of a turn, by number of streams
FEWEST = 3  # commits of a turn: what comes before the first of them does not count
TURNS = 19  # that the records suffice for: 6 GB
GOALS = {16: 0.8, 10_000: 0.7}
PLACE = ("plant", 0)
FAMILY = plant.family()


class NoStore(MemoryStore):
    """Once it is `off` it keeps the place, and nothing else."""

    off = False

    def commit(self, commit: Commit) -> None:
        if not self.off:
            super().commit(commit)
            return
        for key, (epoch, offset) in commit.positions.items():
            self.positions[commit.run, *key] = Position(epoch, offset)


class Log:
    """Messages of a partition, (key, body) by offset."""

    def __init__(self, streams: int, steps: int) -> None:
        self._keys = [name.encode() for name in plant.names(streams)] * steps
        values = enumerate(plant.readings(streams, steps))
        self._bodies = [body for step, row in values for body in plant.bodies(row, step)]

    def polls(self, decoder: Decoder, start: int) -> Iterator[Poll]:
        """From an offset on."""
        for first in range(start, len(self._keys), BATCH):
            keys, bodies = self._keys[first : first + BATCH], self._bodies[first : first + BATCH]
            offset, end = np.arange(first, first + len(keys)), first + len(keys)
            found, _ = decoder.decode(Records(PLACE[0], keys, bodies, np.zeros(len(keys), np.int32), offset))
            yield Poll({plant.FAMILY: found}, positions={PLACE: end}, records=len(keys))


class Told(MemorySource):
    """Notes how far the store has come, and when: (seconds, next offset)."""

    landings: ClassVar[list[tuple[float, int]]] = []

    def commit(self, positions: Mapping[TopicPartition, int]) -> None:
        self.landings.append((time.monotonic(), positions[PLACE]))


class Stopwatch:
    """A clock that stands still between the turns of a lane."""

    def __init__(self) -> None:
        self._stood = 0.0  # seconds in all
        self._since: float | None = time.monotonic()  # when it was stopped

    def __call__(self) -> float:
        return (time.monotonic() if self._since is None else self._since) - self._stood

    def go(self) -> None:
        assert self._since is not None
        self._stood, self._since = self._stood + time.monotonic() - self._since, None

    def halt(self) -> None:
        self._since = time.monotonic()


class Lane:
    """A worker in this process that goes on where it stopped, as if it had not; `interval` infinite = no commits."""

    def __init__(self, store: Store, model: Path, log: Log, interval: float) -> None:
        pipeline = bootstrap.pipeline(plant.FAMILY, FAMILY)
        polls = partial(log.polls, bootstrap.decoder(FAMILY, pipeline.index))
        library = ModelLibrary(store.registry, model.parent, bootstrap.load_detector)
        champions = Champions(store, library, LIVE, bootstrap.normal_scores())
        self._commits = interval < math.inf
        self._clock = Stopwatch()
        self.runner = Runner(
            lambda listener: Told(PLACE, polls, listener),
            store, {plant.FAMILY: pipeline}, champions, WorkerOptions(commit_interval=interval), self._clock,
        )  # fmt: skip

    def run(self, records: int) -> float:
        """Records per second, over at least that many; with commits, over at least `FEWEST` of them."""
        runner, began = self.runner, time.monotonic()
        wanted, landings = runner.totals.records + records, list[tuple[float, int]]()
        Told.landings.clear()

        def stop() -> bool:
            landings[:] = Told.landings  # not those for which reading waits in the end
            return runner.totals.records >= wanted and (len(landings) >= FEWEST or not self._commits)

        self._clock.go()
        runner.run(stop)
        self._clock.halt()
        if not self._commits:
            return records / (time.monotonic() - began)
        assert len(landings) >= FEWEST, "the records have come to an end"
        (first, begin), (last, end) = landings[0], landings[-1]
        return (end - begin) / (last - first)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return plant.trained(tmp_path_factory.mktemp("model"), FAMILY, 10_000)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = f"sqlite:///{tmp_path}/store.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    upgrade(url)
    opened = open_store(url)
    yield opened
    opened.close()


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("streams", [16, 10_000])
def test_cost(store: Store, model: Path, report: Report, request: pytest.FixtureRequest, streams: int) -> None:
    steps, off = STEPS[streams], NoStore()
    log = Log(streams, steps * TURNS)
    for each in (store, off):
        plant.warm(each, model, FAMILY, streams, [PLACE])
    off.off = True
    lanes = [Lane(off, model, log, math.inf), Lane(store, model, log, 1.0)]
    count = streams * steps
    speeds: list[float] = []

    def committed() -> float:
        speeds.append(lanes[1].run(count))
        return speeds[-1]

    with tuned():
        for lane in lanes:
            lane.run(count)  # opens every stream
        (ratio,) = ratios([lambda: lanes[0].run(count), committed], ROUNDS)
    for lane in lanes:
        totals = lane.runner.totals
        assert abs(totals.windows - totals.records / 10) <= streams  # hop 10
    database = request.node.callspec.params["store"]
    name = f"with / without commits, {streams:,} streams, {database}"
    report.add(Figure(name, ratio, (GOALS[streams],), detail={"readings_per_s": round(max(speeds))}))
