"""How a worker sets the Python interpreter: few garbage collections, and fast hand-over to the committing thread."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

SWITCH_S = 0.0005  # a commit asks for Python's lock a hundred times; with Python's 5 ms each it takes ten times as long
GARBAGE = 200_000  # new objects until the collector looks for cycles: more than any batch of messages has


@contextmanager
def tuned() -> Iterator[None]:
    """Enter when everything is loaded and reading begins; leaving restores what was set before."""
    threshold, interval, frozen = gc.get_threshold(), sys.getswitchinterval(), gc.get_freeze_count()
    gc.collect()
    gc.freeze()  # objects made until now are not searched for cycles with every batch of messages
    gc.set_threshold(GARBAGE, 20, 20)
    sys.setswitchinterval(SWITCH_S)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
        gc.set_threshold(*threshold)
        if not frozen:  # else those of the process that this worker is a part of would thaw with ours
            gc.unfreeze()
