"""Options of a worker."""

from __future__ import annotations

from dataclasses import dataclass, field

from monitor.records.batches import LIVE
from monitor.records.score_summaries import Policy
from monitor.worker.commit_builder import Announce


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """`run` is the run's name, `commit_interval` in seconds; `live` compares event times with the wall clock.

    `rebalance_timeout` is how many seconds a rebalance may wait for a store that does not answer.
    """

    run: str = LIVE
    commit_interval: float = 1.0
    live: bool = True
    until_end: bool = False  # stop when everything has been read
    announce: Announce = field(default=lambda transition, alert, evidence: [])
    rebalance_timeout: float = 60.0
    scores: Policy = "all"  # which scores get a row
