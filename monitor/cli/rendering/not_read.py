"""What a command says at its end of records that could not be read."""

from __future__ import annotations

import typer

from monitor.cli.rendering.escape import visible
from monitor.records.dead_counts import DeadCounts


def say_not_read(dead: DeadCounts, records: int, what: str) -> None:
    """On standard error: how many of `records`, called `what`, why, and the first of each reason; or nothing."""
    if not records:
        typer.echo(f"there are no {visible(what)}", err=True)
    if not dead.total:
        return
    typer.echo(f"{dead.total:,} of {records:,} {visible(what)} could not be read:", err=True)
    for line in dead.lines():
        typer.echo(f"  {visible(line)}", err=True)
