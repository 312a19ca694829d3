"""The product on readings that a source makes in memory, column by column: all of it but Kafka and the decoding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from monitor import bootstrap
from monitor.config.settings import Settings
from monitor.pipeline.family import Pipeline
from monitor.ports.source import Assignments
from monitor.records.batches import Poll
from tests.benchmarks import plant
from tests.benchmarks.lane import Clock, rss_mb
from tests.benchmarks.lanes.product import work
from tests.benchmarks.memory_source import MemorySource

LOOKS = 1000  # at the memory


def run(config: str, streams: str, steps: str) -> dict[str, Any]:
    """Memory in the course of it: `rss_mb`, at even distances."""
    total, memory = int(streams) * int(steps), list[float]()
    clock = Clock(total)

    def source(_settings: Settings, running: Mapping[str, Pipeline], listener: Assignments) -> MemorySource:
        pipeline = running[plant.FAMILY]
        place = (pipeline.family.topic, 0)
        return MemorySource(place, lambda _start: polls(pipeline, int(streams), int(steps)), listener)

    def watch(done: int) -> None:
        clock.tick(done)
        if done >= len(memory) * total / LOOKS:
            memory.append(round(rss_mb(), 1))

    bootstrap.kafka_source = source  # type: ignore[assignment]
    totals = work(Path(config), lambda _done: False, watch)
    return {"rate": round(clock.rate), "rss_mb": memory} | totals


def polls(pipeline: Pipeline, streams: int, steps: int) -> Iterator[Poll]:
    """One for each step of all streams."""
    codes, place = pipeline.index.intern(plant.names(streams)), (pipeline.family.topic, 0)
    for step, values in enumerate(plant.readings(streams, steps)):
        readings = plant.step_of(codes, plant.LENGTH + step, values, pipeline.family)
        yield Poll({plant.FAMILY: readings}, positions={place: (step + 1) * streams}, records=streams)
