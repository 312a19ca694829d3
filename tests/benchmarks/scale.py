"""How large the benchmarks are: `BENCH_SCALE=0.02 make bench` is a quick check that they work, not a measurement."""

from __future__ import annotations

import os

SCALE = float(os.environ.get("BENCH_SCALE", "1"))


def scaled(number: int, least: int = 1) -> int:
    """`number` times the scale, but not below `least`."""
    return max(least, round(number * SCALE))
