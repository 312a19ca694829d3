"""A day of 10,000 streams that send a reading every 10 s: 86.4 million readings, and memory that does not grow.

The readings are made in memory, column by column, a step of all streams at a time; everything behind Kafka and the
decoder is the product: windows, scores, thresholds, alerts, the guarantee, anomalies into SQLite.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median

import pytest

from tests.benchmarks.report import Figure, Report
from tests.benchmarks.rig import Rig, lane
from tests.benchmarks.scale import scaled

STREAMS = scaled(10_000, 200)
STEPS = scaled(8640, 300)


@pytest.mark.timeout(7200)
def test_memory(tmp_path: Path, report: Report) -> None:
    """RSS in the last quarter against that in the second, when all is warm."""
    rig = Rig(tmp_path, "127.0.0.1:9", STREAMS, interval="10s", store='scores = "anomalies"')
    found = lane("day.run", rig.prepare(), STREAMS, STEPS)
    assert found["readings"] == STREAMS * STEPS
    memory, quarter = found["rss_mb"], len(found["rss_mb"]) // 4
    second, last = median(memory[quarter : 2 * quarter]), median(memory[-quarter:])
    detail = {"readings": found["readings"], "readings_per_s": found["rate"], "peak_mb": found["peak_mb"]}
    name = f"24 h of {STREAMS:,} streams: memory in the last quarter / the second"
    report.add(Figure(name, round(last / second, 3), (1.05,), most=True, detail=detail))
