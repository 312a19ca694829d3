"""What is served and what is not, in sentences and in plain values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from monitor.cli.rendering.spans import in_words
from monitor.records.scalars import TopicPartition
from monitor.records.times import iso
from monitor.records.workers import Heartbeat
from monitor.store.service import Service


def problems(service: Service, topics: Sequence[str] | None = None) -> list[str]:
    """What is not served and why, a sentence each; nothing = everything is.

    `topics` are those that should be, None = all that were ever read.
    """
    wanted = [p for p in service.owners if topics is None or p[0] in topics]
    found = [] if service.living else ["no worker is running: nothing is read, scored or reported"]
    found += _unowned(service, [p for p in wanted if not service.serves(p)])
    never = [topic for topic in topics or () if topic not in {p[0] for p in service.owners}]
    found += [f"topic {topic}: no worker has ever read it; does it exist?" for topic in never]
    for worker in service.living:
        if (away := worker.since(worker.report.broker_away)) is not None:
            found.append(f"worker {name(worker)}: no broker has answered it for {ago(away)}")
        if worker.stuck:
            found.append(f"worker {name(worker)}: it has not read for {ago(worker.report.idle)}; does SQL answer?")
    return found


def warnings(service: Service) -> list[str]:
    """What is served but gets worse, a sentence each."""
    found = []
    for worker in service.living:
        report = worker.report
        if (grows := worker.since(report.lag_grows)) is not None:
            behind = "" if report.behind is None else f", {ago(report.behind)} behind"
            found.append(
                f"worker {name(worker)}: its lag grows since {ago(grows)}, now {report.lag:,} records{behind}; "
                "start more workers, or give this one more processor"
            )
    return found


def read_elsewhere(service: Service) -> list[str]:
    """Which workers see partitions of their topics go to processes that do not report here, a sentence each."""
    found = []
    for worker in service.living:
        if (since := worker.since(worker.report.elsewhere_since)) is not None:
            count = worker.report.elsewhere
            found.append(
                f"{count:,} partition{'s'[: count != 1]} of the topics of worker {name(worker)}, for {ago(since)}, by "
                "a process of its group that does not report to this database; two configurations with different "
                "databases in one group? Give each another kafka.group"
            )
    return found


def undelivered(service: Service) -> list[str]:
    """Which notifications wait that no living process delivers, a sentence for each channel."""
    return [
        f"{count:,} notification{'s'[: count != 1]} for {name}: no living process delivers that channel; start "
        "`watchkeeper dispatch`, or workers without --no-dispatch, with a configuration that has it"
        for name, count in service.undelivered.items()
    ]


def name(worker: Heartbeat) -> str:
    """A worker in few words."""
    return f"{worker.report.id[:8]} ({worker.report.host}, pid {worker.report.pid})"


def ago(nanoseconds: int) -> str:
    """A length of time in its two largest units."""
    return in_words(nanoseconds / 1e9)


def as_dict(service: Service, run: str, not_served: Sequence[str]) -> dict[str, Any]:
    """Everything for JSON: times in UTC, lengths of time in seconds."""
    waiting, error = service.outbox, service.outbox.error or None
    oldest = None if waiting.oldest is None else seconds(max(0, service.now - waiting.oldest))
    return {
        "run": run,
        "as_of": iso(service.now),
        "served": not not_served,
        "problems": list(not_served),
        "warnings": [*warnings(service), *(f"read elsewhere: {text}" for text in read_elsewhere(service))],
        "workers": [_worker(worker) for worker in service.workers],
        "dispatchers": [_dispatcher(process) for process in service.dispatchers],
        "undelivered": undelivered(service),
        "partitions": [_partition(service, partition) for partition in service.owners],
        "outbox": {
            "waiting": waiting.waiting, "oldest_s": oldest, "given_up": waiting.given_up, "error": error,
            "dead": dict(sorted(waiting.dead.items())),
            "channels": {name: queue.waiting for name, queue in sorted(waiting.queues.items())},
        },
    }  # fmt: skip


def seconds(nanoseconds: int | None) -> float | None:
    """For JSON."""
    return None if nanoseconds is None else round(nanoseconds / 1e9, 3)


def _unowned(service: Service, partitions: Iterable[TopicPartition]) -> list[str]:
    """A sentence for the partitions of a topic that had the same owner."""
    found = []
    keyed = [((p[0], _last(service.owners[p])), p[1]) for p in partitions]
    for (topic, last), some in groupby(sorted(keyed), key=lambda pair: pair[0]):
        numbers = [number for _, number in some]
        shown = ", ".join(map(str, numbers[:20])) + (f" and {len(numbers) - 20} more" if len(numbers) > 20 else "")
        which, them = (f"partitions {shown}", "them") if len(numbers) > 1 else (f"partition {shown}", "it")
        found.append(f"topic {topic}, {which}: no living worker owns {them}; {last}")
    return found


def _last(owner: Heartbeat | None) -> str:
    if owner is None:
        return "the last one has left no report"
    if owner.ended is None:
        return f"worker {name(owner)} was heard last {ago(owner.age)} ago"
    why = f" with: {owner.error}" if owner.error else ", as it was asked to"
    return f"worker {name(owner)} ended {ago(owner.ended)} ago{why}"


def _worker(worker: Heartbeat) -> dict[str, Any]:
    report = worker.report
    return {
        "id": report.id,
        "host": report.host,
        "pid": report.pid,
        "version": report.version,
        "state": worker.state,
        "started": iso(report.started),
        "beat_age_s": seconds(worker.age),
        "idle_s": seconds(report.idle),
        "commit_age_s": seconds(worker.since(report.committed)),
        "ended_age_s": seconds(worker.ended),
        "error": worker.error or None,
        "families": sorted(report.families),
        "trainings": list(report.trainings),
        "delivers": list(report.delivers),
        "lag_records": report.lag,
        "lag_s": seconds(report.behind),
        "lag_grows_s": seconds(worker.since(report.lag_grows)),
        "broker_away_s": seconds(worker.since(report.broker_away)),
        "partitions_elsewhere": report.elsewhere,
        "elsewhere_s": seconds(worker.since(report.elsewhere_since)),
    }


def _dispatcher(process: Heartbeat) -> dict[str, Any]:
    report = process.report
    return {
        "id": report.id, "host": report.host, "pid": report.pid, "version": report.version, "state": process.state,
        "started": iso(report.started), "beat_age_s": seconds(process.age), "ended_age_s": seconds(process.ended),
        "error": process.error or None, "channels": list(report.delivers),
    }  # fmt: skip


def _partition(service: Service, partition: TopicPartition) -> dict[str, Any]:
    """A partition as its owner reported it; nothing where it has left no report."""
    owner = service.owners[partition]
    known = [] if owner is None else [p for p in owner.report.partitions if (p.topic, p.partition) == partition]
    lag = known[0].lag if known else None
    return {
        "topic": partition[0],
        "partition": partition[1],
        "served": service.serves(partition),
        "worker": None if owner is None else owner.report.id,
        "as_of_age_s": None if owner is None else seconds(owner.age),
        "epoch": known[0].epoch if known else None,
        "next_offset": known[0].next_offset if known else None,
        "lag_records": None if lag is None else lag.records,
        "lag_s": None if lag is None else seconds(lag.behind),
    }
