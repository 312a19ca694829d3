"""One measurement in a process of its own: `python -m tests.benchmarks.lane MODULE.FUNCTION ...` prints a line of JSON.

The functions are those of the modules in `lanes`; they take text and return what is printed.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from importlib import import_module
from pathlib import Path

WARM = 5  # the first 1 / WARM of the records does not count: by then every stream is known and every part is warm


class Clock:
    """Time and records between the end of the warm-up and the newest tick."""

    def __init__(self, records: int) -> None:
        self.records, self._first, self._last = records, (0, 0.0), (0, 0.0)

    def tick(self, done: int) -> None:
        """So many records have been read."""
        self._last = (done, time.perf_counter())
        if not self._first[0] and done >= self.records // WARM:
            self._first = self._last

    @property
    def rate(self) -> float:
        """Records per second."""
        return (self._last[0] - self._first[0]) / (self._last[1] - self._first[1])


def rss_mb() -> float:
    """Memory that this process holds now, in millions of bytes."""
    return float(_status("VmRSS"))


def main() -> None:
    """Run the lane that the command line names."""
    module, _, name = sys.argv[1].partition(".")
    function = getattr(import_module(f"tests.benchmarks.lanes.{module}"), name)
    gc.collect()
    gc.freeze()
    found = function(*sys.argv[2:])
    print(json.dumps(found | {"peak_mb": round(_status("VmHWM"))}))


def _status(name: str) -> float:
    return int(Path("/proc/self/status").read_text().partition(f"{name}:")[2].split()[0]) * 1024 / 1e6


if __name__ == "__main__":
    main()
