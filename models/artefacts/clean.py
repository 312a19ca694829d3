"""Which windows of the past are clean: the one place that says so. The past holds faults, without labels.

Scores and losses of clean windows are near log-normal, and faults only make them larger. So centre and spread are
taken from the smallest values, on a log scale, and the spread below the centre only. From there, three questions:

- `clean_mode`: whose scores does a limit start from? Those within `REACH` spreads of the centre.
- `clean_past`: up to which score, or distance, is the past clean? The same, of the whole past.
- `clean_edge`: what may a net learn? Everything up to the first gap, rare but gradual kinds of normal too. On ECG5000 a
  net that learns the mode only loses .01 of its AUC, and a limit that starts from everything up to the gap is too high.

What is more than a quarter of the past is no fault, but another way in which the machine runs: a weekend, a night
shift, a second product. Where the last two would leave out so many windows, they take them, up to the first gap above
the other three quarters. The first one does not: a quarter of the newest windows, its subject, may be one fault.

>>> scores = np.concatenate([np.linspace(0.9, 1.1, 95), np.full(5, 40.0)])
>>> len(clean_mode(scores)), round(clean_edge(scores, keep=0.6, reach=3.0), 3)
(95, 1.1)
>>> two_ways = np.concatenate([np.linspace(0.9, 1.1, 65), np.linspace(18.0, 20.0, 35)])
>>> round(clean_past(two_ways), 1), round(clean_edge(two_ways, keep=0.6, reach=3.0), 1)
(20.0, 20.0)
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

CORE = 0.6  # share of the smallest values that is taken to be clean
MOST_FAULTS = 0.25  # share of the past: what happens more often is normal
REACH = 4.0  # how many spreads above its centre the clean mode goes
ONE_BELOW = 0.16  # this quantile of a normal distribution is one standard deviation below its median
SMALLEST_GAP = 0.1  # of logs: a tenth more is no fault, however alike the other windows are
ROUNDING = 1e-5  # a loss may come out this much larger when computed in another batch
TINY = float(np.finfo(np.float32).tiny)
HUGE = float(np.finfo(np.float64).max)  # a loss may be infinite: between two of them there is no gap

Float64 = NDArray[np.float64]


def clean_mode(scores: Float64) -> Float64:
    """The scores of the main mode, sorted; those of faults that hide in the history, far above it, are left out.

    Starting from the smallest 60 %, everything within 4 spreads of the centre joins, until nothing changes.
    """
    logs, size, before = _logs(scores), math.ceil(CORE * len(scores)), 0
    while size != before:
        centre, spread = _centre_and_spread(logs[:size])
        before, size = size, max(size, int(np.searchsorted(logs, centre + REACH * spread, side="right")))
    return np.sort(scores)[:size]


def clean_newest(newest: Float64, past: Float64) -> Float64:
    """The clean ones among the newest scores of a past, sorted; `past` are all of its scores, or those of a part."""
    below = newest[newest <= clean_past(past)]
    return clean_mode(newest) if _is_one_mode(past) or not len(below) else np.sort(below)


def clean_past(scores: Float64) -> float:
    """The score, or distance, beyond which windows of the past are faults: the end of the main mode, or a gap."""
    if _is_one_mode(scores):
        return float(clean_mode(scores)[-1])
    return clean_edge(scores, keep=1 - MOST_FAULTS, reach=1)


def clean_edge(losses: Float64, keep: float, reach: float) -> float:
    """The loss above which windows are faults that a trimmed training did not learn: where the first gap begins.

    The training learned from the share `keep`, and from losses up to `reach` times the largest of it; the search starts
    there. A gap is a step of the log loss wider than half of their spread. Without a gap everything is clean.
    """
    logs = _logs(losses)
    core = logs[: math.ceil(keep * len(logs))]
    _, spread = _centre_and_spread(core)
    learned = int((logs <= core[-1] + math.log(reach)).sum())
    start = max(learned, math.ceil((1 - MOST_FAULTS) * len(logs)))
    gaps = np.flatnonzero(np.diff(logs[start - 1 :]) > max(spread / 2, SMALLEST_GAP))
    last = start + int(gaps[0]) - 1 if len(gaps) else len(logs) - 1
    return math.exp(logs[last]) * (1 + ROUNDING)


def _is_one_mode(past: Float64) -> bool:
    """Whether what lies above the main mode is not too much to be faults."""
    return len(clean_mode(past)) >= (1 - MOST_FAULTS) * len(past)


def _logs(values: Float64) -> Float64:
    return np.log(np.clip(np.sort(values), TINY, HUGE))


def _centre_and_spread(logs: Float64) -> tuple[float, float]:
    centre, below = np.quantile(logs, (0.5, ONE_BELOW))
    return float(centre), float(centre - below)
