"""What the guarantee costs: throughput with every commit, divided by throughput with commits switched off.

Two workers in one process take turns over the same records, decoded from JSON in memory and scored by the same dense
autoencoder. The only difference is the interval between commits: one second, or none before the end, and a store that
forgets. A turn with commits ends when the last of them is durable.
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from monitor import bootstrap
from monitor.champions import Champions
from monitor.ports import Commit, ModelRow, Position, Store
from monitor.records import LIVE, Poll
from monitor.runner import Plan, Runner
from monitor.sources.decode import Decoder, Records
from monitor.sources.kafka_client import BATCH
from monitor.store.migrations import upgrade
from monitor.store.sql import open_store
from monitor.testing import MemoryStore
from tests.benchmarks import plant
from tests.benchmarks.memory_source import MemorySource
from tests.benchmarks.report import Figure, Report, ratios
from tests.benchmarks.scale import scaled

ROUNDS = scaled(3)
STEPS = {16: scaled(50_000, 400), 10_000: scaled(100, 20)}  # of a turn, by number of streams
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


class Lane:
    """A worker in this process that goes on where it stopped, as if it had not; `interval` infinite = no commits."""

    def __init__(self, store: Store, log: Log, interval: float) -> None:
        pipeline = bootstrap.pipeline(plant.FAMILY, FAMILY)
        polls = partial(log.polls, bootstrap.decoder(FAMILY, pipeline.index))
        champions = Champions(store, LIVE, bootstrap.load_detector, bootstrap.summary)
        self._commits = interval < math.inf
        self._ago = math.inf  # seconds between the last commit and the end of the last run
        self.runner = Runner(
            lambda listener: MemorySource(PLACE, polls, listener),
            store, {plant.FAMILY: pipeline}, champions, Plan(interval=interval),
        )  # fmt: skip

    def run(self, records: int) -> float:
        """Records per second, over that many or up to the next commit after them."""
        runner, first, began, took = self.runner, self.runner.totals.records, time.monotonic(), 0.0
        runner._landed = began - self._ago

        def stop() -> bool:
            nonlocal took
            took = time.monotonic() - began
            done = runner.totals.records - first
            return done >= records and not (self._commits and runner._pending.dirty and done < 2 * records)

        runner.run(stop)
        if self._commits:
            took = time.monotonic() - began
        self._ago = time.monotonic() - runner._landed
        return (runner.totals.records - first) / took


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelRow:
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
def test_cost(store: Store, model: ModelRow, report: Report, request: pytest.FixtureRequest, streams: int) -> None:
    steps, off = STEPS[streams], NoStore()
    log = Log(streams, steps * (2 * ROUNDS + 2))
    for each in (store, off):
        plant.warm(each, model, FAMILY, streams, [PLACE])
    off.off = True
    lanes = [Lane(off, log, math.inf), Lane(store, log, 1.0)]
    gc.collect()
    gc.freeze()
    count = streams * steps
    for lane in lanes:
        lane.run(count)  # opens every stream
    speeds: list[float] = []

    def committed() -> float:
        speeds.append(lanes[1].run(count))
        return speeds[-1]

    (ratio,) = ratios([lambda: lanes[0].run(count), committed], ROUNDS)
    for lane in lanes:
        totals = lane.runner.totals
        assert abs(totals.windows - totals.records / 10) <= streams  # hop 10
    database = request.node.callspec.params["store"]
    name = f"with / without commits, {streams:,} streams, {database}"
    report.add(Figure(name, ratio, (GOALS[streams],), detail={"readings_per_s": round(max(speeds))}))
    gc.unfreeze()
