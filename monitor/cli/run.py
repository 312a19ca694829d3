"""`watchkeeper run`: the always-on worker."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import structlog
import typer

from monitor import bootstrap
from monitor.cli.run_process import print_totals, stopping
from monitor.config.settings import load
from monitor.errors import ModelError
from monitor.observability import logs

log = structlog.get_logger()


def run(
    config: Annotated[Path, typer.Argument(help="The TOML file; WATCHKEEPER__* variables are laid over it.")],
    *,
    until_end: Annotated[bool, typer.Option(help="Stop when everything that is there has been read.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Log lines and the closing summary as JSON.")] = False,
) -> None:
    """Watch the configured streams until stopped (SIGINT, SIGTERM): finish the batch, commit, leave the group."""
    settings = load(config)
    logs.configure(json=as_json or not sys.stderr.isatty())
    with stopping() as stop, bootstrap.worker(settings, config, until_end=until_end) as (runner, champions):
        totals = runner.run(stop.is_set)
    if as_json:
        refused = {family: model.error for family, model in champions.refused.items()}
        typer.echo(json.dumps({**asdict(totals), "failed_trainings": champions.failed, "refused_models": refused}))
    else:
        failed = ", ".join(f"{family} (exit code {code})" for family, code in champions.failed.items())
        notes = {"failed trainings": failed, "refused models": ", ".join(champions.refused)}
        print_totals("Watched", totals, {name: text for name, text in notes.items() if text})
    problems = [_no_model(config, family, code) for family, code in champions.failed.items()]
    problems += [f"families.{family} goes on without it: {model.error}" for family, model in champions.refused.items()]
    if until_end and problems:
        raise ModelError("\n".join(problems))


def _no_model(config: Path, family: str, code: int) -> str:
    return (
        f"families.{family} has no model: its training ended with exit code {code}, and said why above; until it has "
        f"one, a simple statistic covers it. Mend the cause, then run `watchkeeper train {config} --family {family}`"
    )
