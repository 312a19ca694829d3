"""How the worker waits while SQL is unavailable."""

from __future__ import annotations

import time

from monitor.ports.source import Source
from monitor.worker.committer import Wait


def in_group(source: Source) -> Wait:
    """Waits in the group, without fetching, for as long as it takes."""

    def hold(seconds: float) -> bool:
        source.hold(seconds)
        return True

    return hold


def at_most(seconds: float) -> Wait:
    """Waits within a rebalance, which holds up the whole group: for so many seconds from now in all."""
    end = time.monotonic() + seconds

    def sleep(duration: float) -> bool:
        if time.monotonic() + duration > end:
            return False
        time.sleep(duration)
        return True

    return sleep
