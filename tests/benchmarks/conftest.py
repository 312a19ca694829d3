"""One report for the whole run, and a real broker."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.benchmarks.report import Report
from tests.benchmarks.scale import SCALE
from tests.integration.broker import kafka

__all__ = ["kafka"]


@pytest.fixture(scope="session")
def report() -> Iterator[Report]:
    """Shown at the end; `make bench` keeps it, if it is in full size."""
    found = Report()
    yield found
    found.show()
    if os.environ.get("BENCH_RECORD") == "1" and SCALE == 1 and found.figures:
        found.write()
