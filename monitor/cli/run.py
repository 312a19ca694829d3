"""`watchkeeper run`: the always-on worker."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from threading import Event
from typing import Annotated

import structlog
import typer

from monitor import bootstrap
from monitor.cli.parameters.common import ConfigFile
from monitor.cli.rendering.output import echo, echo_json
from monitor.cli.run_process import drain, logged_end, print_totals, refuse_undelivered, stopping
from monitor.config.settings import Settings, load
from monitor.errors import NOT_ALL_JUDGED, ModelError, SourceError
from monitor.observability import logs
from monitor.ports.notifier import Backlog
from monitor.records.dead_counts import A_FEW
from monitor.records.totals import Totals
from monitor.training.model_manager import Champions

_WAIT = (
    "the past arrives faster than a model trains: a simple statistic judges it until there is one; to judge it by a "
    "model, set families.{family}.train.wait = true, or run `watchkeeper train` first"
)

log = structlog.get_logger()


def run(
    config: ConfigFile,
    *,
    until_end: Annotated[bool, typer.Option(help="Stop when everything that is there has been read.")] = False,
    dispatch: Annotated[
        bool, typer.Option(help="Deliver notifications too, or leave that to `watchkeeper dispatch`.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Log lines and the closing summary as JSON.")] = False,
) -> None:
    """Watch the configured streams until stopped (SIGINT, SIGTERM): finish the batch, commit, leave the group."""
    logs.configure(json=as_json or not sys.stderr.isatty())
    with logged_end(as_json=as_json):
        _run(config, load(config), until_end=until_end, dispatch=dispatch, as_json=as_json)


def _run(config: Path, settings: Settings, *, until_end: bool, dispatch: bool, as_json: bool) -> None:
    with stopping() as stop, bootstrap.worker(settings, config, until_end=until_end, dispatch=dispatch) as worker:
        by_statistic = _say_without_models(settings, worker) if until_end else []
        totals = worker.runner.run(partial(_over, stop, worker) if until_end else stop.is_set)
        backlog = drain(worker.dispatcher, stop) if until_end else Backlog()
        away = worker.heartbeat.broker_away if worker.heartbeat is not None else 0.0
    _print(totals, worker.champions, by_statistic, backlog, as_json=as_json)
    if until_end:
        _refuse(config, worker.champions, backlog, away if not stop.is_set() else 0.0)
        _refuse_unreadable(totals, as_json=as_json)


def _over(stop: Event, worker: bootstrap.Worker) -> bool:
    """Whether a run that ends is to end now: it is stopped, or no broker has answered for too long."""
    return stop.is_set() or (worker.heartbeat is not None and worker.heartbeat.broker_away > bootstrap.BROKER_S)


def _say_without_models(settings: Settings, worker: bootstrap.Worker) -> list[str]:
    """Families whose past would be judged by the cold-start statistic, as reading does not wait for their training."""
    known = worker.champions.known(settings.families)
    families = [name for name, family in settings.families.items() if name not in known and not family.train.wait]
    for name in families:
        log.warning("backfill_without_model", family=name, hint=_WAIT.format(family=name))
    return families


def _print(
    totals: Totals, champions: Champions, by_statistic: Sequence[str], backlog: Backlog, *, as_json: bool
) -> None:
    if as_json:
        refused = {family: model.error for family, model in champions.refused.items()}
        more = {"failed_trainings": champions.failed, "refused_models": refused}
        more |= {"judged_by_statistic": by_statistic, "notifications_waiting": backlog.waiting}
        more |= {"notifications_held": dict(backlog.held)}
        echo_json({**asdict(totals), **more})
        return
    failed = ", ".join(f"{family} (exit code {code})" for family, code in champions.failed.items())
    notes = {
        "failed trainings": failed,
        "refused models": ", ".join(champions.refused),
        "judged by a simple statistic until a model came": ", ".join(by_statistic),
        "notifications that wait": str(backlog.waiting or ""),
        "of these": "; ".join(
            f"{backlog.queues[name].waiting:,} for {name}, {held}" for name, held in backlog.held.items()
        ),
    }
    print_totals("Watched", totals, {name: text for name, text in notes.items() if text})


def _refuse(config: Path, champions: Champions, backlog: Backlog, away: float) -> None:
    """Raise what a run that ends has not done."""
    if away > bootstrap.BROKER_S:
        raise SourceError(
            f"no Kafka broker has answered for {away:.0f} s, so this run ends before the end of the topics; what was "
            "read is committed, and the next run goes on there"
        )
    problems = [_no_model(config, family, code) for family, code in champions.failed.items()]
    problems += [f"families.{family} goes on without it: {model.error}" for family, model in champions.refused.items()]
    if problems:
        raise ModelError("\n".join(problems), problems)
    refuse_undelivered(backlog)


def _refuse_unreadable(totals: Totals, *, as_json: bool) -> None:
    """End with an exit code where more than a few of the records could not be read."""
    if totals.dead > A_FEW * totals.records:
        what = f"{totals.dead:,} of {totals.records:,} records could not be read"
        if as_json:
            log.warning("records_unreadable", note=what)
        else:
            echo(f"{what}; `watchkeeper dead list` says why", err=True)
        raise typer.Exit(NOT_ALL_JUDGED)


def _no_model(config: Path, family: str, code: int) -> str:
    return (
        f"families.{family} has no model: its training ended with exit code {code}, and said why above; until it has "
        f"one, a simple statistic covers it. Mend the cause, then run `watchkeeper train {config} --family {family}`"
    )
