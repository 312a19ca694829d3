"""How a worker runs."""

from __future__ import annotations

from dataclasses import dataclass, field

from monitor.records.batches import LIVE
from monitor.records.score_summaries import Policy
from monitor.worker.commit_builder import Announce


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """How to run: `commit_interval` seconds between commits; `live` compares times with the wall clock.

    `rebalance_timeout` is how many seconds a rebalance may be held up by a store that does not answer.
    """

    run: str = LIVE
    commit_interval: float = 1.0
    live: bool = True
    until_end: bool = False  # stop when everything that is there has been read
    announce: Announce = field(default=lambda transition, alert, evidence: [])
    rebalance_timeout: float = 60.0
    scores: Policy = "all"  # which get a row
