"""The seam to the scores that are kept of a stream: how many of them are lower than one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol


class Scored(NamedTuple):
    """A score of a stream that is compared with those of the windows that ended until `at` (event time, ns)."""

    run: str
    family: str
    stream: str
    at: int
    score: float


class ScoreRanks(Protocol):
    """What a dispatcher asks of scores, and the messages that say the answer. Both raise StoreError."""

    def percentiles(self, asked: Sequence[Scored]) -> list[float | None]:
        """Of each, how many of 100 scores in the seven days before `at` are lower, 0 to 100, to two decimals.

        None where the stream is not known, where its scores do not cover these days (the first one is more than an hour
        younger), or where there are more than `monitor.store.score_ranks.MOST` of them.
        """
        ...

    def reword(self, texts: Mapping[int, str]) -> None:
        """Keep other payloads of messages that were claimed and not tried, by `Delivery.id`: repeats are the same."""
        ...
