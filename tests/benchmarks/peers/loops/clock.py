"""The clock of all peers: as that of the product, it starts when a fifth of the records has been read.

Each peer is `python with_PEER.py SERVERS TOPIC RECORDS` and prints a line of JSON with its rate.
"""

import json
import os
import sys
import time

WARM = 5
SERVERS, TOPIC, RECORDS = sys.argv[1], sys.argv[2], int(sys.argv[3])
GROUP = f"peer-{time.time_ns()}"
LENGTH = 140  # readings in a window
HOP = 10


class Clock:
    """Told about every record; prints the rate and ends the process when there were enough."""

    def __init__(self) -> None:
        self.done = self._first = 0
        self._began = 0.0

    def tick(self, records: int = 1) -> None:
        """So many more have been processed."""
        self.done += records
        if not self._began and self.done >= RECORDS // WARM:
            self._first, self._began = self.done, time.perf_counter()
        if self.done >= RECORDS:
            rate = (self.done - self._first) / (time.perf_counter() - self._began)
            print(json.dumps({"rate": round(rate)}), flush=True)
            os._exit(0)  # frameworks take seconds to stop; what was measured is over


clock = Clock()
