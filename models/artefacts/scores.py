"""What normal scores look like: the clean mode of the held-out windows' scores.

Faults that hide in the history, far above the clean mode, are left out:

>>> scores = np.concatenate([np.linspace(0.9, 1.1, 95), np.full(5, 40.0)]).astype(np.float32)
>>> summary = ScoreSummary.of(scores)
>>> (summary.count, summary.total), round(summary.limit(n_std=3), 2)
((95, 100), 1.18)
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

CORE = 0.6  # share of the smallest scores that is taken to be clean
REACH = 4.0  # how many spreads above its centre the clean mode goes
ONE_BELOW = 0.16  # this quantile of a normal distribution is one standard deviation below its median
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999)
TINY = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class ScoreSummary:
    """Distribution of clean scores, in the unit of the detector. `quantiles` by level; `count` clean of `total`."""

    mean: float
    std: float
    quantiles: dict[float, float]
    count: int
    total: int

    @classmethod
    def of(cls, scores: NDArray[np.float32]) -> ScoreSummary:
        """Summarise the clean mode of `scores`, (n,), n >= 1."""
        clean = clean_mode(scores.astype(np.float64))
        values = np.quantile(clean, LEVELS)
        quantiles = dict(zip(LEVELS, map(float, values), strict=True))
        return cls(float(clean.mean()), float(clean.std()), quantiles, len(clean), len(scores))

    def limit(self, n_std: float) -> float:
        """mean + n_std standard deviations: above it a window is anomalous. Never 0: score / limit is finite."""
        return max(self.mean + n_std * self.std, TINY)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> ScoreSummary:
        """The summary that `to_dict` described; JSON turned the levels into text."""
        return cls(**{**fields, "quantiles": {float(level): value for level, value in fields["quantiles"].items()}})


def clean_mode(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """The scores of the main mode, sorted; those of faults that hide in the history, far above it, are left out.

    Scores are near log-normal. Starting from the smallest 60 %, centre and spread of the log scores are estimated
    (the spread below the centre only, where no fault is), everything within 4 spreads joins, until nothing changes.
    """
    logs = np.log(np.maximum(np.sort(scores), TINY))
    size, before = math.ceil(CORE * len(logs)), 0
    while size != before:
        centre, below = np.quantile(logs[:size], (0.5, ONE_BELOW))
        before, size = size, max(size, int(np.searchsorted(logs, centre + REACH * (centre - below), side="right")))
    return np.sort(scores)[:size]
