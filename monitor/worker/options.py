"""Options of a worker."""

from __future__ import annotations

from dataclasses import dataclass

from monitor.config.incidents import grouping
from monitor.config.settings import Settings
from monitor.ports.store import Announce, silent
from monitor.records.batches import LIVE
from monitor.records.incidents import BY_FAMILY, Grouping
from monitor.records.recorded_lives import RecordedLives
from monitor.records.score_summaries import Policy
from monitor.worker.drift import DriftWatch
from monitor.worker.maintenance import Upkeep

REBALANCE_SHARE = 0.2  # the share of Kafka's poll interval that a rebalance may wait for SQL


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """`run` is the run's name, `commit_interval` in seconds; `live` compares event times with the wall clock.

    `rebalance_timeout` is how many seconds a rebalance may wait for a store that does not answer.
    """

    run: str = LIVE
    commit_interval: float = 1.0
    live: bool = True
    until_end: bool = False  # stop when everything has been read
    announce: Announce = silent
    max_age: int | None = None  # ns before the wall clock, from which changes of alerts are not announced
    grouping: Grouping = BY_FAMILY
    rebalance_timeout: float = 60.0
    scores: Policy = "all"  # which scores get a row
    drifts: DriftWatch | None = None  # looks for drifts beside the worker
    upkeep: Upkeep | None = None  # what maintenance withholds
    recorded: RecordedLives | None = None  # of a replay: the lives of the live run's alerts

    @classmethod
    def of(
        cls,
        settings: Settings,
        run: str,
        announce: Announce,
        *,
        until_end: bool = False,
        drifts: DriftWatch | None = None,
        upkeep: Upkeep | None = None,
    ) -> WorkerOptions:
        """Those that the settings ask for: the only place that reads them, for the live run and every replay."""
        return cls(
            run=run, live=run == LIVE, until_end=until_end, announce=announce, scores=settings.store.scores,
            grouping=grouping(settings.incidents, announced=run == LIVE and bool(settings.notify)),
            drifts=drifts, upkeep=upkeep, max_age=settings.notify_max_age if run == LIVE and settings.notify else None,
            commit_interval=settings.store.commit_interval / 1e9,
            rebalance_timeout=REBALANCE_SHARE * settings.kafka.poll_interval,
        )  # fmt: skip
