"""What normal scores look like: the clean mode of the held-out windows' scores, and those of another way of running.

Faults that hide in the history, far above the clean mode, are left out:

>>> scores = np.concatenate([np.linspace(0.9, 1.1, 95), np.full(5, 40.0)]).astype(np.float32)
>>> summary = ScoreSummary.of(scores)
>>> (summary.count, summary.total), round(summary.limit(n_std=3), 2)
((95, 100), 1.18)
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.artefacts.clean import TINY, clean_mode, clean_newest

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999)


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
        return cls._of(clean_mode(scores.astype(np.float64)), len(scores))

    @classmethod
    def of_newest(cls, past: NDArray[np.float32], count: int, shared: int | None) -> ScoreSummary:
        """Of the newest `count` scores of a past, in order of time; another way of running is clean, too.

        `shared`: see `models.artefacts.clean.clean_windows`.
        """
        return cls._of(clean_newest(past.astype(np.float64), count, shared), count)

    @classmethod
    def _of(cls, clean: NDArray[np.float64], total: int) -> ScoreSummary:
        quantiles = dict(zip(LEVELS, map(float, np.quantile(clean, LEVELS)), strict=True))
        return cls(float(clean.mean()), float(clean.std()), quantiles, len(clean), total)

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
