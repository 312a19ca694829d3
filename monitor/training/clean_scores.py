"""Which scores of a file's training part a limit starts from: all but those of short faults.

A limit that counts every score has to be above the faults of the past, and so is blind to those of the future. A limit
that starts from the main mode alone alarms at everything that is normal but rare: a night, a start-up, a daily jump.
Time and distance tell them apart. A faulty reading lies in as many windows as a window is long, so that scores are high
for that long; a state of the stream lasts longer. And a fault stands apart: its scores are more than `APART` times as
large as all others.

>>> scores = np.ones(200, np.float32) + np.tile([0, 0.5], 100)
>>> scores[50:62] = scores[120:132] = 9
>>> len(without_faults(scores, longest=24))
176
>>> len(without_faults(scores, longest=6))  # a state that lasts: it may come again
200
"""

from __future__ import annotations

import math

import numpy as np

from monitor.records.batches import Bool, Float32, Float64

CORE = 0.6  # share of the smallest scores that is taken to be clean
APART = 2.0


def without_faults(scores: Float32, longest: int) -> Float64:
    """Scores (n,) in order of time, less those that stand apart, for no more than `longest` windows at a time."""
    wide = scores.astype(np.float64)
    ordered = np.sort(wide)
    core = min(math.ceil(CORE * len(ordered)), len(ordered) - 1)
    gaps = core + np.flatnonzero(ordered[core + 1 :] > APART * ordered[core:-1])
    for gap in gaps.tolist():
        high = wide > ordered[gap]
        if _longest_run(high) <= longest:
            return np.asarray(wide[~high])
    return wide


def _longest_run(mask: Bool) -> int:
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False))
    return int((edges[1::2] - edges[::2]).max(initial=0))
