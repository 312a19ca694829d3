"""How often a worker resumes after a model has failed while scoring, before it ends with that error."""

from __future__ import annotations

import math

DELAYS_S = (5.0, 10.0, 20.0)  # before each retry: a better model may be promoted, or another worker take over
FORGOTTEN_S = 600.0  # after so long without a failure the next one is the first again


class ScoringRetries:
    """Counts the failures of models while scoring; times are monotonic seconds."""

    def __init__(self) -> None:
        self._failures = 0
        self._last = -math.inf

    def delay(self, now: float) -> float | None:
        """Seconds to wait before the retry for the failure at `now`; None when it is better to end."""
        if now - self._last > FORGOTTEN_S:
            self._failures = 0
        self._last = now
        self._failures += 1
        return DELAYS_S[self._failures - 1] if self._failures <= len(DELAYS_S) else None
