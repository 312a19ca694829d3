"""How long it takes until there is an answer: `--help`, and a worker that is ready to read and to score."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from tests.benchmarks.report import Figure, Report
from tests.benchmarks.rig import Rig, lane
from tests.benchmarks.scale import scaled

TRIES = scaled(5, 2)


def test_help(report: Report) -> None:
    command = [str(Path(sys.executable).parent / "watchkeeper"), "--help"]
    found = []
    for _ in range(TRIES):
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        found.append(time.perf_counter() - began)
    report.add(Figure("watchkeeper --help, best", round(min(found), 3), (0.15,), "s", most=True))


def test_ready(tmp_path: Path, report: Report) -> None:
    """From the start of the process to the first poll, with the family's model loaded; no broker has to answer."""
    config = Rig(tmp_path, "127.0.0.1:9", 16).prepare()
    found = [lane("product.ready", config, time.time())["seconds"] for _ in range(TRIES)]
    report.add(Figure("worker ready to score, best", min(found), (0.8,), "s", most=True))
