"""Memory of the streams themselves: every array that a family's stages hold for them. The model is not counted.

What the whole process holds is measured with the product at work: `test_end_to_end`.
"""

from __future__ import annotations

import gc
from pathlib import Path
from types import FunctionType, ModuleType

import numpy as np

from monitor.pipeline.family import Pipeline
from tests.benchmarks import plant
from tests.benchmarks.report import Figure, Report
from tests.benchmarks.scale import scaled

STREAMS = scaled(10_000, 100)
STEPS = 160


def test_state(tmp_path: Path, report: Report) -> None:
    """Every stream has windows, a profile and a threshold with some history."""
    family = plant.family()
    pipeline = plant.pipeline(family, plant.trained(tmp_path, family, STREAMS))
    codes = pipeline.index.intern(plant.names(STREAMS))
    pipeline.load(codes, [None] * STREAMS)
    windows = 0
    for step, values in enumerate(plant.readings(STREAMS, STEPS)):
        windows += len(pipeline.process(plant.step_of(codes, step, values, family)).scores)
    assert windows >= STREAMS * (STEPS - plant.LENGTH) // 10
    megabytes = held(pipeline) / 1e6 * 10_000 / STREAMS
    detail = {"saved_bytes_per_stream": pipeline.state_size}
    report.add(Figure("state of 10,000 streams", round(megabytes, 1), (40, 25, 20), "MB", most=True, detail=detail))


def held(pipeline: Pipeline) -> int:
    """Bytes of all arrays that can be reached from it, less the model."""
    seen: dict[int, object] = {id(pipeline.scorer): pipeline.scorer}
    waiting: list[object] = [pipeline]
    total = 0
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, type | ModuleType | FunctionType):
            continue
        seen[id(one)] = one
        if isinstance(one, np.ndarray) and one.base is None:
            total += one.nbytes
        waiting += gc.get_referents(one)
    return total
