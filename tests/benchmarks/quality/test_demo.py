"""What `watchkeeper demo` finds of five plants, and how often it calls where nothing is wrong.

With BENCH_RECORD=1 the figures are kept beside those of `test_quality`, which writes the page.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from monitor.cli.evaluation import results
from monitor.cli.evaluation.measures import Measure, Result

KEPT = Path(__file__).parents[3] / "docs" / "quality.json"
SEEDS = range(5)
FOUND, FALSE = 0.97, 3  # share of the faults, and false alerts of all plants

pytestmark = pytest.mark.timeout(3600)


def test_the_demo_finds_what_is_wrong(tmp_path: Path) -> None:
    reports = [run(tmp_path / str(seed), seed) for seed in SEEDS]
    for seed, report in zip(SEEDS, reports, strict=True):
        print(f"seed {seed}: {report['found']} of {report['detectable']} found, {report['false_alerts']} false alerts")
    if os.environ.get("BENCH_RECORD") == "1":
        results.keep(KEPT, results.read(KEPT), [result(reports)])

    assert sum(report["found"] for report in reports) >= FOUND * sum(report["detectable"] for report in reports)
    assert sum(report["false_alerts"] for report in reports) <= FALSE


def result(reports: list[dict[str, Any]]) -> Result:
    """The figures of every seed."""
    measures = [
        Measure("faults found of 20", tuple(report["found"] for report in reports), goals=(19.4,)),
        Measure(
            "false alerts", tuple(report["false_alerts"] for report in reports), goals=(FALSE / len(SEEDS),), most=True
        ),
    ]
    return Result("demo", "default", 2, tuple(SEEDS), measures)


def run(folder: Path, seed: int) -> dict[str, Any]:
    """The summary of one run, in another process."""
    command = [sys.executable, "-m", "monitor", "demo", "--json", "--seed", str(seed), "--folder", str(folder)]
    done = subprocess.run(command, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return dict(json.loads(done.stdout))
