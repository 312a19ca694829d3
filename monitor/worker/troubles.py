"""Troubles that last: each is logged once when it begins and once when it ends."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import structlog

from monitor.records.batches import TopicPartition
from monitor.records.workers import Heartbeat, Lag, owners

GROWING = 3  # beats in a row in which lag grew, and then did not, until that is said
SPLIT_FROM = 600.0  # s; a member may hold a rebalance up for five minutes, and see new partitions as late
ELSEWHERE = "two configurations with different databases in one group? Give each another kafka.group"
BEHIND_FROM = 60 * 10**9  # ns; what is less may be a commit interval or a rebalance

log = structlog.get_logger()


class LagGrowth:
    """Whether what is left to read becomes more: over `GROWING` beats, and more than `BEHIND_FROM` behind."""

    def __init__(self) -> None:
        self._records: deque[int] = deque(maxlen=GROWING + 1)
        self._falling = 0
        self.since: int | None = None

    def look(self, lags: Sequence[Lag], now: int) -> None:
        """Lag of all partitions of the worker at one beat; `now` in ns."""
        records = sum(lag.records for lag in lags)
        behind = max((lag.behind for lag in lags if lag.behind is not None), default=None)
        last = self._records[-1] if self._records else records
        self._records.append(records)
        self._falling = 0 if records > last else self._falling + 1
        known = list(self._records)
        grows = len(known) > GROWING and all(a < b for a, b in pairwise(known))
        facts = {"records": records, "behind_s": None if behind is None else round(behind / 1e9)}
        if self.since is None and grows and (behind is None or behind >= BEHIND_FROM):
            self.since = now
            log.warning("lag_growing", **facts, hint="more is written than this worker can read: add workers")
        elif self.since is not None and (records == 0 or self._falling >= GROWING):
            log.info("lag_growth_ended", **facts, after_s=round((now - self.since) / 1e9))
            self.since = None


class BrokerAway:
    """Whether a broker answers."""

    def __init__(self) -> None:
        self.since: int | None = None

    def look(self, error: str | None, now: int) -> None:
        """`error` of the newest question, None = it was answered; `now` in ns."""
        if error is not None and self.since is None:
            self.since = now
            log.error("broker_away", error=error, note="still trying; nothing is read meanwhile")
        elif error is None and self.since is not None:
            log.info("broker_back", after_s=round((now - self.since) / 1e9))
            self.since = None


class LostWorkers:
    """Other workers whose heartbeats have stopped without their saying that they end."""

    def __init__(self) -> None:
        self._lost: set[str] = set()
        self._replaced: set[str] = set()  # of them, those whose partitions all have another owner since

    def look(self, heartbeats: Sequence[Heartbeat], mine: str) -> None:
        """Newest reports of all workers of the run, also of this one, `mine`."""
        held = owners(heartbeats)
        for each in heartbeats:
            worker = each.report.id
            if each.alive and worker in self._lost:
                self._lost.discard(worker)
                self._replaced.discard(worker)
                log.info("worker_returned", **_facts(each))
            if each.alive or each.ended is not None or worker == mine:
                continue
            left = [p for p, (_, owner) in held.items() if owner.report.id == worker]
            if worker not in self._lost:
                self._lost.add(worker)
                log.error("worker_lost", **_facts(each), silent_s=round(each.age / 1e9), partitions=_names(left))
            if not left and worker not in self._replaced:
                self._replaced.add(worker)
                log.info("worker_replaced", **_facts(each))


class ReadElsewhere:
    """Partitions of the worker's topics that the group gives to no worker of its database, for `SPLIT_FROM` on end.

    Two configurations in one group with different databases divide a topic in silence: each database has half of the
    streams. A rebalance, a worker that starts, and a topic that grows pass sooner; what a lost worker held is known.
    """

    def __init__(self) -> None:
        self._missing: frozenset[TopicPartition] = frozenset()
        self._counts: Mapping[str, int] = {}
        self._from: float | None = None  # by the monotonic clock
        self.since: int | None = None  # wall clock, ns: once it has lasted

    @property
    def partitions(self) -> int:
        """How many, once it has lasted; 0 before."""
        return 0 if self.since is None else len(self._missing)

    def look(self, counts: Mapping[str, int], heartbeats: Sequence[Heartbeat], mine: str, now: float) -> None:
        """Partitions of each topic by the broker, {} = not known; newest reports of the run; `now` in seconds."""
        there = [each.report for each in heartbeats if each.ended is None]
        topics = {owned.topic for report in there if report.id == mine for owned in report.partitions}
        held = {(owned.topic, owned.partition) for report in there for owned in report.partitions}
        every = {(topic, number) for topic in topics & counts.keys() for number in range(counts[topic])}
        missing = frozenset(every - held)
        if not missing or (missing, counts) != (self._missing, self._counts):
            if self.since is not None:
                log.info("partitions_read_elsewhere_ended", partitions=_names(self._missing - missing))
            self._missing, self._counts, self.since = missing, counts, None
            self._from = now if missing else None
        elif self.since is None and self._from is not None and now - self._from >= SPLIT_FROM:
            self.since = time.time_ns() - round((now - self._from) * 1e9)
            log.warning(
                "partitions_read_elsewhere", partitions=_names(missing), for_s=round(now - self._from), hint=ELSEWHERE
            )


def _facts(heartbeat: Heartbeat) -> dict[str, object]:
    report = heartbeat.report
    return {"worker": report.id[:8], "host": report.host, "pid": report.pid}


def _names(partitions: Iterable[TopicPartition]) -> list[str]:
    return [f"{topic}/{partition}" for topic, partition in sorted(partitions)]
