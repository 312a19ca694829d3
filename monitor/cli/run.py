"""`watchkeeper run`: the always-on worker."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import structlog
import typer

from monitor import bootstrap, telemetry
from monitor.champions import Champions
from monitor.cli.running import print_totals, settle, stopping
from monitor.errors import ModelError
from monitor.records import LIVE
from monitor.runner import Plan, Runner
from monitor.settings import Settings, load

log = structlog.get_logger()

POLL_INTERVAL_MS = 300_000  # librdkafka's default for max.poll.interval.ms
PATIENCE = 0.2  # the share of it that a rebalance may wait for SQL


def run(
    config: Annotated[Path, typer.Argument(help="The TOML file; WATCHKEEPER__* variables are laid over it.")],
    *,
    until_end: Annotated[bool, typer.Option(help="Stop when everything that is there has been read.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Log lines and the closing summary as JSON.")] = False,
) -> None:
    """Watch the configured streams until stopped (SIGINT, SIGTERM): finish the batch, commit, leave the group."""
    settings = load(config)
    bootstrap.check_detectors(settings)
    telemetry.configure(json=as_json or not sys.stderr.isatty())
    with stopping() as stop, worker(settings, config, until_end=until_end) as (runner, champions):
        settle()
        totals = runner.run(stop.is_set)
    if as_json:
        typer.echo(json.dumps({**asdict(totals), "failed_trainings": champions.failed}))
    else:
        failed = ", ".join(f"{family} (exit code {code})" for family, code in champions.failed.items())
        print_totals("Watched", totals, {"failed trainings": failed} if failed else {})
    if until_end and champions.failed:
        raise ModelError("\n".join(_no_model(config, family, code) for family, code in champions.failed.items()))


def _no_model(config: Path, family: str, code: int) -> str:
    return (
        f"families.{family} has no model: its training ended with exit code {code}, and said why above; until it has "
        f"one, a simple statistic covers it. Mend the cause, then run `watchkeeper train {config} --family {family}`"
    )


@contextmanager
def worker(settings: Settings, config: Path, *, until_end: bool) -> Iterator[tuple[Runner, Champions]]:
    """A live worker, its models and its dispatcher; a family without a model is trained in a process of its own."""
    with ExitStack() as stack:
        settings = stack.enter_context(bootstrap.broker(settings))
        store = bootstrap.store(settings)
        stack.callback(store.close)
        dispatcher = bootstrap.dispatcher(settings)
        if dispatcher is not None:
            dispatcher.start()
            stack.callback(dispatcher.stop)
        pipelines = bootstrap.pipelines(settings)
        champions = Champions(
            store, LIVE, bootstrap.load_detector, bootstrap.summary, partial(_train_apart, config, stack)
        )
        plan = Plan(
            interval=settings.store.commit_interval / 1e9, until_end=until_end, announce=bootstrap.announce(settings),
            scores=settings.store.scores,
            patience=PATIENCE * float(settings.kafka.options.get("max.poll.interval.ms", POLL_INTERVAL_MS)) / 1e3,
        )  # fmt: skip
        connect = partial(bootstrap.kafka_source, settings, pipelines)
        yield Runner(connect, store, pipelines, champions, plan), champions


def _train_apart(config: Path, stack: ExitStack, family: str) -> subprocess.Popen[bytes]:
    """Train with the command a person would use; it ends with the worker at the latest."""
    command = [sys.executable, "-m", "monitor", "train", str(config), "--family", family, "--quiet"]
    job = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603 (our own command)
    stack.callback(_end, job)
    return job


def _end(job: subprocess.Popen[bytes]) -> None:
    if job.poll() is None:
        job.terminate()
    job.wait(timeout=10)
