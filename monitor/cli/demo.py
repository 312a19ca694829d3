"""`watchkeeper demo`: everything at work on simulated plants, and checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.parameters import bounds
from monitor.cli.rendering.demo_screen import Screen, conclude
from monitor.cli.rendering.output import echo_json
from monitor.demo.folder import prepare
from monitor.demo.plants import Plants
from monitor.demo.play import play
from monitor.observability import logs

LOG = "watchkeeper.log"


def demo(
    *,
    folder: Annotated[
        Path, typer.Option(parser=bounds.path, help="Working folder; emptied first if an earlier demo made it.")
    ] = Path("demo"),
    seed: Annotated[int, typer.Option(parser=bounds.SEED, help="Another seed, another plant.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print only the summary, as JSON.")] = False,
) -> None:
    """Simulate machines and hearts, train on them, watch them live, compare with the truth, and replay.

    Needs no Kafka, no database server, no files and no network. Ends with exit code 1 when one of its checks fails.
    """
    secret = prepare(folder)
    with (folder / LOG).open("w", encoding="utf-8") as log, Screen(quiet=as_json) as screen:
        logs.configure(json=True, stream=log)
        report = play(folder, secret, Plants(seed), screen)
    if as_json:
        echo_json(report.as_json())
    else:
        conclude(report)
    if report.problems:
        raise typer.Exit(1)
