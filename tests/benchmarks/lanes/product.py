"""The whole product, as `watchkeeper run` runs it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.benchmarks.lane import Clock


def work(config: Path, stop: Callable[[int], bool], watch: Callable[[int], None]) -> dict[str, int]:
    """A worker until `stop`, which is asked with the number of records read; all of them are committed at return."""
    from monitor.bootstrap import worker
    from monitor.config.settings import load
    from monitor.observability import logs

    logs.configure(json=True)
    with worker(load(config), config, until_end=False) as (runner, *_):
        totals = runner.run(lambda: stop(runner.totals.records), lambda totals: watch(totals.records))
        watch(totals.records)
    return asdict(totals)


def backlog(config: str, records: str) -> dict[str, Any]:
    """Up to that many records, from the end of the warm-up to the commit of the last one."""
    wanted, clock = int(records), Clock(int(records))
    totals = work(Path(config), lambda done: done >= wanted, clock.tick)
    return {"rate": round(clock.rate)} | totals


def ready(config: str, began: str) -> None:
    """Seconds since `began` (wall clock) when the source is polled for the first time."""
    from monitor.cli.app import main
    from monitor.sources.kafka import KafkaSource

    def poll(_source: KafkaSource, _timeout: float) -> None:
        print(f'{{"seconds": {time.time() - float(began):.3f}}}', flush=True)
        os._exit(0)

    KafkaSource.poll = poll  # type: ignore[assignment,method-assign]
    sys.argv = ["watchkeeper", "run", config]
    main()
