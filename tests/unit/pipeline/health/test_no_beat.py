"""Hearts that stop, sample by sample: what the alert says is the same however the samples were cut."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.config.families import Family
from monitor.pipeline.alerting.health_alerts import HealthFacts
from monitor.pipeline.health.no_beat import NoBeat
from monitor.records.batches import Windows
from monitor.records.streams import StreamIndex
from tests.ecg import gridded, times

RATE = 100
NO_BEATS = Windows(
    np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 32, 1), np.float32),
    np.zeros(0, np.float32),
)  # fmt: skip


def causes(samples: np.ndarray[tuple[int], np.dtype[np.float32]], *cuts: int) -> list[str]:
    index = StreamIndex()
    index.intern(["m-1"])
    window = {"kind": "beat", "length": 32, "rate": RATE}
    made = NoBeat(Family.model_validate({"topic": "t", "interval": "none", "window": window}), index)
    made.columns.grow(1)
    facts, time, none = HealthFacts("live", "f"), times(len(samples), RATE), np.zeros(0)
    for rows in np.split(np.arange(len(samples)), cuts):
        made.take(gridded(samples[rows], time[rows], int(rows[0])), time[rows], NO_BEATS, none, facts)
    return [fact.cause for fact in facts.facts]


@pytest.mark.parametrize("cuts", [(), (750,), (890,), (899, 900, 901)])
def test_the_cause_is_that_of_the_moment_at_which_it_is_known(cuts: tuple[int, ...]) -> None:
    samples = np.random.default_rng(1).normal(size=950).astype(np.float32)
    samples[750:] = 0.25  # the alert opens after 7 s, and is known after 9 s
    assert causes(samples, *cuts) == ["no heartbeat for 7 s, the line is flat at 0.25"]
