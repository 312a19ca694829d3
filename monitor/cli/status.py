"""`watchkeeper status`: whether everything is served: workers, partitions and their lag, trainings, notifications."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.parameters.database import Config, Url, store_url, topics, utc
from monitor.cli.rendering.output import echo_json, terminal
from monitor.cli.rendering.service_text import ago, as_dict, problems, read_elsewhere, undelivered, warnings
from monitor.records.batches import LIVE

if TYPE_CHECKING:
    from rich.console import Console

    from monitor.cli.rendering.alert_table import FittedTable
    from monitor.records.workers import Heartbeat
    from monitor.store.service import Service

NOT_SERVED = 8  # exit code


def status(
    config: Config = None,
    url: Url = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show workers, partitions, lag, trainings and notifications. Exit code 8: something is not served."""
    from monitor.store.queries import open_reader

    reader = open_reader(store_url(config, url))
    try:
        service = reader.service(LIVE)
    finally:
        reader.close()
    not_served = problems(service, topics(config, url))
    if as_json:
        echo_json(as_dict(service, LIVE, not_served), indent=2)
    else:
        _show(service, not_served)
    if not_served:
        raise typer.Exit(NOT_SERVED)


def _show(service: Service, not_served: list[str]) -> None:
    console = terminal()
    served = sum(map(service.serves, service.owners))
    living = len(service.living)
    console.print(
        f"{utc(service.now)} UTC: {living} living worker{'s'[: living != 1]}, "
        f"{served} of {len(service.owners)} partitions read"
    )
    if shown := _worth_showing(service):
        console.print(_workers(shown))
    if delivering := [process for process in service.dispatchers if process.ended is None or process.error]:
        console.print(_dispatchers(delivering))
    if service.owners:
        console.print(_topics(service))
    _say(console, _outbox(service))
    for text in warnings(service):
        _say(console, f"Growing: {text}", "yellow")
    for text in read_elsewhere(service):
        _say(console, f"Read elsewhere: {text}", "yellow")
    for text in undelivered(service):
        _say(console, f"Not delivered: {text}", "red")
    for text in not_served:
        _say(console, f"Not served: {text}", "red")


def _worth_showing(service: Service) -> list[Heartbeat]:
    """All but those that have ended and left nothing that no other worker owns."""
    last = {owner.report.id for owner in service.owners.values() if owner is not None}
    return [worker for worker in service.workers if worker.ended is None or worker.report.id in last]


def _say(console: Console, text: str, style: str = "") -> None:
    from rich.text import Text

    from monitor.records.escapes import visible

    console.print(Text(visible(text), style=style))


def _workers(workers: list[Heartbeat]) -> FittedTable:
    from monitor.cli.rendering.alert_table import FittedTable

    rows = [_worker(worker) for worker in workers]
    columns = {heading: [row[heading] for row in rows] for heading in rows[0]}
    return FittedTable(columns, ("version", "up", "trains", "commit", "behind", "pid"), title="Workers")


def _worker(worker: Heartbeat) -> dict[str, str]:
    report = worker.report
    commit = worker.since(report.committed)
    up = worker.since(report.started)
    return {
        "worker": report.id[:8],
        "host": report.host,
        "pid": str(report.pid),
        "version": report.version,
        "state": worker.state,
        "up": "" if up is None else ago(up),
        "heard": f"{ago(worker.age)} ago",
        "commit": "never" if commit is None else f"{ago(commit)} ago",
        "partitions": str(len(report.partitions)),
        "lag": f"{report.lag:,}",
        "behind": "" if report.behind is None else ago(report.behind),
        "trains": ", ".join(report.trainings),
    }


def _dispatchers(processes: list[Heartbeat]) -> FittedTable:
    from monitor.cli.rendering.alert_table import FittedTable

    columns: dict[str, list[str]] = {
        "dispatcher": [process.report.id[:8] for process in processes],
        "host": [process.report.host for process in processes],
        "pid": [str(process.report.pid) for process in processes],
        "state": [process.state for process in processes],
        "heard": [f"{ago(process.age)} ago" for process in processes],
        "channels": [", ".join(process.report.delivers) for process in processes],
    }
    return FittedTable(columns, ("pid", "heard"), title="Dispatchers", folded=("channels",))


def _topics(service: Service) -> FittedTable:
    """Partitions by topic; the lag of those that are not read is as old as the last report about them."""
    from monitor.cli.rendering.alert_table import FittedTable

    topics = list(dict.fromkeys(topic for topic, _ in service.owners))
    columns: dict[str, list[str]] = {
        "topic": topics, "partitions": [], "read": [], "lag": [], "behind": [], "lag known": [],
    }  # fmt: skip
    for topic in topics:
        ours = {p: owner for p, owner in service.owners.items() if p[0] == topic}
        held = [
            (owned, owner)
            for p, owner in ours.items()
            if owner is not None
            for owned in owner.report.partitions
            if (owned.topic, owned.partition) == p and owned.lag is not None
        ]
        lags = [owned.lag for owned, _ in held if owned.lag is not None]
        behind = [lag.behind for lag in lags if lag.behind is not None]
        columns["partitions"].append(str(len(ours)))
        columns["read"].append(str(sum(map(service.serves, ours))))
        columns["lag"].append(f"{sum(lag.records for lag in lags):,}" if lags else "not known")
        columns["behind"].append(ago(max(behind)) if behind and len(behind) == len(lags) else "not known")
        columns["lag known"].append(f"{ago(max(owner.age for _, owner in held))} ago" if held else "")
    return FittedTable(columns, ("lag known", "behind"), title="Topics")


def _outbox(service: Service) -> str:
    waiting = service.outbox
    if not waiting.waiting:
        text = "Notifications: none waits"
    else:
        oldest = "" if waiting.oldest is None else f", the oldest for {ago(max(0, service.now - waiting.oldest))}"
        channels = ", ".join(f"{queue.waiting:,} for {name}" for name, queue in sorted(waiting.queues.items()))
        text = f"Notifications: {waiting.waiting:,} wait{oldest} ({channels})"
    if waiting.dead:
        dead = ", ".join(f"{count:,} for {name}" for name, count in sorted(waiting.dead.items()))
        text += f"; {waiting.given_up:,} given up ({dead}; `watchkeeper deliveries list --state dead`)"
    return text + (f"; the newest failure: {waiting.error}" if waiting.error else "")
