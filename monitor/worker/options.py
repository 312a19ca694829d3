"""How a worker runs."""

from __future__ import annotations

from dataclasses import dataclass, field

from monitor.records.batches import LIVE
from monitor.records.score_summaries import Policy
from monitor.worker.commit_builder import Announce


@dataclass(frozen=True, slots=True)
class Plan:
    """How to run: `interval` seconds between commits; `live` compares times with the wall clock.

    `patience` is how many seconds a rebalance may be held up by a store that does not answer.
    """

    run: str = LIVE
    interval: float = 1.0
    live: bool = True
    until_end: bool = False  # stop when everything that is there has been read
    announce: Announce = field(default=lambda transition, alert, evidence: [])
    patience: float = 60.0
    scores: Policy = "all"  # which get a row
