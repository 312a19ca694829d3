"""How long a beat that was found waits until it is emitted.

Most wait for the last samples of their window. An early one also waits for the next beat, which says what it is: an
ectopic beat is followed by a pause or by another early one, noise that was taken for a beat lies between two that are
in time. The wait ends when the next beat would be late for one expected interval since the beat before.
"""

from __future__ import annotations

import numpy as np

from monitor.pipeline.windowing.beats.found import Found
from monitor.records.batches import NEVER, Float64, Int64

EARLY = 0.15  # share of the expected interval
WITHIN = 1.15  # of one expected interval, from the beat before to the next one
LONGEST = 1.6  # s after the R-peak, while its samples are kept


def wait(found: Found, rate: float, behind: int, latest: int) -> tuple[Int64, Float64]:
    """How many samples of its stream must be known to emit each beat, and the time to the next one, s, or NaN.

    A window ends `behind` samples after its R-peak; the next R-peak is found `latest` samples after itself, or it
    counts as unknown: so the answer does not depend on how the samples are cut into batches.
    """
    expected = found.interval / np.maximum(found.rhythm, np.finfo(np.float32).tiny)
    due = np.minimum(rate * (WITHIN * expected - found.interval) + latest, rate * LONGEST)
    waits = ~np.isnan(due) & (found.rhythm < 1 - EARLY)
    end = found.peak + np.where(waits, due, 0).astype(np.int64)
    known = np.append(found.known[1:], NEVER)
    follows = (np.append(found.row[1:], -1) == found.row) & waits & (known <= end)
    needed = np.maximum(np.maximum(found.known, found.peak + behind), np.where(follows, known, end))
    return needed, np.where(follows, (np.append(found.peak[1:], 0) - found.peak) / rate, np.nan)
