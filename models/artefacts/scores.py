"""What normal scores look like: the clean mode of the held-out windows' scores.

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
    def of(cls, scores: NDArray[np.float32], past: NDArray[np.float32] | None = None) -> ScoreSummary:
        """Summarise the clean mode of `scores`, (n,), n >= 1.

        Where `past` is given, all scores of a past whose newest ones these are, they may be of several modes, each of
        which is too large a share of it to be faults.
        """
        wide = scores.astype(np.float64)
        clean = clean_mode(wide) if past is None else clean_newest(wide, past.astype(np.float64))
        values = np.quantile(clean, LEVELS)
        quantiles = dict(zip(LEVELS, map(float, values), strict=True))
        return cls(float(clean.mean()), float(clean.std()), quantiles, len(clean), len(scores))

    @classmethod
    def of_newest(cls, scores: NDArray[np.float32], share: float, least: int) -> ScoreSummary:
        """Of the newest part of the scores of a past, (n,) in order of time, at least so many."""
        return cls.of(scores[-max(least, int(share * len(scores))) :], scores)

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
