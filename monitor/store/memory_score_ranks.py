"""`ScoreRanks` over a `MemoryStore`. Shipped with `monitor.testing`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from monitor.ports.score_ranks import Scored
from monitor.store.score_ranks import BEFORE, HOUR, WEEK, share

if TYPE_CHECKING:
    from monitor.store.memory import MemoryStore


class MemoryScoreRanks:
    """The twin; see `ScoreRanks`."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def percentiles(self, asked: Sequence[Scored]) -> list[float | None]:
        """Of each, how many of 100 scores are lower."""
        with self._store.lock:
            return [self._percentile(each) for each in asked]

    def reword(self, texts: Mapping[int, str]) -> None:
        """Keep other payloads."""
        with self._store.lock:
            for id_, text in texts.items():
                row = self._store.outbox[id_]
                if row.pending and not row.delivery.attempts:
                    row.delivery = replace(row.delivery, payload=text)

    def close(self) -> None:
        """Nothing to give back."""

    def _percentile(self, of: Scored) -> float | None:
        begin, stream = of.at - WEEK, self._store.streams.get((of.run, of.family, of.stream))
        rows = {end: row for (id_, end), row in self._store.scores.items() if id_ == stream}
        if not any(begin - BEFORE <= end <= begin + HOUR for end in rows):
            return None
        scores = [float(row.score[0]) for end, row in rows.items() if begin <= end <= of.at]
        scores = [score for score in scores if not math.isnan(score)]
        return share(sum(score < of.score for score in scores), len(scores))
