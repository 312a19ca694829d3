"""The product on readings as they come: how much of a core that takes, and its training."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.lanes.latency import READY
from tests.benchmarks.lanes.product import work


def share(config: str, records: str, warm: str) -> dict[str, Any]:
    """Processor time over time, from the first `warm` records, when it says that it is ready, to the last one."""
    first, newest = (0.0, 0.0), (0.0, 0.0)

    def watch(done: int) -> None:
        nonlocal first, newest
        newest = time.process_time(), time.perf_counter()
        if done >= int(warm) and not first[1]:
            first = newest
            print(READY, flush=True)

    totals = work(Path(config), lambda done: done >= int(records), watch)
    cpu, wall = newest[0] - first[0], newest[1] - first[1]
    return {"share": cpu / wall, "seconds": round(wall)} | totals


def training(config: str) -> dict[str, Any]:
    """Processor time, s, of a training as a worker starts it."""
    command = [sys.executable, "-P", "-m", "monitor", "train", config, "--challenge", "--background", "--quiet"]
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"cpu_s": used.ru_utime + used.ru_stime, "wall_s": round(time.perf_counter() - began)}
