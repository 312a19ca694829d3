"""The readings that windows bring: each repeats all but the newest ones of the window before it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from monitor.records.batches import Float32, Int32, Int64, Windows


class Fresh(NamedTuple):
    """Readings that no window before held: stream (n,) and values (n, channels), in order of time within each stream.

    `last` (m,) is the newest one of each window.
    """

    stream: Int32
    values: Float32
    last: Int64


def new_readings(windows: Windows, hop: int) -> Fresh:
    """Of windows (m, length, channels), sorted by stream and time, one every `hop` readings."""
    count = min(hop, windows.values.shape[1])
    values = windows.values[:, -count:].reshape(-1, windows.values.shape[2])
    return Fresh(
        np.repeat(windows.stream, count), np.ascontiguousarray(values), np.arange(1, len(windows) + 1) * count - 1
    )
