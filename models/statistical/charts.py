"""Control charts over standardised values, (n, steps): how far each step lies, in units of the limit of its chart.

Above 1 a chart signals. Values are standard normal while a process is in control; the run lengths to the first signal,
which the tests compare with published tables, hold for independent ones.

>>> import numpy as np
>>> round(float(xbar(np.array([[0.0, 3.3]]))[0, 1]), 2)
1.1
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

SIGMAS = 3.0
WEIGHT, WIDTH = 0.2, 2.962  # of a moving average, and its limit in its standard deviations: run length 500
DEVIATION = math.sqrt(WEIGHT / (2 - WEIGHT))  # of a moving average of many values
REFERENCE, DECISION = 0.5, 5.0  # of a cumulative sum: run length 465
RULES = ((2, 3, 2.0), (4, 5, 1.0), (8, 8, 0.0))  # so many of so many in succession, on one side, beyond so many sigmas


def xbar(values: Float64) -> Float64:
    """Of single values: three standard deviations (Shewhart 1931). Run length 370.4."""
    return np.abs(values) / SIGMAS


def run_rules(values: Float64) -> Float64:
    """The largest of Shewhart's rule and the run rules of Western Electric (1956), at each step. Run length 91.75.

    A run rule is exceeded as far as the least of its values lies beyond its line, in units of three standard
    deviations: 1 on the line. The first steps have no run yet.
    """
    excess = xbar(values)
    for some, among, line in RULES:
        if values.shape[1] >= among:
            for side in (values, -values):
                steps = np.stack(list(_shifted(side, among)))  # (among, n, steps - among + 1)
                least = np.sort(steps, axis=0)[among - some]
                found = excess[:, among - 1 :]
                np.maximum(found, 1 + (least - line) / SIGMAS, out=found)
    return excess


def _shifted(values: Float64, among: int) -> Iterator[Float64]:
    """The steps of each run of so many, one after the other."""
    steps = values.shape[1] - among + 1
    return (values[:, first : first + steps] for first in range(among))


def ewma(values: Float64, before: Float64 | float = 0.0) -> Float64:
    """Exponentially weighted moving averages (Roberts 1959, doi:10.1080/00401706.1959.10489860), not their excess.

    They go on from the averages `before` (n,). `xbar`-like excess: |average| / (WIDTH * DEVIATION). Run length 500.
    """
    averages = np.empty_like(values)
    for step in range(values.shape[1]):
        before = averages[:, step] = before + WEIGHT * (values[:, step] - before)
    return averages


def cusum(values: Float64, before: Float64 | float = 0.0) -> Float64:
    """Upper cumulative sums (Page 1954, doi:10.1093/biomet/41.1-2.100) going on from those `before`, not their excess.

    The lower ones are those of `-values`. Excess: the larger one / `DECISION`. Run length 465 of both together (168
    with a decision interval of 4), and 10.4 (8.4) once the mean has moved by a standard deviation.
    """
    sums = np.empty_like(values)
    for step in range(values.shape[1]):
        before = sums[:, step] = np.maximum(before + values[:, step] - REFERENCE, 0.0)
    return sums


def spread_limit(size: int) -> float:
    """Three-sigma limit of the standard deviation of so many standard normal values: B6 of the S chart."""
    if size < 2:
        return math.inf
    c4 = math.sqrt(2 / (size - 1)) * math.exp(math.lgamma(size / 2) - math.lgamma((size - 1) / 2))
    return c4 + SIGMAS * math.sqrt(1 - c4 * c4)
