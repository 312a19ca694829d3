"""What the clean scores of held-out windows say of the next clean one: the limit with a stated false-alarm rate.

Errors of clean windows are near log-normal, whatever the net: so centre and spread are those of their logs. They follow
from the mean and standard deviation of the clean mode, which is what a profile and an artefact keep.

>>> round(limit(mean=1.0, std=0.0), 3)
1.0
>>> round(limit(mean=1.0, std=0.3), 2), round(limit(mean=1.0, std=0.3, false_alarms=1e-4), 2)
(2.23, 2.85)
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Final, NamedTuple

FALSE_ALARMS: Final = 1 / 500  # share of clean windows above the limit
TINY = 1e-30


class LogScores(NamedTuple):
    """Mean and standard deviation of the logs of clean scores."""

    centre: float
    spread: float


def log_scores(mean: float, std: float) -> LogScores:
    """Of scores with this mean and standard deviation."""
    level = max(mean, TINY)
    variance = math.log1p((std / level) ** 2)
    return LogScores(math.log(level) - variance / 2, math.sqrt(variance))


def deviations(false_alarms: float = FALSE_ALARMS) -> float:
    """How many standard deviations above their centre the logs of so few clean scores lie."""
    return NormalDist().inv_cdf(1 - false_alarms)


def limit(mean: float, std: float, false_alarms: float = FALSE_ALARMS) -> float:
    """The score that the share `false_alarms` of clean windows exceeds."""
    logs = log_scores(mean, std)
    return math.exp(logs.centre + deviations(false_alarms) * logs.spread)
