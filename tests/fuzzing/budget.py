"""How long a fuzzer goes on, and how much memory it may take."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LONG = os.environ.get("CHAOS_LONG") == "1"
SECONDS = float(os.environ.get("CHAOS_FUZZ_S", "600" if LONG else "5"))
SEED = int(os.environ.get("CHAOS_FUZZ_SEED", "0")) or (random.SystemRandom().randrange(1, 2**32) if LONG else 1)


def rounds() -> Iterator[random.Random]:
    """A generator of chance for each round, until the time is over; at least one round."""
    end, number = time.monotonic() + SECONDS, 0
    print(f"CHAOS_FUZZ_SEED={SEED} repeats this")
    while number == 0 or time.monotonic() < end:
        yield random.Random(f"{SEED}/{number}")
        number += 1
    print(f"{number:,} rounds")


@contextmanager
def bounded_memory(given: int, factor: int, free: int) -> Iterator[None]:
    """Memory may grow by `factor` times the `given` bytes, and by `free` bytes whatever was given, at its peak."""
    status = Path("/proc/self/status")
    if not status.exists():  # only Linux says it
        yield
        return
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins again
    before = _kib(status, "VmRSS")
    yield
    grown = 1024 * (_kib(status, "VmHWM") - before)
    assert grown <= free + factor * given, f"{given:,} bytes took {grown:,} bytes of memory"


def _kib(status: Path, name: str) -> int:
    (line,) = (line for line in status.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1])
