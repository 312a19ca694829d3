"""Aligner and windower, on one core: millions of readings per second, in batches as large as those of a Kafka poll.

An absolute number, so it is only good for comparison on one machine.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import median

import numpy as np
import pytest

from monitor.pipeline.alignment.aligner import Aligner
from monitor.pipeline.alignment.channel_joiner import aligner_of
from monitor.pipeline.windowing.base import Windower
from monitor.pipeline.windowing.registry import windower
from monitor.records.batches import Int32, Int64, Readings
from monitor.sources.kafka_reader import BATCH
from tests.benchmarks import plant
from tests.benchmarks.report import Figure, Report
from tests.benchmarks.scale import scaled

READINGS = scaled(3_000_000, 50_000)
ROUNDS = scaled(3)
DISORDER = 0.01  # share of readings that come after the next one of their stream
WARM = 0.2  # share of the batches before the clock starts
FAMILY = plant.family()


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("streams", [16, 1000, 10_000])
def test_rate(streams: int, report: Report) -> None:
    for disorder, what, goal in ((0.0, "in order", 5.0), (DISORDER, "1 % out of order", 1.0)):
        given = batches(streams, disorder)
        rates = []
        for _ in range(ROUNDS):
            stages = (aligner_of(FAMILY), windower(FAMILY))
            rates.append(rate(given, streams, *stages))
            assert stages[0].columns["accepted"].sum() == sum(map(len, given))
        name = f"aligner and windower, {streams:,} streams, {what}"
        report.add(Figure(name, round(median(rates) / 1e6, 2), (goal,), unit="M readings/s"))


def batches(streams: int, disorder: float) -> list[Readings]:
    """Step by step, all streams; where it is out of order, two neighbours of a stream have changed places."""
    steps = -(-READINGS // streams)
    at = np.repeat(np.arange(steps), streams).reshape(steps, streams)
    late = np.random.default_rng(0).random((steps // 2, streams)) < disorder * 2  # one of each pair comes late
    first, second = at[0 : 2 * len(late) : 2], at[1 : 2 * len(late) : 2]
    first[late], second[late] = second[late], first[late]
    stream = np.tile(np.arange(streams, dtype=np.int32), steps)
    return [one(stream[i : i + BATCH], at.ravel()[i : i + BATCH]) for i in range(0, at.size, BATCH)]


def one(stream: Int32, at: Int64) -> Readings:
    values = np.sin(at / plant.RATE).astype(np.float32)[:, None]
    return Readings(stream, plant.times(FAMILY, at), values, np.zeros_like(stream), np.arange(len(stream)))


def rate(given: Sequence[Readings], streams: int, aligner: Aligner, cutter: Windower) -> float:
    """Readings per second."""
    aligner.columns.grow(streams)
    cutter.grow(streams)
    warm = int(len(given) * WARM)
    for readings in given[:warm]:
        cutter.add(aligner.add(readings))
    began = time.perf_counter()
    for readings in given[warm:]:
        cutter.add(aligner.add(readings))
    return sum(map(len, given[warm:])) / (time.perf_counter() - began)
