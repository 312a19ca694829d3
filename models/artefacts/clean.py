"""Which windows of the past are clean: the one place that says so. The past holds faults, without labels.

Scores and losses of clean windows are near log-normal, and faults only make them larger. So centre and spread are
taken from the smallest values, on a log scale, and the spread below the centre only. From there, three questions:

- `clean_mode`: whose scores does a limit start from? Those within `REACH` spreads of the centre.
- `clean_edge`: what may a net learn? Everything up to the first gap, rare but gradual kinds of normal too. On ECG5000 a
  net that learns the mode only loses .01 of its AUC, and a limit that starts from everything up to the gap is too high.
- `clean_windows`: what of that is no fault although it lies above? What lasts, and fills more than a quarter of the
  past: another way in which the machine runs, such as a weekend, a night shift, a second product. Short faults are in
  many windows, so only stretches count in which whole windows lie, and those windows only.

>>> scores = np.concatenate([np.linspace(0.9, 1.1, 95), np.full(5, 40.0)])
>>> len(clean_mode(scores)), round(clean_edge(scores, keep=0.6, reach=3.0), 3)
(95, 1.1)
>>> two_ways = np.concatenate([np.linspace(0.9, 1.1, 65), np.linspace(18.0, 20.0, 35)])
>>> int(clean_windows(two_ways, edge=1.1, shared=3).sum())
100
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

CORE = 0.6  # share of the smallest values that is taken to be clean
MOST_FAULTS = 0.25  # share of the past: what happens more often is normal
OF_ONE_WAY = 3.0  # times the loss of most: so far apart are windows of a way that has not been learned
FEWEST = 10  # windows of a second way of running that say something about a limit
REACH = 4.0  # how many spreads above its centre the clean mode goes
ONE_BELOW = 0.16  # this quantile of a normal distribution is one standard deviation below its median
SMALLEST_GAP = 0.1  # of logs: a tenth more is no fault, however alike the other windows are
ROUNDING = 1e-5  # a loss may come out this much larger when computed in another batch
TINY = float(np.finfo(np.float32).tiny)
HUGE = float(np.finfo(np.float64).max)  # a loss may be infinite: between two of them there is no gap

Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]


def clean_mode(scores: Float64) -> Float64:
    """The scores of the main mode, sorted; those of faults that hide in the history, far above it, are left out.

    Starting from the smallest 60 %, everything within 4 spreads of the centre joins, until nothing changes.
    """
    logs, size, before = _logs(scores), math.ceil(CORE * len(scores)), 0
    while size != before:
        centre, spread = _centre_and_spread(logs[:size])
        before, size = size, max(size, int(np.searchsorted(logs, centre + REACH * spread, side="right")))
    return np.sort(scores)[:size]


def clean_newest(past: Float64, count: int, shared: int | None) -> Float64:
    """The clean ones, sorted, among the newest `count` scores of a past, in order of time: see `clean_windows`."""
    newest, edge = past[-count:], clean_mode(past)[-1]
    second = (clean_windows(past, edge, shared) & (past > edge))[-count:]
    if second.sum() < FEWEST:
        return clean_mode(newest)
    first = newest[~second]
    return np.sort(np.concatenate([newest[second], clean_mode(first) if len(first) else first]))


def clean_windows(losses: Float64, edge: float, shared: int | None) -> Bool:
    """Which windows of a past are clean, (n,), by losses in order of time: up to the edge, or another way of running.

    A window shares readings with `shared` windows before it; None where that is not known, as windows are of several
    streams, so that nothing shows what lasts.
    """
    clean = np.asarray(losses <= edge)
    if shared is None:
        return clean
    unlike = ~clean
    for start, end in _runs(clean)[1:-1]:
        unlike[start:end] |= end - start <= shared // 2  # too short for a stretch that is like the others
    stretches = [(start, end) for start, end in _runs(unlike) if end - start > 2 * shared]
    if sum(end - start - shared for start, end in stretches) <= MOST_FAULTS * len(losses):
        return clean
    lasting = np.zeros_like(clean)
    for start, end in stretches:
        lasting[start:end] = True
    return clean | (lasting & (losses <= clean_edge(losses[lasting], CORE, OF_ONE_WAY)))


def clean_edge(losses: Float64, keep: float, reach: float) -> float:
    """The loss above which windows are faults that a trimmed training did not learn: where the first gap begins.

    The training learned from the share `keep`, and from losses up to `reach` times the largest of it; the search starts
    there. A gap is a step of the log loss wider than half of their spread. Without a gap everything is clean.
    """
    logs = _logs(losses)
    core = logs[: math.ceil(keep * len(logs))]
    _, spread = _centre_and_spread(core)
    start = int((logs <= core[-1] + math.log(reach)).sum())
    gaps = np.flatnonzero(np.diff(logs[start - 1 :]) > max(spread / 2, SMALLEST_GAP))
    last = start + int(gaps[0]) - 1 if len(gaps) else len(logs) - 1
    return math.exp(logs[last]) * (1 + ROUNDING)


def _runs(those: Bool) -> list[tuple[int, int]]:
    """From where to where they are in a row."""
    turns = np.flatnonzero(np.diff(those, prepend=False, append=False)).reshape(-1, 2)
    return [(int(start), int(end)) for start, end in turns]


def _logs(values: Float64) -> Float64:
    return np.log(np.clip(np.sort(values), TINY, HUGE))


def _centre_and_spread(logs: Float64) -> tuple[float, float]:
    centre, below = np.quantile(logs, (0.5, ONE_BELOW))
    return float(centre), float(centre - below)
